import type { Clock, InvalidateOptions, InvalidationResult, InvalidationSelector } from '#tiered-cache';
import { isEmpty } from '../invalidation-batch.js';
import type { GateLog } from '../invalidation-gate.js';
import type { OutboxConnection } from './outbox-connection.js';
import { consumerName, type OwnRows, type RelayStore } from './relay-store.js';
import type { RowsSelector } from './rows-selector.js';
import type { Sql } from './sql-runner.js';

/** The cache as the relay sees it. */
export interface RelayCache {
  readonly name: string;
  /** The identity of the data set that entries are in; null while nobody knows. */
  epoch(): string | null;
  /** Nodes with the same group and epoch share their entries. */
  readonly group: string;
  invalidate(selector: InvalidationSelector, options: InvalidateOptions): Promise<InvalidationResult>;
}

/** So long a row is visible at least before it is cleaned up; who looks less often may miss some. Milliseconds. */
export function unseenFor(retentionMs: number): number {
  return retentionMs / 4;
}

/** Since the start of the application, and now. */
export interface RelayStats {
  /** Rows applied by this node. */
  relayed: number;
  /** Rows of this node's own transactions that its subscriber had dealt with. */
  own: number;
  /** Rounds that ended with an error, or unacknowledged: their rows are tried again. */
  failed: number;
  /** Rows not applied yet, on any node; null: not known. */
  backlog: number | null;
  /** Age of the oldest of them, milliseconds. */
  lagMs: number | null;
  /** Why nothing is relayed; null: all is well. */
  problem: string | null;
}

export interface RelayTimes {
  readonly relayIntervalMs: number;
  readonly writerLeadMs: number;
  readonly retentionMs: number;
}

/** So that many transactions are settled in one statement. */
const SETTLE_MS = 100;
const MOST_OWN = 10_000;
/** Rows taken at once: one transaction, one invalidation. */
const BATCH = 2_000;
/** The longest a round's invalidation is waited for. */
const INVALIDATE_MS = 10_000;
/** Least time between two looks. */
const BETWEEN_MS = 25;
/** Least time between two looks at rows that were left to others. */
const LEFT_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** Above so many rows a new data set is cleared, rather than told each of them. */
const MANY = 10_000;
/** While nothing can be relayed, counting takes at most one part in so many of the time. */
const GAUGE_SHARE = 50;
/** How long, and how finely, it is remembered what was finished when. */
const CHECKPOINTS_MS = 30_000;
const CHECKPOINT_STEP_MS = 200;

/**
 * Invalidates for whoever could not do it himself: programs that are no node, writes that no subscriber hears of, nodes
 * that died between COMMIT and invalidation. Runs on every node; a row is marked when the shared tier has answered, for
 * the data set that answered, so after a failover every row that is kept is applied again.
 *
 * Nothing is lost to the order of commits: the rows are those visible and not marked, from a transaction on before
 * which everything is over. Applying twice is harmless. Never throws into the application.
 */
export class OutboxRelay {
  readonly stats: RelayStats = { relayed: 0, own: 0, failed: 0, backlog: null, lagMs: null, problem: null };
  private consumer: string | null = null;
  /** A first round is over for this consumer. */
  private began = false;
  private cursor = '0';
  private running: Promise<void> | null = null;
  private again = false;
  private stopped = false;
  private failures = 0;
  private cleaned = -Infinity;
  private gaugeAt = -Infinity;
  /** What was visible at the last cleaning but one: only that is cleaned up. */
  private snapshot: string | null = null;
  private checkpoints: { at: number; xid: string; server: string }[] = [];
  private cancel: (() => void) | null = null;
  private cancelSettle: (() => void) | null = null;
  private lookAt: OwnRows | undefined;
  private readonly own = new Map<string, { covered: InvalidationSelector; epoch: string }>();

  constructor(
    private readonly cache: RelayCache,
    private readonly connection: Pick<OutboxConnection, 'sql' | 'drop'>,
    private readonly store: Pick<
      RelayStore,
      'claim' | 'progress' | 'seen' | 'skip' | 'count' | 'clean' | 'snapshot'
    >,
    private readonly meaning: Pick<RowsSelector, 'of'>,
    private readonly times: RelayTimes,
    private readonly clock: Clock,
    private readonly log: GateLog,
    /** The database may be another than before: installed meanwhile, migrated, restored. */
    private readonly onRecovered: () => void = () => {},
  ) {}

  start(): void {
    this.wake();
  }

  /** Looks now, and soon once more if it is looking already. */
  wake(): void {
    if (this.stopped) return;
    if (this.running) {
      this.again = true;
      return;
    }
    this.cancel?.();
    this.cancel = null;
    this.running = this.round().finally(() => {
      this.running = null;
      if (this.stopped) return;
      // However often somebody writes, each look finds all that came meanwhile.
      const pause = this.again ? Math.min(BETWEEN_MS, this.pause()) : this.pause();
      this.again = false;
      this.cancel = this.clock.setTimer(pause, () => this.wake());
    });
  }

  /**
   * The subscriber's invalidation after this transaction was acknowledged: its rows need no second one, which would
   * end what was loaded meanwhile. Only those that it covers; raw SQL in the same transaction is relayed.
   * @param epoch of the data set that acknowledged it
   */
  settle(xid: string, covered: InvalidationSelector, epoch: string): void {
    // Relayed late then, and once more than needed.
    if (this.stopped || this.own.size >= MOST_OWN) return;
    this.own.set(xid, { covered, epoch });
    this.cancelSettle ??= this.clock.setTimer(Math.min(SETTLE_MS, this.times.writerLeadMs / 4), () => {
      this.cancelSettle = null;
      this.wake();
    });
  }

  /** A transaction before which, at that time (monotonic ms), the shared tier had been told everything. */
  checkpoint(before: number): { xid: string; server: string } | null {
    return this.checkpoints.findLast(({ at }) => at <= before) ?? null;
  }

  /** Who applies the rows for this data set, and before which transaction all are; null: it is not at it yet. */
  frontier(epoch: string): { consumer: string; cursor: string } | null {
    const consumer = consumerName(this.cache.group, epoch);
    return consumer === this.consumer && this.began ? { consumer, cursor: this.cursor } : null;
  }

  /** Looks now, and leaves these rows to nobody. */
  lookAtOwn(own: OwnRows): void {
    this.lookAt = own;
    this.wake();
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel?.();
    this.cancelSettle?.();
    await this.running;
    await this.connection.drop();
  }

  private pause(): number {
    const { relayIntervalMs, writerLeadMs } = this.times;
    const { backlog, lagMs } = this.stats;
    // Rows are left to their writers, who may be dead, or to another relay: when they come of age, and not the whole
    // interval later.
    if (this.failures === 0 && backlog && lagMs !== null)
      return Math.min(relayIntervalMs, Math.max(LEFT_MS, writerLeadMs - lagMs + 5));
    return this.failures === 0
      ? relayIntervalMs
      : Math.max(relayIntervalMs, Math.min(LONGEST_PAUSE_MS, 100 * 2 ** this.failures));
  }

  private async round(): Promise<void> {
    const epoch = this.cache.epoch();
    try {
      const sql = await this.connection.sql();
      if (epoch === null) {
        await this.gauge(sql);
        this.stats.problem =
          'the data set of the shared tier is not known (it is away, or not yet connected)';
        return;
      }
      const consumer = await this.consume(sql, epoch);
      await this.settleOwn(sql, consumer, epoch);
      const own = this.lookAt;
      this.lookAt = undefined;
      await this.relayAll(sql, consumer, epoch, own);
      await this.look(sql, consumer);
      this.began = true;
      this.stats.problem = null;
      await this.clean(sql);
      if (this.failures === 0) return;
      this.failures = 0;
      this.log.warn('the outbox is relayed again');
      this.onRecovered();
    } catch (error) {
      await this.failed(error);
    }
  }

  private async failed(error: unknown): Promise<void> {
    this.stats.failed += 1;
    this.failures += 1;
    // The application is going down; the rows are for the others.
    if ((error as { code?: unknown } | null)?.code === 'STRATA_CLOSED') this.stopped = true;
    const text = error instanceof Error ? error.message : String(error);
    this.stats.problem = text;
    // Once per trouble, not once per attempt.
    if (this.failures === 1 && !this.stopped)
      this.log.error(`the outbox cannot be relayed, trying again: ${text}`);
    await this.connection.drop();
  }

  /**
   * What waits while the shared tier is away is worth knowing, but counting it takes the longer, the more it is: not at
   * every NOTIFY, and for a small part of the time.
   */
  private async gauge(sql: Sql): Promise<void> {
    const began = this.clock.monotonic();
    if (this.consumer === null || began < this.gaugeAt) return;
    await this.look(sql, this.consumer);
    const now = this.clock.monotonic();
    this.gaugeAt = now + Math.max(this.times.relayIntervalMs, GAUGE_SHARE * (now - began));
  }

  /** What is not applied, and before which transaction everything is. */
  private async look(sql: Sql, consumer: string): Promise<void> {
    const { cursor, backlog, lagMs, server } = await this.store.progress(sql, consumer, this.cursor);
    Object.assign(this.stats, { backlog, lagMs });
    this.cursor = cursor;
    const at = this.clock.monotonic();
    const last = this.checkpoints.at(-1);
    if (last !== undefined && at - last.at < CHECKPOINT_STEP_MS) return;
    this.checkpoints = this.checkpoints.filter((one) => at - one.at < CHECKPOINTS_MS);
    this.checkpoints.push({ at, xid: cursor, server });
  }

  /** Another data set than before: nothing is applied there yet. */
  private async consume(sql: Sql, epoch: string): Promise<string> {
    const consumer = consumerName(this.cache.group, epoch);
    const away = await this.store.seen(sql, consumer);
    if (consumer === this.consumer) return consumer;
    if (away !== null && away >= this.times.retentionMs)
      await this.clearInstead(
        sql,
        consumer,
        epoch,
        `nobody has relayed the outbox for ${Math.round(away / 1000)} s, longer than rows are kept`,
      );
    else if (away === null && (await this.store.count(sql, MANY)) >= MANY)
      await this.clearInstead(
        sql,
        consumer,
        epoch,
        `the data set is new, and there are more than ${MANY} rows`,
      );
    this.cursor = '0';
    this.checkpoints = [];
    this.began = false;
    this.consumer = consumer;
    // From where on rows are to be applied.
    await this.look(sql, consumer);
    return consumer;
  }

  /** Clears the cache in place of applying all rows that there are. */
  private async clearInstead(sql: Sql, consumer: string, epoch: string, why: string): Promise<void> {
    this.log.warn(`${why}: the cache is cleared`);
    // Before clearing: what is committed later is not covered by it.
    const until = await this.store.snapshot(sql);
    if (!(await this.invalidated({ all: true }, epoch))) throw new Error('clearing was not acknowledged');
    await this.store.skip(sql, consumer, until);
  }

  /**
   * Batch after batch, each from where the last one ended: what is applied by now is not walked over again. Then once more from
   * the beginning, for what others had locked and did not finish.
   */
  private async relayAll(sql: Sql, consumer: string, epoch: string, own?: OwnRows): Promise<void> {
    let from = this.cursor;
    for (let more = true; more && !this.stopped;) {
      const batch = { consumer, cursor: from, limit: BATCH, own };
      const { count, last } = await this.claim(sql, epoch, batch);
      more = count === BATCH || from !== this.cursor;
      from = count === BATCH ? last! : this.cursor;
    }
  }

  private async claim(
    sql: Sql,
    epoch: string,
    batch: Parameters<RelayStore['claim']>[1],
  ): Promise<{ count: number; last?: string }> {
    let last: string | undefined;
    const count = await this.store.claim(sql, batch, async (rows) => {
      last = rows.at(-1)?.xid;
      if (!(await this.invalidated(this.meaning.of(rows), epoch)))
        throw new Error('the shared tier did not acknowledge the invalidation');
      this.stats.relayed += rows.length;
      return rows;
    });
    return { count, last };
  }

  private async settleOwn(sql: Sql, consumer: string, epoch: string): Promise<void> {
    while (this.own.size > 0 && !this.stopped) {
      const some = new Map([...this.own].slice(0, BATCH));
      for (const xid of some.keys()) this.own.delete(xid);
      const request = { consumer, cursor: this.cursor, limit: BATCH * 5, xids: [...some.keys()] };
      await this.store.claim(sql, request, async (rows) => {
        const rest = rows.filter((row) => {
          const done = some.get(row.xid);
          return done?.epoch !== epoch || !covers(done.covered, this.meaning.of([row]));
        });
        if (!(await this.invalidated(this.meaning.of(rest), epoch)))
          throw new Error('the shared tier did not acknowledge the invalidation');
        this.stats.own += rows.length - rest.length;
        this.stats.relayed += rest.length;
        return rows;
      });
    }
  }

  /** Acknowledged, and by the data set asked about? */
  private async invalidated(selector: InvalidationSelector, epoch: string): Promise<boolean> {
    if (isEmpty(selector)) return true;
    const { acknowledged, position } = await this.within(this.attempt(selector));
    if (!acknowledged) return false;
    const answered = position?.slice(0, Math.max(0, position.lastIndexOf('@')));
    return this.cache.epoch() === epoch && (answered === undefined || answered === epoch);
  }

  private async attempt(selector: InvalidationSelector): Promise<InvalidationResult> {
    try {
      return await this.cache.invalidate(selector, { recorded: true });
    } catch (error) {
      const closed = (error as { code?: unknown } | null)?.code === 'STRATA_CLOSED';
      if (closed || selector.all === true) throw error;
      // The tier's faults are no rejections, so the selector was refused, and would be for ever.
      this.log.error(`invalidation by the outbox refused, the cache is cleared: ${String(error)}`);
      return this.cache.invalidate({ all: true }, { recorded: true });
    }
  }

  private async within<T>(work: Promise<T>): Promise<T> {
    let cancel = (): void => {};
    const late = new Promise<never>((_resolve, reject) => {
      cancel = this.clock.setTimer(INVALIDATE_MS, () =>
        reject(new Error(`no answer within ${INVALIDATE_MS} ms`)),
      );
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      cancel();
    }
  }

  private async clean(sql: Sql): Promise<void> {
    const now = this.clock.monotonic();
    if (now - this.cleaned < unseenFor(this.times.retentionMs)) return;
    const visible = this.snapshot;
    // Full batches one after the other, but rows to relay come first.
    if (visible !== null && (await this.store.clean(sql, this.times.retentionMs, visible))) this.again = true;
    else {
      this.cleaned = now;
      this.snapshot = await this.store.snapshot(sql);
    }
  }
}

function covers(done: InvalidationSelector, wanted: InvalidationSelector): boolean {
  // A pattern is no list to compare.
  if (wanted.patterns) return false;
  // Every entry is in a namespace.
  if (done.all === true) return true;
  if (wanted.all === true) return false;
  const namespaces = new Set(done.namespaces ?? []);
  const keys = new Set((done.keys ?? []).map(({ namespace, id }) => `${namespace}:${id}`));
  const tags = new Set(done.tags ?? []);
  return (
    (wanted.namespaces ?? []).every((name) => namespaces.has(name)) &&
    (wanted.tags ?? []).every((tag) => tags.has(tag)) &&
    (wanted.keys ?? []).every(
      ({ namespace, id }) => namespaces.has(namespace) || keys.has(`${namespace}:${id}`),
    )
  );
}
