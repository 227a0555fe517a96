import type { Clock } from '../clock.js';
import { Latency } from './latency.js';
import type { CacheStats, NamespaceStats, TierStats, WindowStats } from './stats.js';

/** Plain numbers that the hot path increments. */
export class Counters {
  l1Hits = 0;
  l1Misses = 0;
  l2Hits = 0;
  l2Misses = 0;
  /** Reads that ended at the source, joined loads included. */
  misses = 0;
  sourceLoads = 0;
  sourceErrors = 0;
  writes = 0;
  invalidations = 0;
  evictions = 0;
  expirations = 0;
  staleServed = 0;
  fillsRejected = 0;
  notStored = 0;
  errors = 0;
}

type CounterName = keyof Counters;
const WINDOWS = { '1m': 60_000, '5m': 300_000, '60m': 3_600_000 } as const;
const SAMPLE_MS = 5_000;
const L1_SAMPLE_MASK = 127;

interface Sample {
  at: number;
  totals: Counters;
}

/** Counts per namespace, latencies per tier, and rolling windows made from totals sampled every five seconds. */
export class Recorder {
  readonly l1Latency = new Latency();
  readonly l2Latency = new Latency();
  readonly sourceLatency = new Latency();
  private readonly namespaces = new Map<string, Counters>();
  /** What belongs to no namespace: failed commands of the shared tier. */
  readonly shared = new Counters();
  private samples: Sample[] = [];
  private since: number;

  constructor(private readonly clock: Clock) {
    this.since = clock.now();
  }

  namespace(name: string): Counters {
    let counters = this.namespaces.get(name);
    if (counters === undefined) this.namespaces.set(name, (counters = new Counters()));
    return counters;
  }

  /** An L1 hit that began at `startedAt` (monotonic ms); one in 128 is timed. */
  l1Hit(counters: Counters, startedAt: number): void {
    if ((++counters.l1Hits & L1_SAMPLE_MASK) === 1) this.l1Latency.record(this.clock.monotonic() - startedAt);
  }

  /** Called by a timer; keeps a little over an hour. */
  sample(): void {
    const at = this.clock.monotonic();
    this.samples.push({ at, totals: this.totals() });
    const horizon = at - WINDOWS['60m'] - SAMPLE_MS;
    let drop = 0;
    while (drop < this.samples.length - 1 && this.samples[drop + 1]!.at <= horizon) drop++;
    if (drop > 0) this.samples.splice(0, drop);
  }

  static readonly sampleMs = SAMPLE_MS;

  reset(): void {
    for (const counters of [...this.namespaces.values(), this.shared])
      Object.assign(counters, new Counters());
    for (const latency of [this.l1Latency, this.l2Latency, this.sourceLatency]) latency.reset();
    this.samples = [];
    this.since = this.clock.now();
  }

  stats(
    name: string,
    l1: { entries: number; maxEntries: number; bytes: number; maxBytes: number },
    remoteState: string,
  ): CacheStats {
    const all = this.totals();
    const hits = all.l1Hits + all.l2Hits + all.staleServed;
    const operations = hits + all.misses;
    const l1Ms = this.l1Latency.stats().avg * all.l1Hits;
    return {
      name,
      since: this.since,
      hits,
      misses: all.misses,
      totalOperations: operations,
      hitRate: percent(hits, operations),
      errors: all.errors,
      errorRate: percent(all.errors, operations + all.errors),
      sourceLoads: all.sourceLoads,
      sourceErrors: all.sourceErrors,
      writes: all.writes,
      invalidations: all.invalidations,
      staleServed: all.staleServed,
      averageResponseTimeMs:
        operations === 0 ? 0 : (l1Ms + this.l2Latency.sumMs + this.sourceLatency.sumMs) / operations,
      fillsRejected: all.fillsRejected,
      notStored: all.notStored,
      tiers: {
        l1: {
          ...tier(all.l1Hits, all.l1Misses, 0, this.l1Latency),
          ...l1,
          evictions: all.evictions,
          expirations: all.expirations,
        },
        l2: { ...tier(all.l2Hits, all.l2Misses, all.errors, this.l2Latency), state: remoteState },
        source: tier(all.sourceLoads - all.sourceErrors, 0, all.sourceErrors, this.sourceLatency),
      },
      namespaces: Object.fromEntries(
        [...this.namespaces].map(([key, counters]) => [key, namespaceStats(counters)]),
      ),
      windows: { '1m': this.window('1m', all), '5m': this.window('5m', all), '60m': this.window('60m', all) },
    };
  }

  private totals(): Counters {
    const sum = new Counters();
    for (const counters of [...this.namespaces.values(), this.shared])
      for (const key of Object.keys(sum) as CounterName[]) sum[key] += counters[key];
    return sum;
  }

  private window(name: keyof typeof WINDOWS, now: Counters): WindowStats {
    const start = this.clock.monotonic() - WINDOWS[name];
    const base = this.samples.findLast((sample) => sample.at <= start)?.totals ?? new Counters();
    const d = (key: CounterName) => now[key] - base[key];
    const hits = d('l1Hits') + d('l2Hits') + d('staleServed');
    const operations = hits + d('misses');
    return {
      hits,
      misses: d('misses'),
      hitRate: percent(hits, operations),
      errors: d('errors'),
      errorRate: percent(d('errors'), operations + d('errors')),
      sourceLoads: d('sourceLoads'),
      evictions: d('evictions'),
      invalidations: d('invalidations'),
    };
  }
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : (100 * part) / whole;
}

function tier(hits: number, misses: number, errors: number, latency: Latency): TierStats {
  return { hits, misses, hitRate: percent(hits, hits + misses), errors, latencyMs: latency.stats() };
}

function namespaceStats(c: Counters): NamespaceStats {
  const hits = c.l1Hits + c.l2Hits + c.staleServed;
  return {
    hits,
    l1Hits: c.l1Hits,
    l2Hits: c.l2Hits,
    misses: c.misses,
    hitRate: percent(hits, hits + c.misses),
    sourceLoads: c.sourceLoads,
    sourceErrors: c.sourceErrors,
    writes: c.writes,
    invalidations: c.invalidations,
    evictions: c.evictions,
    staleServed: c.staleServed,
    errors: c.errors,
  };
}
