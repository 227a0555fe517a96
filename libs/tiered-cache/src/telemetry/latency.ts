import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { LatencyStats } from './stats.js';

const NS_PER_MS = 1e6;
const LONGEST_NS = 100e9;

/** A latency distribution: an HDR histogram of nanoseconds, read in milliseconds. */
export class Latency {
  private readonly histogram: RecordableHistogram = createHistogram({
    lowest: 1,
    highest: LONGEST_NS,
    figures: 2,
  });
  private totalMs = 0;

  record(ms: number): void {
    this.totalMs += ms;
    this.histogram.record(Math.min(LONGEST_NS, Math.max(1, Math.round(ms * NS_PER_MS))));
  }

  get sumMs(): number {
    return this.totalMs;
  }

  get count(): number {
    return this.histogram.count;
  }

  reset(): void {
    this.histogram.reset();
    this.totalMs = 0;
  }

  stats(): LatencyStats {
    const { count } = this.histogram;
    if (count === 0) return { count: 0, avg: 0, p50: 0, p95: 0, p99: 0 };
    const at = (percentile: number) => this.histogram.percentile(percentile) / NS_PER_MS;
    return { count, avg: this.totalMs / count, p50: at(50), p95: at(95), p99: at(99) };
  }
}
