import type { InjectionToken } from '@nestjs/common';
import { cacheNameOrThrow, DEFAULT_CACHE } from './cache.names.js';

/**
 * What features say to each other without importing each other: a feature provides a port under its token,
 * another resolves it with `moduleRef.get(token, { strict: false })` and works without it.
 */

/** Under which a cache's warming is found by admin and health. */
export function getWarmingToken(name: string = DEFAULT_CACHE): InjectionToken<WarmingPort> {
  return `Strata:warming:${cacheNameOrThrow(name)}`;
}

/** Under which the invalidations by database writes of a cache are found by admin. */
export function getWritesToken(name: string = DEFAULT_CACHE): InjectionToken<WritesPort> {
  return `Strata:writes:${cacheNameOrThrow(name)}`;
}

export interface WritesPort {
  stats(): WriteCounts;
  outbox(): OutboxReport;
}

/** How the database's own record of writes (triggers and outbox) is doing; counted since the application's start. */
export interface OutboxReport {
  /** False: none is configured; then `unseen` says what that means. */
  enabled: boolean;
  /** Rows applied by this node. */
  relayed: number;
  /** Rows of this node's own transactions that it had invalidated itself. */
  own: number;
  /** Rounds that ended with an error, or unacknowledged: their rows are tried again. */
  failed: number;
  /** Rows that are not applied yet, on any node; null: not known. */
  backlog: number | null;
  /** Age of the oldest of them, milliseconds; null: not known. */
  lagMs: number | null;
  /** Why nothing is relayed; null: all is well, or no outbox is wanted. */
  problem: string | null;
  /** Which writes cannot be seen, one line each. */
  unseen: string[];
}

/** Counted since the application's start. */
export interface WriteCounts {
  /** Invalidations handed to the cache; one per committed transaction. */
  sent: number;
  /** Not answered within `maxDelayMs`: the write went on, the invalidation went on behind it. */
  late: number;
  /** Taken by the cache, but not acknowledged by the shared tier; the cache sends them again. */
  unacknowledged: number;
  /** Refused by the cache; it was cleared instead. */
  failed: number;
  /** Transactions with writes of marked entities that were rolled back: nothing was invalidated. */
  rolledBack: number;
  /** Transactions whose end nobody saw (connection lost): invalidated all the same. */
  swept: number;
  /** Fences that stood when COMMIT was sent; one per transaction. */
  fencesRaised: number;
  /** COMMITs that went ahead without their fence: the shared tier was late or away, or a key was refused. */
  fencesNotStanding: number;
  /** Keys left without a fence, being more than a transaction may have. */
  keysNotFenced: number;
}

export interface WarmingPort {
  jobs(): WarmingJob[];
  /** Runs the named strategies (default: all), or loads explicit entries. Never rejects for a strategy's own failure. */
  trigger(request?: WarmingRequest): Promise<WarmingReport[]>;
  metrics(): WarmingMetrics[];
  /** True when the cache is cold. */
  isWarmupNeeded(): Promise<boolean>;
}

export interface WarmingRequest {
  strategies?: string[];
  keys?: { namespace: string; id: string }[];
}

export interface WarmingJob {
  name: string;
  kind: 'startup' | 'cron';
  /** Wall clock, milliseconds since the epoch; null: never ran. */
  lastRun: number | null;
  /** Wall clock, milliseconds since the epoch; null: not scheduled. */
  nextRun: number | null;
  running: boolean;
}

export interface WarmingReport {
  strategy: string;
  success: boolean;
  itemsProcessed: number;
  durationMs: number;
  failures: number;
  error?: string;
  /** Why nothing was done: another node holds the job, or it runs here already. */
  skipped?: 'held-elsewhere' | 'already-running';
}

export interface WarmingMetrics {
  strategy: string;
  runs: number;
  /** Runs that succeeded. */
  success: number;
  /** Runs that failed. */
  failures: number;
  /** Items over all runs. */
  itemsProcessed: number;
  lastDurationMs: number;
  consecutiveFailures: number;
  last: WarmingReport | null;
}
