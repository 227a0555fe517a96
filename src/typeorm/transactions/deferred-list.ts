import type { DeferredSender, InvalidationSelector } from '#tiered-cache';
import type { Statement } from '../statement.js';

interface Deferred {
  readonly send: DeferredSender;
  readonly selector: InvalidationSelector;
}

/** Invalidations that wait for a COMMIT, with the transaction's savepoints: ROLLBACK TO forgets what came since. */
export class DeferredList {
  private list: Deferred[] = [];
  private savepoints: { name: string; mark: number }[] = [];
  private active = 0;
  private overlapped = false;

  add(send: DeferredSender, selector: InvalidationSelector): void {
    this.list.push({ send, selector });
  }

  statementSent(): void {
    this.active += 1;
    if (this.active > 1) this.overlapped = true;
  }

  statementAnswered(): void {
    this.active -= 1;
  }

  /** Follows a statement that was carried out. */
  follow(statement: Statement): void {
    if (statement.kind === 'savepoint')
      this.savepoints.push({ name: statement.name, mark: this.list.length });
    else if (statement.kind === 'release' || statement.kind === 'rollback-to') {
      const at = this.savepoints.findLastIndex(({ name }) => name === statement.name);
      if (at < 0) return;
      const { mark } = this.savepoints[at]!;
      this.savepoints.length = statement.kind === 'release' ? at : at + 1;
      // Several things at once (Promise.all): what is of which savepoint nobody knows; too often is not wrong.
      if (statement.kind === 'rollback-to' && !this.overlapped) this.list.length = mark;
    }
  }

  /** What is left, sorted by cache, and forgets it. */
  take(): Map<DeferredSender, InvalidationSelector[]> {
    const bySender = new Map<DeferredSender, InvalidationSelector[]>();
    for (const { send, selector } of this.list) {
      const selectors = bySender.get(send);
      if (selectors === undefined) bySender.set(send, [selector]);
      else selectors.push(selector);
    }
    this.list = [];
    this.savepoints = [];
    return bySender;
  }
}
