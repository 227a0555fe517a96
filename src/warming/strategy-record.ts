import { InvalidOptionsError } from '#tiered-cache';
import type { WarmingMetrics, WarmingReport } from '../features.js';
import type { WarmingReason, WarmingStrategy } from './strategy.js';
import type { StrategyRun } from './strategy-run.js';

/** A strategy and what has become of it in this process. */
export class StrategyRecord {
  readonly lastRun: Record<WarmingReason, number | null> = { startup: null, cron: null, manual: null };
  readonly metrics: WarmingMetrics;
  /** Entries of the last run that warmed any. */
  keys: readonly { namespace: string; id: string }[] = [];
  running: { run: StrategyRun; reason: WarmingReason; done: Promise<WarmingReport> } | null = null;

  constructor(readonly strategy: WarmingStrategy) {
    this.metrics = {
      strategy: strategy.name,
      runs: 0,
      success: 0,
      failures: 0,
      itemsProcessed: 0,
      lastDurationMs: 0,
      consecutiveFailures: 0,
      last: null,
    };
  }

  get name(): string {
    return this.strategy.name;
  }

  get jobName(): string {
    return this.strategy.jobName ?? `warm-${this.strategy.name}`;
  }

  get runsAtStartup(): boolean {
    return this.strategy.startup ?? true;
  }

  count(report: WarmingReport): void {
    const { metrics } = this;
    metrics.runs += 1;
    metrics.success += report.success ? 1 : 0;
    metrics.failures += report.success ? 0 : 1;
    metrics.consecutiveFailures = report.success ? 0 : metrics.consecutiveFailures + 1;
    metrics.itemsProcessed += report.itemsProcessed;
    metrics.lastDurationMs = report.durationMs;
    metrics.last = report;
  }
}

/** @throws InvalidOptionsError */
export function checkStrategy(strategy: WarmingStrategy): void {
  if (typeof strategy?.warm !== 'function') {
    throw new InvalidOptionsError('warming.strategies', strategy, 'objects with a name and warm(context)');
  }
  if (typeof strategy.name !== 'string' || !/^[\w.:-]{1,100}$/.test(strategy.name)) {
    throw new InvalidOptionsError(
      'warming.strategy.name',
      strategy.name,
      'letters, digits, "-", "_", "." and ":"',
    );
  }
  if (strategy.namespaces?.length && typeof strategy.load !== 'function') {
    throw new InvalidOptionsError(
      'warming.strategy.load',
      typeof strategy.load,
      'a method, as namespaces are named',
    );
  }
}
