/** The only door of the engine: tiered, coherent caching without a framework. */
export { TieredCache } from './tiered-cache.js';
export { type AmbientTransaction, type DeferredSender, useAmbient } from './ambient.js';
export type { CacheHealth } from './cache-health.js';
export { CacheNamespace } from './cache-namespace.js';
export type { RememberedRead } from './memory/node.js';
export type { BusHealth } from './coherence/bus-follower.js';
export type { Fence, FenceOptions } from './coherence/fence.js';
export type { BusCursor, BusPage, BusRecord, SecondBus } from './coherence/second-bus.js';
export { type Clock, systemClock } from './clock.js';
export type { Codec, RegisteredClass } from './codec/codec.js';
export type { CodecName } from './codec/codecs.js';
export { type CompressionAlgorithm, compressionAlgorithms } from './codec/compression.js';
export { type Duration, durationMs, MAX_TTL_MS, type Ttl, ttlMs } from './duration.js';
export {
  CacheClosedError,
  CorruptEntryError,
  EntryTooLargeError,
  InvalidKeyError,
  InvalidOptionsError,
  InvalidTagError,
  InvalidTtlError,
  LoaderTimeoutError,
  MissingPackageError,
  ReentrantLoadError,
  RemoteUnavailableError,
  StrataError,
  type StrataErrorCode,
  UnknownNamespaceError,
  UnserialisableValueError,
  UntrackedReadError,
} from './errors.js';
export type { Exclusive, ExclusiveOptions } from './exclusive.js';
export { joinSelectors } from './join-selectors.js';
export { hashParts } from './keys/hash-parts.js';
export type {
  CompressionOptions,
  Consistency,
  GetOptions,
  GetOrSetOptions,
  InvalidateOptions,
  InvalidationReport,
  InvalidationResult,
  InvalidationSelector,
  LoadContext,
  Loader,
  ManyLoader,
  NamespaceOptions,
  SetOptions,
  TieredCacheOptions,
  TierName,
  ValueSafety,
} from './options.js';
export type { Reserved } from './loading/reserve.js';
export { createInProcessTier } from './remote/in-process/in-process-tier.js';
export { InProcessHub } from './remote/in-process/in-process-hub.js';
export { createRedisTier } from './remote/redis/redis-tier.js';
export type { RedisTierOptions } from './remote/redis/redis-options.js';
export type { ClusterNode, RedisClusterOptions } from './remote/redis/cluster/redis-cluster-options.js';
export type { SentinelAddress, SentinelOptions } from './remote/redis/redis-sentinel.js';
export type { RemoteDescription, RemoteState, RemoteTier } from './remote/remote-tier.js';
export { DEFAULTS } from './resolve-options.js';
export type { CircuitName } from './resilience/guarded-remote.js';
export type { CacheEventName, CacheEvents, CacheListener, ReadOutcome } from './telemetry/events.js';
export type {
  CacheStats,
  LatencyStats,
  MemoryTierStats,
  NamespaceStats,
  TierStats,
  WindowStats,
} from './telemetry/stats.js';
export { dependsOn } from './tracking/depends-on.js';
export type { TrackedReads } from './tracking/tracked-load.js';
