import type { CacheService } from '../cache.service.js';

/** Entries asked for at most. */
const SAMPLE = 20;

/**
 * Whether the cache has (gone) cold. What warming stored before is the best witness: if more than half of a sample of it
 * is gone, the cache is cold. Without such entries: cold if neither the memory tier nor the shared tier holds any.
 * Of those a dry run counts at most what the engine's walk allows.
 */
export async function looksCold(
  cache: Pick<CacheService, 'namespace' | 'stats' | 'invalidateWithReport'>,
  warmed: readonly { namespace: string; id: string }[],
): Promise<boolean> {
  if (warmed.length > 0) {
    const step = Math.max(1, Math.floor(warmed.length / SAMPLE));
    const sample = warmed.filter((_, index) => index % step === 0).slice(0, SAMPLE);
    const there = await Promise.all(sample.map(({ namespace, id }) => cache.namespace(namespace).has(id)));
    return there.filter((present) => !present).length > sample.length / 2;
  }
  if (cache.stats().tiers.l1.entries > 0) return false;
  const report = await cache.invalidateWithReport({ all: true }, { dryRun: true });
  return report.total === 0;
}
