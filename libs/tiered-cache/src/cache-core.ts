import type { AsyncResource } from 'node:async_hooks';
import type { Clock } from './clock.js';
import type { Codecs } from './codec/codecs.js';
import type { KnownStrings } from './codec/wire-header.js';
import type { BusFollower } from './coherence/bus-follower.js';
import type { L1Gate } from './coherence/l1-gate.js';
import type { LogFollower } from './coherence/log-follower.js';
import type { OwnRecords } from './coherence/own-records.js';
import type { MarkerTable } from './coherence/markers.js';
import type { PendingInvalidations } from './coherence/pending-invalidations.js';
import type { TagTable } from './coherence/tag-table.js';
import type { MemoryStore } from './memory/memory-store.js';
import type { Shelf } from './memory/shelf.js';
import type { ResolvedNamespace, ResolvedOptions } from './resolve-options.js';
import type { GuardedRemote } from './resilience/guarded-remote.js';
import type { CacheEventBus } from './telemetry/events.js';
import type { Counters, Recorder } from './telemetry/recorder.js';

/** The parts of one cache, shared by its namespaces and by the read and write paths. */
export interface CacheCore {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  /** What every hit in L1 asks. */
  readonly gate: L1Gate;
  readonly codecs: Codecs;
  readonly l1: MemoryStore;
  readonly tags: TagTable;
  readonly markers: MarkerTable;
  readonly pending: PendingInvalidations;
  readonly ownRecords: OwnRecords;
  /** Null in embedded mode. */
  readonly remote: GuardedRemote | null;
  /** Null in embedded mode: then the clock always runs. */
  readonly log: LogFollower | null;
  /** Takes over while the shared tier is away, where one is attached. Null in embedded mode. */
  readonly bus: BusFollower | null;
  /** Names of the namespaces that go on by the second bus. */
  readonly followsBus: Set<string>;
  readonly recorder: Recorder;
  readonly events: CacheEventBus;
  /** Background work runs in here, so that it keeps no request's context alive. */
  readonly background: AsyncResource;
  /** Loaders that run now; what is left of them when `close` stops waiting is aborted. */
  readonly loads: Set<{ abort(reason: unknown): void }>;
  /** Writes under way, which `close` waits for. */
  writes: number;
  closed: boolean;
}

/** One namespace as the read path sees it. */
export interface NamespaceCore {
  readonly settings: ResolvedNamespace;
  /** The tag every entry of the namespace carries. */
  readonly tag: string;
  /** The same, of requests without tags of their own. */
  readonly ownTags: readonly string[];
  readonly strings: KnownStrings;
  /** Of the shared tier; a hit begins anew. */
  missesInARow: number;
  /** Its entries in L1, by id. */
  readonly shelf: Shelf;
  readonly counters: Counters;
}

/** User tags never begin with '#', so that the namespace's own cannot be met. */
export function namespaceTag(namespace: string): string {
  return `#ns:${namespace}`;
}

/** The validity clock: until when (monotonic ms) L1 and known nonces may be used. */
export function validUntil(core: CacheCore): number {
  return core.log === null ? Infinity : core.log.validUntil;
}

/** May this namespace's L1 nodes be served now? */
export function l1Serves(core: CacheCore, ns: ResolvedNamespace, now: number): boolean {
  if (core.log === null || now < core.log.validUntil || ns.consistency === 'local') return true;
  return keepsLocally(core, ns, now);
}

/** Without the shared tier: does L1 go on for this namespace, and keep what is loaded? */
export function keepsLocally(core: CacheCore, ns: ResolvedNamespace, now: number): boolean {
  // Not believed is as good as away.
  if (ns.onRemoteLoss === 'serve-local') return remoteLost(core) || core.bus?.doubtful === true;
  return ns.onRemoteLoss === 'second-bus' && core.bus !== null && now < core.bus.validUntil;
}

export function remoteLost(core: CacheCore): boolean {
  return core.remote !== null && (!core.remote.usable || core.remote.tier.state !== 'ready');
}

/**
 * May an answer of the shared tier about this namespace be believed (LogFollower.believes)? Asks the log once more
 * where the clock has stopped or nobody has looked yet.
 */
export function believes({ log, bus }: CacheCore, { tag }: NamespaceCore): boolean | Promise<boolean> {
  if (bus?.doubtful === true) return false;
  if (log === null || log.believes(tag)) return true;
  return log.confirm().then((answered) => answered && log.believes(tag));
}

/** Must this read be as strict as a strict namespace's: the level, or a write that has not been applied here yet? */
export function readsStrictly(core: CacheCore, ns: NamespaceCore, minPosition: string | undefined): boolean {
  if (ns.settings.consistency === 'strict') return true;
  if (minPosition === undefined || core.log === null) return false;
  return !core.log.reached(minPosition, (record) => core.ownRecords.has(record));
}
