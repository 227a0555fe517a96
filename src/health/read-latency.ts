import type { CacheStats, LatencyStats } from '#tiered-cache';

/**
 * The 95th percentile of whole reads, ms, from the figures of the tiers that answered them. Percentiles cannot be added,
 * so the tiers' distributions are drawn as straight lines through their p50, p95 and p99 and mixed by how many reads each
 * answered: an estimate, exact when one tier answers nearly all. Null before the first read.
 */
export function readLatencyP95(tiers: CacheStats['tiers']): number | null {
  const parts = [
    { weight: tiers.l1.hits, latency: tiers.l1.latencyMs },
    { weight: tiers.l2.hits, latency: tiers.l2.latencyMs },
    { weight: tiers.source.latencyMs.count, latency: tiers.source.latencyMs },
  ].filter(({ weight, latency }) => weight > 0 && latency.count > 0);
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return null;
  const below = (ms: number) =>
    parts.reduce((sum, { weight, latency }) => sum + weight * shareBelow(latency, ms), 0) / total;
  let low = 0;
  let high = Math.max(...parts.map(({ latency }) => latency.p99));
  // 50 halvings are beyond the precision of a double for any latency there is.
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2;
    if (below(middle) < 0.95) low = middle;
    else high = middle;
  }
  return Math.round(high * 1_000) / 1_000;
}

/** The part (0 to 1) of a tier's reads that took at most `ms`; the slowest hundredth counts as p99. */
function shareBelow({ p50, p95, p99 }: LatencyStats, ms: number): number {
  if (ms >= p99) return 1;
  let [fromMs, fromShare] = [0, 0];
  for (const [toMs, toShare] of [
    [p50, 0.5],
    [p95, 0.95],
    [p99, 0.99],
  ] as const) {
    if (ms < toMs)
      return fromShare + (toShare - fromShare) * ((ms - fromMs) / Math.max(toMs - fromMs, Number.EPSILON));
    [fromMs, fromShare] = [toMs, toShare];
  }
  return 1;
}
