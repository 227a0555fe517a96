import { Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { InvalidOptionsError } from '#tiered-cache';
import type { CacheService } from '../cache.service.js';
import type { WarmingJob, WarmingMetrics, WarmingPort, WarmingReport, WarmingRequest } from '../features.js';
import { looksCold } from './cold-check.js';
import { LoadGate } from './load-gate.js';
import type { WarmingReason, WarmingStrategy } from './strategy.js';
import type { StrategyDiscovery } from './strategy-discovery.js';
import { checkStrategy, StrategyRecord } from './strategy-record.js';
import { StrategyRun } from './strategy-run.js';
import type { WarmingJobs } from './warming-jobs.js';
import type { ResolvedWarmingOptions } from './warming.options.js';

/** After so many failed runs in a row the log says so, once per row. */
const ALERT_AFTER = 3;
/** Longest time a turn stays taken after its moment, ms: more than the clocks of nodes differ. */
const TURN_MS = 5_000;
/** Longest wait at shutdown for loads in flight, ms. */
const SHUTDOWN_MS = 5_000;

type Key = { namespace: string; id: string };

/** Warms one cache: at start-up, on schedule (one node of the fleet at a time) and by hand. */
export class CacheWarming implements WarmingPort, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Strata');
  readonly #records = new Map<string, StrategyRecord>();
  readonly #gate: LoadGate;
  readonly #stop = new AbortController();
  readonly #included: ResolvedWarmingOptions['strategies'][number][] = [];
  #started: Promise<void> | null = null;
  #scheduled = false;

  constructor(
    private readonly cache: CacheService,
    private readonly options: ResolvedWarmingOptions,
    private readonly discovery: StrategyDiscovery,
    private readonly scheduler: WarmingJobs,
  ) {
    this.#gate = new LoadGate({ maxConcurrent: options.maxConcurrent, delayMs: options.delayBetweenLoadsMs });
  }

  /** Finds the strategies, schedules them and runs those of start-up; waits for these only if asked. */
  onApplicationBootstrap(): Promise<void> {
    // Two imports of the module share this object, and Nest calls the hook for each.
    return (this.#started ??= this.#start());
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    this.scheduler.clear();
    const running = [...this.#records.values()].flatMap((record) => record.running?.done ?? []);
    if (running.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise((resolve) => (timer = setTimeout(resolve, SHUTDOWN_MS)));
    await Promise.race([Promise.allSettled(running), enough]);
    clearTimeout(timer);
  }

  /** Adds a strategy at any time; after start-up it is scheduled at once, but not run. @throws InvalidOptionsError */
  add(strategy: WarmingStrategy): void {
    const record = this.#keep(strategy);
    if (this.#scheduled) this.#schedule(record);
  }

  /** For a second import of the module: its strategies join the others at start-up. */
  include(strategies: ResolvedWarmingOptions['strategies']): void {
    this.#included.push(...strategies);
  }

  /** Takes a strategy and its job away; a run under way ends by itself. */
  remove(name: string): boolean {
    const record = this.#records.get(name);
    if (record) this.scheduler.remove(record.jobName);
    return this.#records.delete(name);
  }

  jobs(): WarmingJob[] {
    return [...this.#records.values()].flatMap((record) => {
      const jobs: WarmingJob[] = [];
      if (this.options.enabled && this.options.onStartup && record.runsAtStartup) {
        const running = record.running?.reason === 'startup';
        jobs.push({
          name: record.name,
          kind: 'startup',
          lastRun: record.lastRun.startup,
          nextRun: null,
          running,
        });
      }
      if (this.options.enabled && record.strategy.cron !== false) {
        const running = record.running !== null && record.running.reason !== 'startup';
        const nextRun = this.scheduler.nextRun(record.jobName);
        jobs.push({ name: record.jobName, kind: 'cron', lastRun: record.lastRun.cron, nextRun, running });
      }
      return jobs;
    });
  }

  metrics(): WarmingMetrics[] {
    return [...this.#records.values()].map((record) => ({ ...record.metrics }));
  }

  /** Items done by runs under way, by strategy. */
  progress(): { strategy: string; reason: WarmingReason; itemsProcessed: number; failures: number }[] {
    return [...this.#records.values()].flatMap(({ name, running }) =>
      running
        ? [
            {
              strategy: name,
              reason: running.reason,
              itemsProcessed: running.run.itemsProcessed,
              failures: running.run.failures,
            },
          ]
        : [],
    );
  }

  /** @throws InvalidOptionsError for a strategy that does not exist */
  async trigger(request: WarmingRequest = {}): Promise<WarmingReport[]> {
    const named = request.strategies?.map((name) => this.#record(name));
    const chosen = named ?? (request.keys?.length ? [] : [...this.#records.values()]);
    const runs = chosen.map((record) => this.#runAlone(record, 'manual'));
    return (await Promise.all([...runs, ...this.#runKeys(request.keys ?? [])])).map((report) => ({
      ...report,
    }));
  }

  isWarmupNeeded(): Promise<boolean> {
    return looksCold(
      this.cache,
      [...this.#records.values()].flatMap((record) => record.keys),
    );
  }

  async #start(): Promise<void> {
    for (const strategy of new Set([...this.options.strategies, ...this.#included])) {
      this.#keep(await this.discovery.instantiate(strategy));
    }
    for (const strategy of this.discovery.find(this.cache.name)) this.#keep(strategy);
    for (const record of this.#records.values()) this.#schedule(record);
    this.#scheduled = true;
    if (!this.options.enabled || !this.options.onStartup) return;
    const startup = this.#runStartup();
    if (this.options.awaitStartup) await startup;
  }

  #keep(strategy: WarmingStrategy): StrategyRecord {
    checkStrategy(strategy);
    if (this.#records.has(strategy.name)) {
      throw new InvalidOptionsError(
        'warming.strategy.name',
        strategy.name,
        'unique: another strategy has it',
      );
    }
    const record = new StrategyRecord(strategy);
    this.#records.set(strategy.name, record);
    return record;
  }

  async #runStartup(): Promise<void> {
    const records = [...this.#records.values()].filter((record) => record.runsAtStartup);
    if (records.length === 0) return;
    if (this.options.onStartup === 'if-cold' && !(await this.isWarmupNeeded())) {
      this.logger.log('The cache is warm: no warming at start-up.');
      return;
    }
    // Each node warms its own memory tier, so no fleet lock: what a node has loaded the others take from the shared
    // tier, and fill leases keep two nodes from loading one entry.
    await Promise.all(records.map((record) => this.#run(record, 'startup')));
  }

  #schedule(record: StrategyRecord): void {
    const cron = record.strategy.cron ?? true;
    if (!this.options.enabled || cron === false || this.#stop.signal.aborted) return;
    const when = cron === true ? this.options.intervalSeconds : cron;
    this.scheduler.add(record.jobName, when, (gapMs) => this.#tick(record, gapMs));
  }

  /**
   * One scheduled moment. All nodes tick at the same second, and quick work would be done again by each node whose clock
   * is a little late: so the turn stays taken for a while after the work. Never rejects: cron has nobody to tell.
   */
  async #tick(record: StrategyRecord, gapMs: number): Promise<void> {
    if (record.running || this.#stop.signal.aborted) return;
    const { leaseMs } = this.options;
    const holdMs = Math.min(TURN_MS, gapMs / 2);
    try {
      const turn = await this.cache.exclusive(`warming-turn:${record.name}`, { leaseMs, holdMs }, () =>
        this.#runAlone(record, 'cron'),
      );
      if (!turn.ran) this.logger.debug(`Warming ${record.name}: another node's turn.`);
    } catch (error) {
      this.logger.error(`Warming ${record.name} could not run: ${(error as Error).message}`);
    }
  }

  /**
   * A run that nobody else in the fleet does at the same time; a dead holder blocks the others for `leaseMs`. When the
   * shared tier is away it runs all the same: that is when this node's own memory tier is needed most.
   */
  async #runAlone(record: StrategyRecord, reason: WarmingReason): Promise<WarmingReport> {
    if (record.running) return skipped(record.name, 'already-running');
    const { leaseMs } = this.options;
    const turn = await this.cache.exclusive(`warming:${record.name}`, { leaseMs, onRemoteLoss: 'run' }, () =>
      this.#run(record, reason),
    );
    return turn.ran ? turn.result : skipped(record.name, 'held-elsewhere');
  }

  #run(record: StrategyRecord, reason: WarmingReason): Promise<WarmingReport> {
    if (record.running) return Promise.resolve(skipped(record.name, 'already-running'));
    const run = this.#newRun(record.strategy, reason);
    record.lastRun[reason] = Date.now();
    const done = this.#report(run, record.name, () => run.execute()).then((report) => {
      record.running = null;
      if (run.keys.length > 0) record.keys = run.keys;
      if (!this.#stop.signal.aborted) {
        record.count(report);
        this.#log(record, reason);
      }
      return report;
    });
    record.running = { run, reason, done };
    return done;
  }

  /** Explicit entries, by the first strategy that can load their namespace. */
  #runKeys(keys: readonly Key[]): Promise<WarmingReport>[] {
    const byNamespace = new Map<string, Key[]>();
    for (const key of keys) byNamespace.set(key.namespace, [...(byNamespace.get(key.namespace) ?? []), key]);
    return [...byNamespace].map(async ([namespace, wanted]) => {
      const records = [...this.#records.values()];
      const strategy = records.find(
        ({ strategy: s }) => s.load && s.namespaces?.includes(namespace),
      )?.strategy;
      if (!strategy) {
        const error = `no strategy can load single entries of namespace "${namespace}"`;
        return {
          strategy: `keys:${namespace}`,
          success: false,
          itemsProcessed: 0,
          durationMs: 0,
          failures: wanted.length,
          error,
        };
      }
      const run = this.#newRun(strategy, 'manual');
      return this.#report(run, strategy.name, () => run.executeKeys(wanted));
    });
  }

  #newRun(strategy: WarmingStrategy, reason: WarmingReason): StrategyRun {
    return new StrategyRun(strategy, reason, {
      cache: this.cache,
      gate: this.#gate,
      signal: this.#stop.signal,
    });
  }

  async #report(run: StrategyRun, strategy: string, work: () => Promise<void>): Promise<WarmingReport> {
    const began = performance.now();
    try {
      await work();
    } catch (error) {
      run.fail(error);
    }
    const report: WarmingReport = {
      strategy,
      success: run.failures === 0,
      itemsProcessed: run.itemsProcessed,
      durationMs: Math.round(performance.now() - began),
      failures: run.failures,
    };
    if (run.messages.length > 0) report.error = run.messages.join('; ');
    return report;
  }

  #log({ name, metrics }: StrategyRecord, reason: WarmingReason): void {
    const { last, consecutiveFailures } = metrics;
    if (!last) return;
    const items = `${last.itemsProcessed} item(s) in ${last.durationMs} ms (${reason})`;
    if (last.success) this.logger.log(`Warmed ${name}: ${items}`);
    else this.logger.error(`Warming ${name}: ${items}, ${last.failures} failed: ${last.error}`);
    if (consecutiveFailures === ALERT_AFTER) {
      this.logger.error(`Warming ${name} has failed ${ALERT_AFTER} times in a row.`);
    }
  }

  #record(name: string): StrategyRecord {
    const record = this.#records.get(name);
    if (record) return record;
    const known = [...this.#records.keys()].join(', ') || 'none';
    throw new InvalidOptionsError('strategies', name, `one of the known strategies: ${known}`);
  }
}

function skipped(strategy: string, why: 'held-elsewhere' | 'already-running'): WarmingReport {
  return { strategy, success: true, itemsProcessed: 0, durationMs: 0, failures: 0, skipped: why };
}
