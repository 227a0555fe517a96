import type { DataSource, QueryRunner } from 'typeorm';
import type { AmbientTransaction, Clock, DeferredSender, InvalidationSelector } from '#tiered-cache';
import { statementOf } from '../statement.js';
import { outsideTransaction } from './ambient-context.js';
import { DeferredList } from './deferred-list.js';
import { onlyReads } from './reads.js';
import { isPostgres, refused } from '../query-answer.js';

const NEUTRAL = new Set(['begin', 'commit', 'rollback', 'savepoint', 'release', 'rollback-to']);

/** A transaction that contexts belong to: whether it has written, and what waits for its COMMIT. */
export class Transaction implements AmbientTransaction {
  /** False once its function has ended; COMMIT comes after that. */
  open = true;
  /** True once COMMIT or ROLLBACK is over. */
  settled = false;
  private written: boolean;
  private readonly waiting = new DeferredList();
  /** PostgreSQL answers ROLLBACK to a COMMIT after a failed statement, and no error. */
  private aborted = false;
  private outcome: 'committed' | 'rolled-back' | 'unknown' = 'rolled-back';

  /** @param snapshot it promises one state of the database, which is not the cache's */
  constructor(
    readonly dataSource: DataSource,
    readonly queryRunner: QueryRunner,
    readonly parent: Transaction | undefined,
    snapshot: boolean,
  ) {
    this.written = snapshot;
    this.follow(queryRunner);
  }

  /** Any of the transactions around: a value may be made of several databases. */
  get bypasses(): boolean {
    return this.written || (this.parent?.open === true && this.parent.bypasses);
  }

  /** With each of the transactions around: which of them it is about nobody knows, and too often is not wrong. */
  afterCommit(send: DeferredSender, selector: InvalidationSelector): void {
    this.waiting.add(send, selector);
    if (this.parent?.settled === false) this.parent.afterCommit(send, selector);
  }

  outside<R>(fn: () => R): R {
    return outsideTransaction(fn);
  }

  /** Sends what waited, unless it was rolled back. Resolves with the answer, after `maxDelayMs` at most. Never rejects. */
  async settle(maxDelayMs: number, clock: Clock): Promise<void> {
    this.settled = true;
    const waiting = this.waiting.take();
    if (this.outcome === 'rolled-back' || waiting.size === 0) return;
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => {
      cancel = clock.setTimer(maxDelayMs, resolve);
    });
    // What is not answered by then goes on by itself; the cache bypasses it here and sends it again.
    const sent = outsideTransaction(() =>
      Promise.allSettled([...waiting].map(([send, selectors]) => send(selectors))),
    );
    await Promise.race([sent, late]);
    cancel();
  }

  /** Statements tell what TypeORM's events do not: raw SQL, a host's savepoints, and what became of COMMIT. */
  private follow(queryRunner: QueryRunner): void {
    const query = queryRunner.query.bind(queryRunner) as (...args: unknown[]) => Promise<unknown>;
    const stream = queryRunner.stream.bind(queryRunner);
    queryRunner.query = async (...args: unknown[]): Promise<never> => {
      const sql = String(args[0]);
      this.sending(sql);
      this.waiting.statementSent();
      try {
        const answer = await query(...args);
        this.answered(sql);
        return answer as never;
      } catch (error) {
        this.failed(sql, error);
        throw error;
      } finally {
        this.waiting.statementAnswered();
      }
    };
    queryRunner.stream = (...args) => {
      this.sending(args[0]);
      return stream(...args);
    };
  }

  /** From here on, not from the answer: what is read beside it may see it. */
  private sending(sql: string): void {
    this.written ||= !NEUTRAL.has(statementOf(sql).kind) && !onlyReads(sql);
  }

  private answered(sql: string): void {
    const statement = statementOf(sql);
    this.waiting.follow(statement);
    if (statement.kind === 'rollback-to') this.aborted = false;
    // A COMMIT that nobody answered stays unknown, whatever ROLLBACK comes after it.
    if (statement.kind === 'commit') this.outcome = this.aborted ? 'rolled-back' : 'committed';
  }

  private failed(sql: string, error: unknown): void {
    if (statementOf(sql).kind === 'commit' && !refused(error)) this.outcome = 'unknown';
    this.aborted ||= isPostgres(this.dataSource);
  }
}
