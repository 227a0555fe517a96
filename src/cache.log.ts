import { Logger } from '@nestjs/common';
import { systemClock, type CacheEvents, type CacheStats, type Clock, type TieredCache } from '#tiered-cache';
import type { ResolvedCacheOptions } from './cache.options.js';

/** How often the log looks at counters and at the logger's level, milliseconds. */
const TICK_MS = 1_000;

/**
 * What an operator reads: losing and regaining the shared tier, invalidations that were not answered, failed
 * background loads, statistics. Single reads are listened to only while somebody wants them at DEBUG, as a
 * listener costs every hit.
 */
export class CacheLog {
  private readonly logger = new Logger('Strata');
  private readonly label: string;
  private readonly clock: Clock;
  private cancelTick: (() => void) | undefined;
  private readsLogged = false;
  private readonly notStoredIn = new Set<string>();
  private down = false;
  private loggedOperations = 0;
  private loggedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly cache: TieredCache,
    private readonly options: ResolvedCacheOptions,
  ) {
    this.label = `[${options.name}]`;
    this.clock = options.clock ?? systemClock;
  }

  start(): void {
    if (this.cancelTick !== undefined) return;
    this.cache.on('remote', this.onRemote);
    this.cache.on('invalidation-failed', this.onInvalidationFailed);
    this.cache.on('refresh-failed', this.onRefreshFailed);
    this.cache.on('gap', this.onGap);
    this.cache.on('not-stored', this.onNotStored);
    this.tick();
  }

  /** The last line: the statistics of the whole run. */
  stop(): void {
    if (this.cancelTick === undefined) return;
    this.cancelTick();
    this.cancelTick = undefined;
    this.watchReads(false);
    this.cache.off('remote', this.onRemote);
    this.cache.off('invalidation-failed', this.onInvalidationFailed);
    this.cache.off('refresh-failed', this.onRefreshFailed);
    this.cache.off('gap', this.onGap);
    this.cache.off('not-stored', this.onNotStored);
    this.logger.log(`${this.label} final statistics: ${statsLine(this.cache.stats())}`);
  }

  private tick(): void {
    this.cancelTick = this.clock.setTimer(TICK_MS, () => this.tick());
    this.watchReads(
      this.options.logOperations ?? (!this.options.production && Logger.isLevelEnabled('debug')),
    );
    this.logStatistics();
  }

  private logStatistics(): void {
    const { statsLogEvery, statsLogInterval } = this.options;
    if (statsLogEvery === 0) return;
    const now = this.clock.monotonic();
    if (now - this.loggedAt < statsLogInterval) return;
    const stats = this.cache.stats();
    // resetStats() takes the count back.
    if (stats.totalOperations < this.loggedOperations) this.loggedOperations = 0;
    if (stats.totalOperations - this.loggedOperations < statsLogEvery) return;
    this.loggedOperations = stats.totalOperations;
    this.loggedAt = now;
    this.logger.log(`${this.label} statistics: ${statsLine(stats)}`);
  }

  private watchReads(wanted: boolean): void {
    if (wanted === this.readsLogged) return;
    this.readsLogged = wanted;
    if (wanted) {
      this.cache.on('read', this.onRead);
      this.cache.on('invalidation', this.onInvalidation);
    } else {
      this.cache.off('read', this.onRead);
      this.cache.off('invalidation', this.onInvalidation);
    }
  }

  private readonly onRead = ({ namespace, id, outcome, ms }: CacheEvents['read']): void => {
    this.logger.debug(`${this.label} ${outcome} ${namespace}:${id} ${ms.toFixed(2)} ms`);
  };

  private readonly onInvalidation = (event: CacheEvents['invalidation']): void => {
    this.logger.debug(`${this.label} invalidation (${event.origin}) ${targets(event)}`);
  };

  private readonly onInvalidationFailed = (event: CacheEvents['invalidation-failed']): void => {
    this.logger.warn(
      `${this.label} invalidation not acknowledged, bypassed here and sent again: ${targets(event)} (${reason(event.error)})`,
    );
  };

  private readonly onRefreshFailed = ({ namespace, id, error }: CacheEvents['refresh-failed']): void => {
    this.logger.error(`${this.label} background load of ${namespace}:${id} failed: ${reason(error)}`);
  };

  /** Once per namespace: whatever it is, it happens at every load. */
  private readonly onNotStored = ({ namespace, id, error }: CacheEvents['not-stored']): void => {
    if (this.notStoredIn.has(namespace)) return;
    this.notStoredIn.add(namespace);
    this.logger.warn(
      `${this.label} values of namespace ${namespace} are loaded every time, as they cannot be stored: ${reason(error)} (first seen at ${namespace}:${id})`,
    );
  };

  private readonly onGap = (event: CacheEvents['gap']): void => {
    // The log was opened, at boot or after a gap that was reported: nothing was there to be missed.
    if (event.reason === 'opened') return;
    this.logger.warn(
      `${this.label} in-process tier dropped, invalidations may have been missed: ${event.reason}`,
    );
  };

  /** Once per outage, however often the state changes while it lasts. */
  private readonly onRemote = ({ state, circuit, reason: why }: CacheEvents['remote']): void => {
    const lost = state === 'down' || circuit === 'open';
    if (lost && !this.down) {
      this.down = true;
      const message = `${this.label} shared tier is down, falling back to the in-process tier and the source${why ? `: ${why}` : ''}`;
      if (this.options.production) this.logger.fatal(message);
      else this.logger.warn(message);
    } else if (this.down && state === 'ready' && circuit === 'closed') {
      this.down = false;
      this.logger.log(`${this.label} shared tier is back`);
    }
  };
}

function targets(event: {
  keys: readonly string[];
  tags: readonly string[];
  pattern?: string | undefined;
}): string {
  const parts = [
    ...event.keys.slice(0, 20),
    ...event.tags.slice(0, 20).map((tag) => `tag ${tag}`),
    ...(event.pattern === undefined ? [] : [`pattern ${event.pattern}`]),
  ];
  const more =
    event.keys.length + event.tags.length - Math.min(event.keys.length, 20) - Math.min(event.tags.length, 20);
  return parts.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function statsLine(stats: CacheStats): string {
  const { l1 } = stats.tiers;
  return (
    `${stats.totalOperations} operations, hit rate ${stats.hitRate.toFixed(1)} %, ${stats.hits} hits, ${stats.misses} misses, ` +
    `${stats.errors} errors, ${stats.sourceLoads} source loads, ${stats.invalidations} invalidations, ` +
    `average ${stats.averageResponseTimeMs.toFixed(2)} ms, L1 ${l1.entries} entries / ${l1.bytes} bytes`
  );
}
