import type {
  AfterQueryEvent,
  BeforeQueryEvent,
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
import type { Clock } from '#tiered-cache';
import type { CommitFences } from './commit-fences.js';
import { batch, type Invalidation, unknownRow } from './invalidation-batch.js';
import type { GateLog, InvalidationGate } from './invalidation-gate.js';
import type { MarkRegistry } from './mark-registry.js';
import type { Outboxes } from './outbox/outboxes.js';
import { statementOf } from './statement.js';
import { TransactionWrites } from './transaction-writes.js';

/** How often transactions without an end are looked for, milliseconds. */
const SWEEP_MS = 100;

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
  private cancelSweep: (() => void) | undefined;

  constructor(
    private readonly marks: MarkRegistry,
    private readonly gate: InvalidationGate,
    private readonly clock: Clock,
    private readonly log: GateLog,
    /** Null: none are raised. */
    private readonly fences: CommitFences | null = null,
    /** Null: no triggers are relayed. */
    private readonly outboxes: Pick<Outboxes, 'transactionOf' | 'settle'> | null = null,
  ) {}

  afterInsert(event: InsertEvent<ObjectLiteral>): Promise<void> | void {
    return this.write(event, (metadata) => {
      const row = event.entity as ObjectLiteral | undefined;
      if (!row) return this.unknown(metadata);
      // Only save() says the id. Otherwise it is a QueryBuilder's INSERT: if that may have replaced a row (upsert),
      // nobody has seen what the row was before.
      const runner = this.runners.get(event.queryRunner);
      const replaces = event.entityId === undefined && runner?.insertReplaces !== false;
      return this.marks
        .concerned(metadata)
        .row.map((entity) =>
          replaces
            ? entity.replace(metadata, { sources: [row], origin: 'stored' })
            : entity.write(metadata, [{ sources: [row], origin: 'inserted' }], true),
        );
    });
  }

  afterUpdate(event: UpdateEvent<ObjectLiteral>): Promise<void> | void {
    return this.write(event, (metadata) => {
      const { entity: row, updatedColumns, updatedRelations } = event;
      const before = event.databaseEntity as ObjectLiteral | undefined;
      // update(), increment(), QueryBuilder: no row. Orphans of a one-to-many: nothing at all.
      if (!row || !before) return this.unknown(metadata);
      return this.marks.concerned(metadata).row.map((entity) =>
        entity.write(
          metadata,
          [
            { sources: [before], origin: 'stored' },
            // save() leaves undefined properties as they are in the database.
            { sources: [row, before], origin: 'stored' },
          ],
          entity.changesLists(metadata, updatedColumns, updatedRelations),
        ),
      );
    });
  }

  afterRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> | void {
    return this.appeared(event, true);
  }

  afterSoftRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> | void {
    return this.appeared(event);
  }

  afterRecover(event: RemoveEvent<ObjectLiteral>): Promise<void> | void {
    return this.appeared(event);
  }

  /**
   * TypeORM sends a statement when this resolves. A COMMIT is fenced here rather than in `beforeTransactionCommit`: that
   * one fires for inner savepoints too, misses what other subscribers write in it, and a host's own `query('COMMIT')`.
   */
  beforeQuery({ queryRunner, query }: BeforeQueryEvent): Promise<void> | void {
    const runner = this.runners.get(queryRunner);
    if (!runner) return;
    runner.statementSent();
    if ((this.fences || this.outboxes) && runner.size > 0 && statementOf(query).kind === 'commit')
      return this.beforeCommit(queryRunner, runner);
  }

  afterQuery(event: AfterQueryEvent): Promise<void> | void {
    const { queryRunner } = event;
    const statement = statementOf(event.query);
    let runner = this.runners.get(queryRunner);
    if (!runner && (statement.kind === 'begin' || statement.kind === 'insert'))
      runner = this.runner(queryRunner);
    if (!runner) return;
    const tag: unknown = (event.rawResults as { command?: unknown } | undefined)?.command;
    runner.statementAnswered(statement, event.success, tag);
    if (statement.kind === 'begin' && event.success && !queryRunner.isTransactionActive)
      runner.begunBySql = true;
    const ends = statement.kind === 'commit' || statement.kind === 'rollback';
    if (ends && event.success && runner.begunBySql) return this.settle(queryRunner, runner);
    // The connection broke while COMMIT was under way: it may have been done.
    if (statement.kind === 'commit' && !event.success && !refused(event.error)) {
      this.counts.swept += 1;
      return this.settle(queryRunner, runner);
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
    await Promise.all(
      [...this.open].map((queryRunner) => this.settle(queryRunner, this.runner(queryRunner))),
    );
  }

  /** A row came or went, and is known: from the database, or from the entity (whose id `remove` has blanked). */
  private appeared(event: RemoveEvent<ObjectLiteral>, deleted = false): Promise<void> | void {
    return this.write(event, (metadata) => {
      const cascaded = deleted ? this.marks.concerned(metadata).cascaded.map(unknownRow) : [];
      const stored = event.databaseEntity as ObjectLiteral | undefined;
      if (!stored && !event.entity) return [...this.unknown(metadata), ...cascaded];
      const sources = stored ? [stored] : [event.entity ?? {}, idOf(metadata, event.entityId)];
      const { row } = this.marks.concerned(metadata);
      return [
        ...row.map((entity) => entity.write(metadata, [{ sources, origin: 'stored' }], true)),
        ...cascaded,
      ];
    });
  }

  private unknown(metadata: EntityMetadata): Invalidation[] {
    return this.marks.concerned(metadata).unknown.map(unknownRow);
  }

  private write(
    { queryRunner, metadata }: { queryRunner: QueryRunner; metadata: EntityMetadata },
    describe: (metadata: EntityMetadata) => Invalidation[],
  ): Promise<void> | void {
    const { unknown, cascaded } = this.marks.concerned(metadata);
    if (unknown.length === 0 && cascaded.length === 0) return;
    let writes: Invalidation[];
    try {
      // A junction row is no entity's row: what it says of both sides is that something changed.
      writes = metadata.isJunction ? this.unknown(metadata) : describe(metadata);
    } catch (error) {
      // A throw here would undo or fail the host's write.
      this.log.error(`write to ${metadata.name} not understood, treated as unknown rows: ${String(error)}`);
      writes = this.unknown(metadata);
    }
    const runner = this.runners.get(queryRunner);
    if (!queryRunner.isTransactionActive && !runner?.begunBySql) return this.committed(queryRunner, writes);
    this.runner(queryRunner).add(writes);
    this.open.add(queryRunner);
    this.cancelSweep ??= this.clock.setTimer(SWEEP_MS, () => this.sweep());
  }

  /** One statement fires an event per row, one after the other: they are sent together. */
  private committed(queryRunner: QueryRunner, writes: readonly Invalidation[]): Promise<void> {
    let statement = this.autocommitted.get(queryRunner);
    if (!statement) {
      const collected: Invalidation[] = [];
      const sent = Promise.resolve().then(() => {
        this.autocommitted.delete(queryRunner);
        return this.gate.send(batch(collected));
      });
      statement = { writes: collected, sent };
      this.autocommitted.set(queryRunner, statement);
    }
    statement.writes.push(...writes);
    return statement.sent;
  }

  private async beforeCommit(queryRunner: QueryRunner, runner: TransactionWrites): Promise<void> {
    const { pending } = runner;
    // Side by side, so that knowing the transaction costs COMMIT no time of its own.
    const [fence, xid] = await Promise.all([
      this.fences?.raise(pending),
      this.outboxes?.transactionOf(queryRunner),
    ]);
    // Settled meanwhile (shutdown) although COMMIT goes out only now: the fence covers it, and ends by itself.
    if (runner.pending !== pending) return;
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

  private settle(queryRunner: QueryRunner, runner: TransactionWrites): Promise<void> {
    this.open.delete(queryRunner);
    const { outcome, fence, xid } = runner;
    const writes = runner.take();
    // A COMMIT of a transaction in which a statement had failed is answered ROLLBACK, without an error.
    if (outcome === 'rolled-back') {
      if (writes.length > 0) this.counts.rolledBack += 1;
      // Nobody waits for it: at worst it ends by itself. Never rejects.
      void fence?.lift();
      return Promise.resolve();
    }
    // Where nobody knows the end, the server may be committing still: then the fence stays for its time.
    if (outcome !== 'committed') return this.gate.send(batch(writes));
    const selector = batch(writes);
    return this.gate.send(selector, fence, (position) => {
      if (xid !== undefined) this.outboxes?.settle(queryRunner, xid, selector, position);
    });
  }

  private sweep(): void {
    this.cancelSweep = undefined;
    for (const queryRunner of this.open) {
      const runner = this.runner(queryRunner);
      if (!queryRunner.isReleased && (queryRunner.isTransactionActive || runner.begunBySql)) continue;
      this.counts.swept += 1;
      // send() never rejects.
      void this.settle(queryRunner, runner);
    }
    if (this.open.size > 0) this.cancelSweep = this.clock.setTimer(SWEEP_MS, () => this.sweep());
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

/** A server that is alive said no: nothing was committed, and a ROLLBACK follows. */
function refused(error: unknown): boolean {
  const severity = (error as { severity?: unknown } | undefined)?.severity;
  return typeof severity === 'string' && severity !== 'FATAL' && severity !== 'PANIC';
}

/** `entityId` is the bare id where there is one primary column. */
function idOf(metadata: EntityMetadata, entityId: unknown): ObjectLiteral {
  if (metadata.hasMultiplePrimaryKeys) return (entityId as ObjectLiteral | undefined) ?? {};
  const row: ObjectLiteral = {};
  metadata.primaryColumns[0]?.setEntityValue(row, entityId);
  return row;
}
