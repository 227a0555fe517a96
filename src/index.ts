export { CacheModule, type CacheFeatureOptions } from './cache.module.js';
export { CacheService } from './cache.service.js';
export { DEFAULT_CACHE, getCacheOptionsToken, getCacheToken, InjectCache } from './cache.tokens.js';
export {
  Cacheable,
  type CacheableFactory,
  CacheApi,
  CacheMarket,
  CacheQuery,
  CacheUser,
  createCacheable,
} from './decorators/cacheable.decorator.js';
export { CacheDefaults } from './decorators/cache-defaults.decorator.js';
export { CacheEvict } from './decorators/cache-evict.decorator.js';
export { CachePut } from './decorators/cache-put.decorator.js';
export type {
  CacheableDefaults,
  CacheableOptions,
  CacheDefaultsOptions,
  CachedMethodDecorator,
  CacheEvictOptions,
  CachePutOptions,
} from './decorators/decorator-types.js';
export {
  CACHE_ENV,
  type CacheEnvVariable,
  cacheOptionsFromEnv,
  TTL_PROFILES,
  type TtlProfiles,
  ttlProfilesFromEnv,
} from './cache.env.js';
export { tradingNamespaces, type TradingNamespace } from './cache.namespaces.js';
export {
  CACHE_DEFAULTS,
  type CacheModuleOptions,
  type CacheOptionsFactory,
  type RedisOptions,
  type ResolvedCacheOptions,
} from './cache.options.js';
export {
  CacheNotFoundError,
  CacheNotVisibleError,
  DecoratorUsageError,
  DuplicateCacheError,
  DuplicateClassError,
} from './errors.js';
export { dependsOn } from '#tiered-cache';
/** Types of what CacheService takes and answers; the rest of the engine's are in nestjs-strata/engine. */
export type {
  CacheHealth,
  ClusterNode,
  Fence,
  FenceOptions,
  GetOptions,
  GetOrSetOptions,
  InvalidationResult,
  RedisClusterOptions,
  SentinelAddress,
  SentinelOptions,
} from '#tiered-cache';
export {
  getWarmingToken,
  getWritesToken,
  type OutboxReport,
  type WarmingJob,
  type WarmingMetrics,
  type WarmingPort,
  type WarmingReport,
  type WarmingRequest,
  type WriteCounts,
  type WritesPort,
} from './features.js';
