import type { CacheStats, LatencyStats } from '#tiered-cache';
import { readLatencyP95 } from './read-latency.js';

const none: LatencyStats = { count: 0, avg: 0, p50: 0, p95: 0, p99: 0 };
const took = (count: number, p50: number, p95: number, p99: number): LatencyStats => ({
  count,
  avg: p50,
  p50,
  p95,
  p99,
});

function tiers(l1: LatencyStats, l2: LatencyStats, source: LatencyStats): CacheStats['tiers'] {
  const tier = (latencyMs: LatencyStats) => ({
    hits: latencyMs.count,
    misses: 0,
    hitRate: 0,
    errors: 0,
    latencyMs,
  });
  return {
    l1: { ...tier(l1), entries: 0, maxEntries: 1, bytes: 0, maxBytes: 1, evictions: 0, expirations: 0 },
    l2: { ...tier(l2), state: 'ready' },
    source: tier(source),
  };
}

describe('the latency of reads, over the tiers', () => {
  it('is unknown before the first read', () => {
    expect(readLatencyP95(tiers(none, none, none))).toBeNull();
  });

  it("is the tier's own where one tier answers all", () => {
    expect(readLatencyP95(tiers(none, took(1_000, 2, 7, 20), none))).toBeCloseTo(7, 2);
  });

  it('hardly sees a slow source that is rarely asked, and sees one that is asked often', () => {
    const fast = took(9_900, 0.01, 0.05, 0.1);
    expect(readLatencyP95(tiers(fast, none, took(100, 200, 400, 500)))).toBeLessThan(1);
    const often = readLatencyP95(tiers(fast, none, took(9_900, 200, 400, 500)));
    expect(often).toBeGreaterThan(200);
    expect(often).toBeLessThan(400);
  });

  it('lies between the percentiles it is drawn from', () => {
    const p95 = readLatencyP95(tiers(took(500, 1, 2, 3), took(500, 10, 20, 30), none)) ?? 0;
    // 90 % of the slower half: between its median and its 95th percentile.
    expect(p95).toBeGreaterThan(10);
    expect(p95).toBeLessThan(20);
  });
});
