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
