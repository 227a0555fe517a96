import type { CacheHealth, CacheStats, WindowStats } from '#tiered-cache';
import { HEALTH_DEFAULTS, resolveThresholds } from './health.options.js';
import { healthReport } from './health-report.js';

const well: CacheHealth = {
  state: 'up',
  remote: { configured: true, state: 'ready' },
  circuit: 'closed',
  l1: { serving: true },
  pendingInvalidations: 0,
  quarantined: [],
  secondBus: null,
};

function figures(
  reads: { hits?: number; misses?: number; p95?: number; evictions?: number } = {},
): CacheStats {
  const { hits = 0, misses = 0, p95 = 0.1, evictions = 0 } = reads;
  const hitRate = hits + misses === 0 ? 0 : (hits / (hits + misses)) * 100;
  const window: WindowStats = {
    hits,
    misses,
    hitRate,
    errors: 0,
    errorRate: 0,
    sourceLoads: misses,
    evictions,
    invalidations: 0,
  };
  const latencyMs = { count: hits, avg: p95, p50: p95 / 2, p95, p99: p95 * 2 };
  const tier = { hits: 0, misses: 0, hitRate: 0, errors: 0, latencyMs: { ...latencyMs, count: 0 } };
  return {
    name: 'default',
    since: 0,
    hits,
    misses,
    totalOperations: hits + misses,
    hitRate,
    errors: 0,
    errorRate: 0,
    sourceLoads: misses,
    sourceErrors: 0,
    writes: 0,
    invalidations: 0,
    staleServed: 0,
    averageResponseTimeMs: p95,
    fillsRejected: 0,
    notStored: 0,
    tiers: {
      l1: {
        ...tier,
        hits,
        latencyMs,
        entries: 90,
        maxEntries: 100,
        bytes: 10,
        maxBytes: 100,
        evictions: 0,
        expirations: 0,
      },
      l2: { ...tier, state: 'ready' },
      source: tier,
    },
    namespaces: {},
    windows: { '1m': window, '5m': window, '60m': window },
  };
}

const report = (health: CacheHealth, stats: CacheStats) => healthReport(health, stats, HEALTH_DEFAULTS);

describe('the health report', () => {
  it('of a fresh application is up, and judges nothing', () => {
    expect(report(well, figures())).toMatchObject({
      status: 'up',
      performance: 'insufficient-data',
      latencyP95Ms: null,
      consistencyScore: null,
      recommendations: [],
      connectionHealthy: true,
      fallbackEnabled: false,
    });
  });

  it.each([
    [{ hits: 95, misses: 5 }, 'healthy'],
    [{ hits: 90, misses: 10 }, 'warning'],
    [{ hits: 75, misses: 25 }, 'warning'],
    [{ hits: 74, misses: 26 }, 'critical'],
    [{ hits: 95, misses: 5, p95: 49 }, 'healthy'],
    [{ hits: 95, misses: 5, p95: 50.1 }, 'warning'],
    [{ hits: 95, misses: 5, p95: 101 }, 'critical'],
    [{ hits: 10, misses: 89 }, 'insufficient-data'],
  ])('with %j is %s, and the application up all the same', (reads, performance) => {
    const { status, ...rest } = report(well, figures(reads));
    expect(rest.performance).toBe(performance);
    expect(status).toBe('up');
    expect(rest.recommendations.length > 0).toBe(['warning', 'critical'].includes(performance));
  });

  it('with Redis away is degraded, and says what serves', () => {
    const away: CacheHealth = {
      ...well,
      state: 'degraded',
      remote: { configured: true, state: 'down' },
      pendingInvalidations: 2,
    };
    const degraded = report(away, figures({ hits: 95, misses: 5 }));
    expect(degraded).toMatchObject({ status: 'degraded', connectionHealthy: false, fallbackEnabled: true });
    expect(degraded.recommendations).toEqual([
      expect.stringContaining('shared tier is down'),
      expect.stringContaining('2 invalidation(s)'),
    ]);
  });

  it('with the circuit open has no healthy connection', () => {
    expect(report({ ...well, state: 'degraded', circuit: 'open' }, figures())).toMatchObject({
      connectionHealthy: false,
      fallbackEnabled: true,
    });
  });

  it('in embedded mode is up: there is no connection to lose', () => {
    const embedded: CacheHealth = { ...well, remote: { configured: false, state: 'embedded' } };
    expect(report(embedded, figures())).toMatchObject({
      status: 'up',
      connectionHealthy: true,
      fallbackEnabled: false,
      metrics: { sharedTier: 'none' },
    });
  });

  it('while a namespace is quarantined is degraded, names it and why, and is still connected', () => {
    expect(report({ ...well, quarantined: ['prices'] }, figures())).toMatchObject({
      status: 'degraded',
      connectionHealthy: true,
      fallbackEnabled: false,
      recommendations: [expect.stringMatching(/prices are not believed/)],
      metrics: { quarantined: ['prices'] },
    });
  });

  it('of a closed cache is down', () => {
    expect(report({ ...well, state: 'down' }, figures())).toMatchObject({
      status: 'down',
      fallbackEnabled: false,
    });
  });

  it('names the budget that evicts', () => {
    const { recommendations } = report(well, figures({ hits: 99, misses: 1, evictions: 20 }));
    expect(recommendations).toEqual([expect.stringContaining('l1.maxEntries')]);
  });
});

describe('health thresholds', () => {
  it.each([
    [{ hitRateHealthy: 101 }, 'hitRateHealthy'],
    [{ hitRateCritical: 95 }, 'hitRateCritical'],
    [{ latencyCriticalMs: 10 }, 'latencyCriticalMs'],
    [{ minimumSample: 0 }, 'minimumSample'],
    [{ window: '2m' as never }, 'window'],
    [{ hitrate: 1 } as never, 'hitrate'],
  ])('that make no sense are named: %j', (thresholds, name) => {
    expect(() => resolveThresholds(thresholds)).toThrow(`health.thresholds.${name}`);
  });
});
