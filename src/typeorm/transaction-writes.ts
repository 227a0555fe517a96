import type { Fence } from '#tiered-cache';
import type { Invalidation } from './invalidation-batch.js';
import type { Statement } from './statement.js';

/**
 * The writes of one query runner that are not committed yet, with its savepoints: ROLLBACK TO takes back what was
 * written since. Follows the statements rather than TypeORM's transaction events, so it sees what the server sees.
 */
export class TransactionWrites {
  /**
   * Whether the server has a transaction open, by its statements: TypeORM knows nothing of a host's `query('BEGIN')`
   * or `query('COMMIT')`. Undefined where no BEGIN was seen (drivers that begin without a statement): TypeORM's word counts.
   */
  open: boolean | undefined;
  /** The server has refused a statement, and nothing since has taken that back: PostgreSQL answers COMMIT with ROLLBACK. */
  doomed = false;
  /** A statement that may write names the table of a marked entity; if no event told of it, only triggers saw it. */
  touched = false;
  /** What the server answered to COMMIT; undefined before. */
  outcome: 'committed' | 'rolled-back' | undefined;
  /** The last INSERT may have changed existing rows, or nobody can tell which INSERT was the last. */
  insertReplaces = true;
  /** What was fenced when COMMIT was sent. */
  fence: Fence | undefined;
  /** The number of the transaction that COMMIT was sent for, where there is an outbox. */
  xid: string | undefined;
  /** How long COMMIT has waited for us, milliseconds. */
  waitedMs = 0;
  private writes: Invalidation[] = [];
  private savepoints: { name: string; mark: number }[] = [];
  private active = 0;
  private overlapped = false;

  get size(): number {
    return this.writes.length;
  }

  /** Another array for every transaction. */
  get pending(): readonly Invalidation[] {
    return this.writes;
  }

  add(writes: readonly Invalidation[]): void {
    this.writes.push(...writes);
  }

  /** Hands over the writes and forgets the transaction. */
  take(): Invalidation[] {
    const { writes } = this;
    this.writes = [];
    this.savepoints = [];
    this.overlapped = this.active > 1;
    this.outcome = undefined;
    this.fence = undefined;
    this.xid = undefined;
    this.waitedMs = 0;
    this.doomed = false;
    this.touched = false;
    return writes;
  }

  statementSent(): void {
    this.active += 1;
    // Somebody runs several things at once in this transaction (Promise.all).
    if (this.active > 1) this.overlapped = true;
  }

  /**
   * @param tag the command tag of the answer, where the driver tells ('ROLLBACK' to a COMMIT that was refused)
   * @param refused by the server, rather than lost on the way
   */
  statementAnswered(statement: Statement, success: boolean, tag: unknown, refused = false): void {
    this.active = Math.max(0, this.active - 1);
    if (refused) this.doomed = true;
    if (!success) return;
    switch (statement.kind) {
      case 'begin':
        this.outcome = undefined;
        this.open = true;
        this.doomed = false;
        break;
      case 'commit':
        this.ended(tag === 'ROLLBACK' ? 'rolled-back' : 'committed', statement.chained);
        break;
      case 'rollback':
        this.ended('rolled-back', statement.chained);
        break;
      case 'prepare':
        this.ended(undefined, false);
        break;
      case 'insert':
        this.insertReplaces = statement.replaces || this.overlapped;
        break;
      case 'savepoint':
        this.savepoints.push({ name: statement.name, mark: this.writes.length });
        break;
      case 'release':
        this.release(statement.name);
        break;
      case 'rollback-to':
        this.doomed = false;
        this.rollbackTo(statement.name);
        break;
      case 'commit-prepared':
      case 'rollback-prepared':
      case 'other':
        break;
    }
  }

  private ended(outcome: TransactionWrites['outcome'], chained: boolean): void {
    this.outcome = outcome;
    if (this.open !== undefined) this.open = chained;
  }

  private release(name: string): void {
    const index = this.find(name);
    if (index >= 0) this.savepoints.length = index;
  }

  private rollbackTo(name: string): void {
    const index = this.find(name);
    const savepoint = this.savepoints[index];
    if (!savepoint) return;
    this.savepoints.length = index + 1;
    // An event comes a moment after its statement. With statements side by side an event from before the savepoint
    // may have been noted after it: rather end too much than too little.
    if (!this.overlapped) this.writes.length = Math.min(this.writes.length, savepoint.mark);
  }

  private find(name: string): number {
    return this.savepoints.findLastIndex((savepoint) => savepoint.name === name);
  }
}
