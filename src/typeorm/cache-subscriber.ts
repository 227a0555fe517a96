import type {
  AfterQueryEvent,
  BeforeQueryEvent,
  DataSource,
  EntityMetadata,
  EntitySubscriberInterface,
  InsertEvent,
  ObjectLiteral,
  QueryRunner,
  RemoveEvent,
  TransactionCommitEvent,
  TransactionRollbackEvent,
  UpdateEvent,
} from 'typeorm';
import type { Clock, InvalidationSelector } from '#tiered-cache';
import type { CommitFences } from './commit-fences.js';
import { EntityWrites } from './entity-writes.js';
import { batch, type Invalidation, isEmpty } from './invalidation-batch.js';
import type { GateLog, InvalidationGate } from './invalidation-gate.js';
import type { MarkRegistry } from './mark-registry.js';
import type { Outboxes } from './outbox/outboxes.js';
import { answerOf, commandTag, isPostgres, type QueryAnswer } from './query-answer.js';
import { type Statement, statementOf } from './statement.js';
import { StatementTables } from './statement-tables.js';
import { TransactionWrites } from './transaction-writes.js';

/** How often transactions without an end are looked for, milliseconds. */
const SWEEP_MS = 100;
/**
 * When what may or may not have been committed is invalidated again, milliseconds: the server may have been at it still.
 * An outbox makes that needless.
 */
const AGAIN_MS = [1_000, 10_000];
/** How long an event that explains a statement may take; then the outbox is looked at. */
const LOOK_MS = 20;
/** Transactions that were prepared (two-phase commit) and are not ended yet; of more, only the outbox hears. */
const MAX_PREPARED = 1_000;

/** What a subscriber asks of the outboxes. */
export type OutboxPort = Pick<Outboxes, 'transactionOf' | 'settle'> & {
  look?(queryRunner: QueryRunner): void;
  records?(dataSource: DataSource): boolean;
};

/**
 * Listens to the writes of one data source and, when they are committed, has the cache forget what they made wrong.
 *
 * All `after*` events of TypeORM come before COMMIT when a transaction is open. So writes are collected per query
 * runner (subscribers are singletons, and `queryRunner.data` is swapped by `save({ data })`) and sent in one batch
 * when the outermost transaction ended. Without a transaction the events come when the statement is committed
 * already, and TypeORM waits for the promise we answer: the write resolves after the cache was told.
 *
 * Just before COMMIT the entries that the transaction has changed are fenced: a reader that loads the old value until
 * then cannot store it afterwards, and the fence outlives this process.
 *
 * A transaction whose connection died fires no event at all. Nobody knows whether it was committed, so the sweep
 * finds its released query runner and invalidates: ending a right entry costs one load, keeping a wrong one is wrong.
 */
export class CacheSubscriber implements EntitySubscriberInterface {
  /** Transactions rolled back, and those whose end nobody saw. */
  readonly counts = { rolledBack: 0, swept: 0 };
  private readonly runners = new WeakMap<QueryRunner, TransactionWrites>();
  private readonly open = new Set<QueryRunner>();
  private readonly autocommitted = new WeakMap<
    QueryRunner,
    { writes: Invalidation[]; sent: Promise<void> }
  >();
  private readonly tables: StatementTables;
  private readonly entities: EntityWrites;
  private readonly prepared = new Map<string, Invalidation[]>();
  private readonly positions = new WeakMap<QueryRunner, string>();
  private readonly again = new Set<() => void>();
  private readonly unheard = new Set<QueryRunner>();
  private cancelLook: (() => void) | undefined;
  private cancelSweep: (() => void) | undefined;

  constructor(
    private readonly marks: MarkRegistry,
    private readonly gate: InvalidationGate,
    private readonly clock: Clock,
    private readonly log: GateLog,
    /** Null: none are raised. */
    private readonly fences: CommitFences | null = null,
    /** Null: no triggers are relayed. */
    private outboxes: OutboxPort | null = null,
    private readonly againMs: readonly number[] = AGAIN_MS,
  ) {
    this.tables = new StatementTables(marks);
    this.entities = new EntityWrites(marks);
  }

  /** Where the log stands after the last invalidation for this query runner; null if the cache has not acknowledged it. */
  positionOf(queryRunner: QueryRunner): string | null {
    return this.positions.get(queryRunner) ?? null;
  }

  /** From now on with these outboxes, unless it has some. */
  relayedBy(outboxes: OutboxPort): boolean {
    this.outboxes ??= outboxes;
    return this.outboxes === outboxes;
  }

  afterInsert(event: InsertEvent<ObjectLiteral>): Promise<void> | void {
    const replaces = this.runners.get(event.queryRunner)?.insertReplaces !== false;
    return this.write(event, () => this.entities.inserted(event, replaces));
  }

  afterUpdate(event: UpdateEvent<ObjectLiteral>): Promise<void> | void {
    return this.write(event, () => this.entities.updated(event));
  }

  afterRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> | void {
    return this.write(event, () => this.entities.removed(event));
  }

  afterSoftRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> | void {
    return this.write(event, () => this.entities.marked(event));
  }

  afterRecover(event: RemoveEvent<ObjectLiteral>): Promise<void> | void {
    return this.write(event, () => this.entities.marked(event));
  }

  /**
   * TypeORM sends a statement when this resolves. A COMMIT is fenced here rather than in `beforeTransactionCommit`: that
   * one fires for inner savepoints too, misses what other subscribers write in it, and a host's own `query('COMMIT')`.
   */
  beforeQuery({ queryRunner, query }: BeforeQueryEvent): Promise<void> | void {
    const runner = this.runners.get(queryRunner);
    if (!runner) return;
    runner.statementSent();
    if (!this.fences && !this.outboxes) return;
    if (runner.size === 0 && !runner.touched) return;
    if (statementOf(query).kind !== 'commit') return;
    // It will be answered with ROLLBACK: fences would end right entries.
    if (runner.doomed && isPostgres(queryRunner.dataSource)) return;
    return this.beforeCommit(queryRunner, runner);
  }

  /**
   * TypeORM waits for what is answered here before it goes on. The end of a transaction is its statement, not the event
   * that follows: a host's own `query('COMMIT')` has none, and savepoints have the same.
   */
  afterQuery(event: AfterQueryEvent): Promise<void> | void {
    const { queryRunner } = event;
    const statement = statementOf(event.query);
    const answer = answerOf(event);
    let runner = this.runners.get(queryRunner);
    if (!runner && (statement.kind === 'begin' || statement.kind === 'insert'))
      runner = this.runner(queryRunner);
    runner?.statementAnswered(statement, answer === 'done', commandTag(event), answer === 'refused');
    switch (statement.kind) {
      case 'commit':
        if (!runner || answer === 'refused') return;
        // The connection broke while COMMIT was under way: it may have been done.
        if (answer === 'lost') this.counts.swept += 1;
        return this.settle(queryRunner, runner, answer);
      case 'rollback':
        return runner && answer === 'done' ? this.settle(queryRunner, runner) : undefined;
      case 'prepare':
      case 'commit-prepared':
      case 'rollback-prepared':
        return this.twoPhase(queryRunner, statement, answer);
      case 'insert':
      case 'other':
        return this.heard(event, statement, answer);
      default:
    }
  }

  afterTransactionCommit({ queryRunner }: TransactionCommitEvent): Promise<void> | void {
    return this.ended(queryRunner);
  }

  afterTransactionRollback({ queryRunner }: TransactionRollbackEvent): Promise<void> | void {
    const runner = this.runners.get(queryRunner);
    if (runner && !queryRunner.isTransactionActive) runner.outcome = 'rolled-back';
    return this.ended(queryRunner);
  }

  /** Invalidates what is still collected, for shutdown: this process will not see how those transactions end. */
  async close(): Promise<void> {
    this.cancelSweep?.();
    this.cancelSweep = undefined;
    this.cancelLook?.();
    this.cancelLook = undefined;
    for (const cancel of this.again) cancel();
    this.again.clear();
    await Promise.all(
      [...this.open].map((queryRunner) => this.settle(queryRunner, this.runner(queryRunner))),
    );
  }

  private write(
    { queryRunner, metadata }: { queryRunner: QueryRunner; metadata: EntityMetadata },
    describe: () => Invalidation[],
  ): Promise<void> | void {
    const { unknown, cascaded } = this.marks.concerned(metadata);
    if (unknown.length === 0 && cascaded.length === 0) return;
    let writes: Invalidation[];
    try {
      // A junction row is no entity's row: what it says of both sides is that something changed.
      writes = metadata.isJunction ? this.entities.unknown(metadata) : describe();
    } catch (error) {
      // A throw here would undo or fail the host's write.
      this.log.error(`write to ${metadata.name} not understood, treated as unknown rows: ${String(error)}`);
      writes = this.entities.unknown(metadata);
    }
    if (!this.inTransaction(queryRunner)) return this.committed(queryRunner, writes);
    this.runner(queryRunner).add(writes);
    this.open.add(queryRunner);
    this.cancelSweep ??= this.clock.setTimer(SWEEP_MS, () => this.sweep());
  }

  /** One statement fires an event per row, one after the other: they are sent together. */
  private committed(queryRunner: QueryRunner, writes: readonly Invalidation[]): Promise<void> {
    this.unheard.delete(queryRunner);
    let statement = this.autocommitted.get(queryRunner);
    if (!statement) {
      const collected: Invalidation[] = [];
      const sent = Promise.resolve().then(() => {
        this.autocommitted.delete(queryRunner);
        return this.send(queryRunner, batch(collected));
      });
      statement = { writes: collected, sent };
      this.autocommitted.set(queryRunner, statement);
    }
    statement.writes.push(...writes);
    return statement.sent;
  }

  /**
   * A statement that no event may tell of, and that may write: raw SQL, or with its listeners off. Whose rows it changes
   * only triggers know; what is known here is when they are to be looked for.
   */
  private heard(
    { queryRunner, query }: AfterQueryEvent,
    statement: Statement,
    answer: QueryAnswer,
  ): Promise<void> | void {
    if (answer === 'refused' || (statement.kind === 'other' && statement.reads)) return;
    const { dataSource } = queryRunner;
    const inTransaction = this.inTransaction(queryRunner);
    // In a transaction it is lost for certain.
    if (answer === 'lost' ? inTransaction || !isPostgres(dataSource) : !this.outboxes) return;
    const tables = this.tables.in(dataSource, query);
    if (tables.length === 0) return;
    if (inTransaction) this.runner(queryRunner).touched = true;
    else if (answer === 'done') this.unexplained(queryRunner);
    else {
      this.counts.swept += 1;
      return this.unanswered(batch(tables.flatMap((metadata) => this.entities.unknown(metadata, true))));
    }
  }

  /** Written, but by whom nobody has said: an event that tells comes at once, or never. */
  private unexplained(queryRunner: QueryRunner): void {
    this.unheard.add(queryRunner);
    this.cancelLook ??= this.clock.setTimer(LOOK_MS, () => {
      this.cancelLook = undefined;
      const one = new Map([...this.unheard].map((runner) => [runner.dataSource, runner]));
      this.unheard.clear();
      for (const runner of one.values()) this.outboxes?.look?.(runner);
    });
  }

  private twoPhase(
    queryRunner: QueryRunner,
    { kind, name }: Extract<Statement, { name: string }>,
    answer: QueryAnswer,
  ): Promise<void> | void {
    if (answer === 'refused') return;
    if (kind === 'prepare') {
      const writes = this.runners.get(queryRunner)?.take() ?? [];
      this.open.delete(queryRunner);
      if (writes.length > 0 && this.prepared.size < MAX_PREPARED) this.prepared.set(name, writes);
      return;
    }
    const selector = batch(this.prepared.get(name) ?? []);
    this.prepared.delete(name);
    if (kind === 'commit-prepared')
      return answer === 'done' ? this.send(queryRunner, selector) : this.unanswered(selector);
  }

  private async beforeCommit(queryRunner: QueryRunner, runner: TransactionWrites): Promise<void> {
    const { pending } = runner;
    const began = this.clock.monotonic();
    // Side by side, so that knowing the transaction costs COMMIT hardly any time of its own. The fence has its limit. The
    // question has none: it goes the way that COMMIT goes, on the same connection, which would have to wait all the same.
    const [fence, xid] = await Promise.all([
      this.fences?.raise(pending),
      this.outboxes?.transactionOf(queryRunner),
    ]);
    // Settled meanwhile (shutdown) although COMMIT goes out only now: the fence covers it, and ends by itself.
    if (runner.pending !== pending) return;
    runner.waitedMs = this.clock.monotonic() - began;
    runner.xid = xid;
    // Of a COMMIT that failed before.
    void runner.fence?.lift();
    runner.fence = fence;
  }

  private ended(queryRunner: QueryRunner): Promise<void> | void {
    // TypeORM fires the same events for savepoints; those are followed by their statements.
    const runner = this.runners.get(queryRunner);
    if (runner && !queryRunner.isTransactionActive) return this.settle(queryRunner, runner);
  }

  /** @param answer to COMMIT, if there was one */
  private settle(
    queryRunner: QueryRunner,
    runner: TransactionWrites,
    answer: QueryAnswer = 'done',
  ): Promise<void> {
    this.open.delete(queryRunner);
    const { outcome, fence, xid, waitedMs } = runner;
    const writes = runner.take();
    // A COMMIT of a transaction in which a statement had failed is answered ROLLBACK, without an error.
    if (outcome === 'rolled-back') {
      if (writes.length > 0) this.counts.rolledBack += 1;
      // Nobody waits for it: at worst it ends by itself. Never rejects.
      void fence?.lift();
      return Promise.resolve();
    }
    const selector = batch(writes);
    // Where nobody knows the end, the server may be committing still: then the fence stays for its time.
    if (answer === 'lost') return this.unanswered(selector);
    if (outcome !== 'committed') return this.send(queryRunner, selector);
    // Only triggers saw it.
    if (isEmpty(selector) && xid !== undefined) this.outboxes?.settle(queryRunner, xid, selector, null);
    return this.send(queryRunner, selector, { fence, waitedMs, xid });
  }

  private send(
    queryRunner: QueryRunner,
    selector: InvalidationSelector,
    { fence, waitedMs, xid }: Partial<Pick<TransactionWrites, 'fence' | 'waitedMs' | 'xid'>> = {},
  ): Promise<void> {
    if (isEmpty(selector)) return Promise.resolve();
    this.positions.delete(queryRunner);
    const acknowledged = (position: string | null): void => {
      if (position !== null) this.positions.set(queryRunner, position);
      if (xid !== undefined) this.outboxes?.settle(queryRunner, xid, selector, position);
    };
    const recorded = this.outboxes?.records?.(queryRunner.dataSource);
    return this.gate.send(selector, { fence, acknowledged, waitedMs, recorded });
  }

  /** What may have been committed, or may be in a moment: now, and again. */
  private unanswered(selector: InvalidationSelector): Promise<void> {
    if (!isEmpty(selector) && !this.outboxes)
      for (const ms of this.againMs) {
        const cancel = this.clock.setTimer(ms, () => {
          this.again.delete(cancel);
          // send() never rejects.
          void this.gate.send(selector);
        });
        this.again.add(cancel);
      }
    return this.gate.send(selector);
  }

  private sweep(): void {
    this.cancelSweep = undefined;
    for (const queryRunner of this.open) {
      const runner = this.runner(queryRunner);
      if (!queryRunner.isReleased && this.inTransaction(queryRunner)) continue;
      this.counts.swept += 1;
      // send() never rejects.
      void this.settle(queryRunner, runner);
    }
    if (this.open.size > 0) this.cancelSweep = this.clock.setTimer(SWEEP_MS, () => this.sweep());
  }

  private inTransaction(queryRunner: QueryRunner): boolean {
    return this.runners.get(queryRunner)?.open ?? queryRunner.isTransactionActive;
  }

  private runner(queryRunner: QueryRunner): TransactionWrites {
    let runner = this.runners.get(queryRunner);
    if (!runner) {
      runner = new TransactionWrites();
      this.runners.set(queryRunner, runner);
    }
    return runner;
  }
}
