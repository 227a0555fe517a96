import type { DataSource, QueryRunner } from 'typeorm';
import { type Clock, InvalidOptionsError, type InvalidationSelector, type TieredCache } from '#tiered-cache';
import type { OutboxReport } from '../../features.js';
import { DatabaseBus } from './database-bus.js';
import type { GateLog } from '../invalidation-gate.js';
import type { MarkRegistry } from '../mark-registry.js';
import { describeFinding, epochOfPosition, Outbox } from './outbox.js';
import type { ResolvedOutboxOptions } from './outbox.options.js';

const RETRY_MS = 5_000;

/** What health says where no outbox is configured. */
export const WITHOUT_OUTBOX =
  'Writes by raw SQL, other programs, foreign keys and database triggers cannot be seen: there is no outbox (option "outbox" of CacheTypeOrmModule).';

/** The outboxes of a cache's data sources. One that cannot be opened is tried again, and never stops the application. */
export class Outboxes {
  private readonly open = new Map<DataSource, Outbox | { problem: string }>();
  private readonly timers = new Set<() => void>();
  private unfollow: (() => void) | null = null;
  private deafen: (() => void) | null = null;
  private stopped = false;

  constructor(
    private readonly cache: TieredCache,
    private readonly marks: MarkRegistry,
    private readonly options: ResolvedOutboxOptions,
    private readonly clock: Clock,
    private readonly log: GateLog,
  ) {}

  /** @throws InvalidOptionsError; with install 'auto' also what the installation says */
  async add(dataSource: DataSource): Promise<void> {
    if (this.stopped || this.open.has(dataSource)) return;
    this.open.set(dataSource, { problem: 'being opened' });
    try {
      const { cache, marks, options, clock, log } = this;
      const checked = () => this.followOrNot();
      const outbox = await Outbox.open(dataSource, cache, marks, options, clock, log, checked);
      this.open.set(dataSource, outbox);
      if (this.stopped) await outbox.stop();
      else this.opened();
    } catch (error) {
      this.open.delete(dataSource);
      if (error instanceof InvalidOptionsError || this.options.install === 'auto') throw error;
      this.later(dataSource, error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * The transaction that is about to be committed; undefined where there is no outbox, or no answer. Costs a round trip,
   * beside that of the fence.
   */
  async transactionOf(queryRunner: QueryRunner): Promise<string | undefined> {
    const outbox = this.open.get(queryRunner.dataSource);
    if (!(outbox instanceof Outbox)) return undefined;
    try {
      // Not queryRunner.query(): no events, no line in the host's log.
      const client = (await queryRunner.connect()) as {
        query(sql: string): Promise<{ rows: { xid: string | null }[] }>;
      };
      const { rows } = await client.query('SELECT pg_current_xact_id_if_assigned()::text AS xid');
      const xid = rows[0]?.xid ?? undefined;
      if (xid !== undefined) outbox.began(xid);
      return xid;
    } catch {
      // The transaction has failed already; its COMMIT will say so to whom it concerns.
      return undefined;
    }
  }

  /** A write of this node's that its subscriber cannot deal with is in the outbox now. */
  look(queryRunner: QueryRunner): void {
    const outbox = this.open.get(queryRunner.dataSource);
    if (outbox instanceof Outbox) outbox.look();
  }

  /** The rows of a transaction that this node has invalidated need no relay. @param position as the cache answered */
  settle(
    queryRunner: QueryRunner,
    xid: string,
    covered: InvalidationSelector,
    position: string | null,
  ): void {
    const outbox = this.open.get(queryRunner.dataSource);
    const epoch = epochOfPosition(this.cache, position);
    if (outbox instanceof Outbox && epoch !== null) outbox.settle(xid, covered, epoch);
  }

  /** Of all data sources together. */
  report(): OutboxReport {
    const report: OutboxReport = {
      enabled: true,
      relayed: 0,
      own: 0,
      failed: 0,
      backlog: 0,
      lagMs: 0,
      problem: null,
      unseen: [],
    };
    for (const outbox of this.open.values()) {
      if (!(outbox instanceof Outbox)) {
        Object.assign(report, { backlog: null, lagMs: null, problem: outbox.problem });
        continue;
      }
      const { findings, ...stats } = outbox.state();
      report.relayed += stats.relayed;
      report.own += stats.own;
      report.failed += stats.failed;
      report.backlog =
        stats.backlog === null || report.backlog === null ? null : report.backlog + stats.backlog;
      report.lagMs =
        stats.lagMs === null || report.lagMs === null ? null : Math.max(report.lagMs, stats.lagMs);
      report.problem ??= stats.problem;
      report.unseen.push(...(findings ?? []).map(describeFinding));
    }
    return report;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.unfollow?.();
    this.deafen?.();
    for (const cancel of this.timers) cancel();
    const outboxes = [...this.open.values()].filter((one) => one instanceof Outbox);
    await Promise.all(outboxes.map((outbox) => outbox.stop()));
  }

  /** Does the outbox of this data source record every write that concerns the cache? */
  records(dataSource: DataSource): boolean {
    const outbox = this.open.get(dataSource);
    return outbox instanceof Outbox && outbox.complete;
  }

  private opened(): void {
    this.deafen ??= this.listen();
    this.followOrNot();
  }

  /**
   * The cache has a second bus as long as every write is seen by it. If it had one that can not tell, it could neither go on
   * by it nor ever find out that everything has been replayed.
   */
  private followOrNot(): void {
    const all = [...this.open.values()];
    const complete = !this.stopped && all.every((one) => one instanceof Outbox && one.complete);
    if (complete) this.unfollow ??= this.cache.followSecondBus(new DatabaseBus(() => this.all()));
    else {
      this.unfollow?.();
      this.unfollow = null;
    }
  }

  /** Gives the relays word of the shared tier. */
  private listen(): () => void {
    const { cache } = this;
    const onRemote = ({ state, circuit }: { state: string; circuit: string }): void => {
      if (state !== 'ready' || circuit !== 'closed') return;
      for (const outbox of this.open.values()) if (outbox instanceof Outbox) outbox.wake();
    };
    cache.on('remote', onRemote);
    return () => void cache.off('remote', onRemote);
  }

  /** @throws when there is one that is not open */
  private all(): Outbox[] {
    return [...this.open.values()].map((outbox) => {
      if (!(outbox instanceof Outbox)) throw new Error(`an outbox is not open: ${outbox.problem}`);
      return outbox;
    });
  }

  private later(dataSource: DataSource, problem: string): void {
    this.log.error(`the outbox cannot be opened, trying again: ${problem}`);
    this.open.set(dataSource, { problem });
    const cancel = this.clock.setTimer(RETRY_MS, () => {
      this.timers.delete(cancel);
      this.open.delete(dataSource);
      this.add(dataSource).catch((error: unknown) => this.log.error(`outbox: ${String(error)}`));
    });
    this.timers.add(cancel);
  }
}
