import type { InvalidationSelector } from './options.js';

/*
 * The database transaction that the current asynchronous context belongs to. The engine knows no database: whoever
 * runs transactions tells it by `useAmbient`, and only while there are some. Following a context costs every await of
 * the process 2 to 3 times as much on Node 20 and 22, so until then a read pays one look at a variable.
 */

/** Sends what waited; never rejects. One function per cache, by which a transaction sorts what it has collected. */
export type DeferredSender = (selectors: readonly InvalidationSelector[]) => Promise<void>;

/** An open transaction, as reads and invalidations see it. */
export interface AmbientTransaction {
  /** False once its function has ended: a context that outlives it reads like any other. */
  readonly open: boolean;
  /** It has written, or promises one snapshot: what the cache holds is not what it would see. */
  readonly bypasses: boolean;
  /** Sends after COMMIT; on ROLLBACK, of a savepoint too, it is forgotten. */
  afterCommit(send: DeferredSender, selector: InvalidationSelector): void;
  /** Calls `fn` in a context that belongs to no transaction. */
  outside<R>(fn: () => R): R;
}

/** Answers the current context's transaction, whose end may be under way. Undefined: nobody runs any. */
export let ambient: (() => AmbientTransaction | undefined) | undefined;

/** From now on reads and invalidations ask `provider`; undefined: they ask nobody. */
export function useAmbient(provider: (() => AmbientTransaction | undefined) | undefined): void {
  ambient = provider;
}

/** The transaction that a read belongs to. */
export function openTransaction(): AmbientTransaction | undefined {
  const transaction = ambient?.();
  return transaction?.open === true ? transaction : undefined;
}
