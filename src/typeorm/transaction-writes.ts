import type { Fence } from '#tiered-cache';
import type { Invalidation } from './invalidation-batch.js';
import type { Statement } from './statement.js';

/**
 * The writes of one query runner that are not committed yet, with its savepoints: ROLLBACK TO takes back what was
 * written since. Follows the statements rather than TypeORM's transaction events, so it sees what the server sees.
 */
export class TransactionWrites {
  /** A transaction the host began by `query('BEGIN')`; TypeORM then says that none is active. */
  begunBySql = false;
  /** What the server answered to COMMIT; undefined before. */
  outcome: 'committed' | 'rolled-back' | undefined;
  /** The last INSERT may have changed existing rows, or nobody can tell which INSERT was the last. */
  insertReplaces = true;
  /** What was fenced when COMMIT was sent. */
  fence: Fence | undefined;
  /** The number of the transaction that COMMIT was sent for, where there is an outbox. */
  xid: string | undefined;
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
    this.begunBySql = false;
    return writes;
  }

  statementSent(): void {
    this.active += 1;
    // Somebody runs several things at once in this transaction (Promise.all).
    if (this.active > 1) this.overlapped = true;
  }

  /** @param tag the command tag of the answer, where the driver tells ('ROLLBACK' to a COMMIT that was refused). */
  statementAnswered(statement: Statement, success: boolean, tag: unknown): void {
    this.active = Math.max(0, this.active - 1);
    if (!success) return;
    switch (statement.kind) {
      case 'begin':
        this.outcome = undefined;
        break;
      case 'commit':
        this.outcome = tag === 'ROLLBACK' ? 'rolled-back' : 'committed';
        break;
      case 'rollback':
        this.outcome = 'rolled-back';
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
        this.rollbackTo(statement.name);
        break;
      case 'other':
        break;
    }
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
