import type { CacheHealth, CacheStats } from '#tiered-cache';
import { isConnected, stateOf, stateReasons } from '../cache.state.js';
import type { OutboxReport } from '../features.js';
import type { ResolvedThresholds } from './health.options.js';
import { readLatencyP95 } from './read-latency.js';

export type Assessment = 'healthy' | 'warning' | 'critical' | 'insufficient-data';

export interface CacheHealthReport {
  /** Can it serve: 'degraded' when a tier is away or quarantined and another serves in its place. Never decided by rates. */
  status: 'up' | 'degraded' | 'down';
  /** How well it serves, by the thresholds; the worse of hit rate (of the window) and latency. */
  performance: Assessment;
  /** Percent, since start. */
  hitRate: number;
  /** Null before the first read. */
  latencyP95Ms: number | null;
  /** 0 to 100; null: no consistency checker is running. */
  consistencyScore: number | null;
  /** What to do, most urgent first; empty when all is well. */
  recommendations: string[];
  /** The shared tier answers; true in embedded mode, which has none to lose. */
  connectionHealthy: boolean;
  /** Reads are served without the configured shared tier: from memory and the source. */
  fallbackEnabled: boolean;
  /** What the database tells of writes (CacheTypeOrmModule), and which it does not; null without that module. */
  databaseWrites: Pick<OutboxReport, 'backlog' | 'lagMs' | 'problem' | 'unseen'> | null;
  metrics: {
    totalOperations: number;
    hits: number;
    misses: number;
    errors: number;
    /** Percent. */
    errorRate: number;
    sourceLoads: number;
    averageResponseTimeMs: number;
    /** Percent, by window. */
    windowHitRates: Record<'1m' | '5m' | '60m', number>;
    l1: { entries: number; maxEntries: number; bytes: number; maxBytes: number };
    sharedTier: string;
    circuit: string;
    pendingInvalidations: number;
    /** Namespaces whose entries in the shared tier are not believed yet, after a failover or restart of it. */
    quarantined: string[];
    /** The outbox as stand-in for the shared tier; null without one. */
    secondBus: CacheHealth['secondBus'];
  };
}

/** Draws the report from the cache's figures; asks nobody, so it costs a probe nothing. */
export function healthReport(
  health: CacheHealth,
  stats: CacheStats,
  thresholds: ResolvedThresholds,
  outbox: OutboxReport | null = null,
): CacheHealthReport {
  const connectionHealthy = isConnected(health);
  const latencyP95Ms = readLatencyP95(stats.tiers);
  const window = stats.windows[thresholds.window];
  const sampled = window.hits + window.misses >= thresholds.minimumSample;
  const hitRate = sampled
    ? grade(-window.hitRate, -thresholds.hitRateHealthy, -thresholds.hitRateCritical)
    : null;
  const latency =
    latencyP95Ms !== null && stats.totalOperations >= thresholds.minimumSample
      ? grade(latencyP95Ms, thresholds.latencyHealthyMs, thresholds.latencyCriticalMs)
      : null;
  return {
    status: stateOf(health),
    performance: worse(hitRate, latency),
    hitRate: round(stats.hitRate),
    latencyP95Ms,
    consistencyScore: null,
    recommendations: [
      ...stateReasons(health),
      ...outboxAdvice(outbox),
      ...(latency && latency !== 'healthy'
        ? [
            `95 % of reads take up to ${latencyP95Ms} ms: look for slow loaders, or refresh entries before they expire (refreshAhead, warming).`,
          ]
        : []),
      ...(hitRate && hitRate !== 'healthy'
        ? [
            `The hit rate of the last ${thresholds.window} is ${round(window.hitRate)} %: lengthen TTLs, warm what is read most, or stop caching what is hardly read again.`,
          ]
        : []),
      ...memoryAdvice(stats, thresholds),
    ],
    connectionHealthy,
    fallbackEnabled: !connectionHealthy && health.state !== 'down',
    databaseWrites: outbox && {
      backlog: outbox.backlog,
      lagMs: outbox.lagMs,
      problem: outbox.problem,
      unseen: outbox.unseen,
    },
    metrics: {
      totalOperations: stats.totalOperations,
      hits: stats.hits,
      misses: stats.misses,
      errors: stats.errors,
      errorRate: round(stats.errorRate),
      sourceLoads: stats.sourceLoads,
      averageResponseTimeMs: stats.averageResponseTimeMs,
      windowHitRates: {
        '1m': round(stats.windows['1m'].hitRate),
        '5m': round(stats.windows['5m'].hitRate),
        '60m': round(stats.windows['60m'].hitRate),
      },
      l1: {
        entries: stats.tiers.l1.entries,
        maxEntries: stats.tiers.l1.maxEntries,
        bytes: stats.tiers.l1.bytes,
        maxBytes: stats.tiers.l1.maxBytes,
      },
      sharedTier: health.remote.configured ? health.remote.state : 'none',
      circuit: health.circuit,
      pendingInvalidations: health.pendingInvalidations,
      quarantined: health.quarantined,
      secondBus: health.secondBus,
    },
  };
}

/** Who has an outbox expects to see every write. */
function outboxAdvice(outbox: OutboxReport | null): string[] {
  if (!outbox?.enabled) return [];
  const problem = outbox.problem === null ? [] : [`The outbox is not relayed: ${outbox.problem}.`];
  return [...problem, ...outbox.unseen];
}

/** Lower is better: healthy below `good`, critical above `bad`. */
function grade(value: number, good: number, bad: number): Exclude<Assessment, 'insufficient-data'> {
  if (value < good) return 'healthy';
  return value > bad ? 'critical' : 'warning';
}

function worse(...grades: (Assessment | null)[]): Assessment {
  return (
    (['critical', 'warning', 'healthy'] as const).find((candidate) => grades.includes(candidate)) ??
    'insufficient-data'
  );
}

function memoryAdvice(
  { tiers, windows, notStored }: CacheStats,
  { window, minimumSample }: ResolvedThresholds,
): string[] {
  const { l1 } = tiers;
  const { hits, misses, evictions } = windows[window];
  const advice: string[] = [];
  if (evictions > 0 && hits + misses >= minimumSample && evictions > (hits + misses) * 0.05) {
    const full = l1.bytes / l1.maxBytes > l1.entries / l1.maxEntries ? 'l1.maxBytes' : 'l1.maxEntries';
    advice.push(`${evictions} entries were evicted from memory in the last ${window}: raise ${full}.`);
  }
  if (notStored > 0) {
    advice.push(`${notStored} value(s) could not be stored (too large, or not serialisable): see the log.`);
  }
  return advice;
}

function round(percent: number): number {
  return Number.isFinite(percent) ? Math.round(percent * 100) / 100 : 0;
}
