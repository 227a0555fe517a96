import type { GetOrSetOptions, Loader } from '#tiered-cache';
import type { CacheService } from '../cache.service.js';

/** Why a run happens. A start-up run fills what is missing, the others load anew and renew the full TTL. */
export type WarmingReason = 'startup' | 'cron' | 'manual';

/** One cache entry to warm: loaded at the source and stored with the namespace's full TTL. */
export interface WarmEntry<T = unknown> {
  namespace: string;
  id: string;
  load: Loader<T>;
  /** `fresh` is decided by the run, not here. */
  options?: Omit<GetOrSetOptions<T>, 'fresh'>;
}

/**
 * A piece of work: an entry, or a function that warms one thing by itself. A `@Cacheable` method that such a function
 * calls loads anew in scheduled and manual runs: `() => this.instruments.find('AAPL')` (not after an await in it). The `load` of an
 * entry asks the source, not the cached method of the same key, which would wait for itself.
 */
export type WarmItem = WarmEntry | ((context: WarmingContext) => unknown);

/**
 * What `warm` may answer: nothing (it has done the work itself, by calling cached methods or `context.refresh`),
 * the number of items it warmed, or items for the runner, which loads them under the concurrency limit.
 */
export type WarmingWork = void | number | Iterable<WarmItem> | AsyncIterable<WarmItem>;

export interface WarmingContext {
  readonly cache: CacheService;
  readonly reason: WarmingReason;
  /** True when entries are to be loaded anew although they are still good. */
  readonly fresh: boolean;
  /** Aborted when the application shuts down. */
  readonly signal: AbortSignal;
  /** Loads one entry under the concurrency limit and counts it; rejects with the loader's own error. */
  refresh<T>(
    namespace: string,
    id: string,
    load: Loader<T>,
    options?: Omit<GetOrSetOptions<T>, 'fresh'>,
  ): Promise<T>;
}

export interface WarmingSettings {
  /** Unique per cache; letters, digits, `-`, `_`, `.` and `:`. */
  name: string;
  /** Run when the application starts. Default true. */
  startup?: boolean;
  /** true (default): at the module's interval; a cron expression: at its own times; false: never by itself. */
  cron?: boolean | string;
  /** Name of the cron job in SchedulerRegistry. Default `warm-<name>`. */
  jobName?: string;
  /** Namespaces whose entries `load` can load, for explicit keys. */
  namespaces?: readonly string[];
}

/** A plain class that knows what to warm. Add it by `strategies`, by `@WarmCache` on the class, or by `CacheWarming.add`. */
export interface WarmingStrategy extends WarmingSettings {
  warm(context: WarmingContext): WarmingWork | Promise<WarmingWork>;
  /** Loads one entry of `namespaces` for a manual trigger of explicit keys; the runner stores it. */
  load?(key: { namespace: string; id: string }, context: WarmingContext): unknown;
}

export function isWarmEntry(item: unknown): item is WarmEntry {
  return (
    typeof item === 'object' &&
    item !== null &&
    typeof (item as WarmEntry).namespace === 'string' &&
    typeof (item as WarmEntry).id === 'string' &&
    typeof (item as WarmEntry).load === 'function'
  );
}
