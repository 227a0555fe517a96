import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource } from 'typeorm';
import { useAmbient } from '#tiered-cache';
import type { Transaction } from './transaction.js';

/*
 * Which transaction the current asynchronous context belongs to. Following contexts makes every await of a process dearer
 * (2 to 3 times on Node 20 and 22), so there is no storage before the first transaction, and none is asked while no
 * transaction is open.
 */

let storage: AsyncLocalStorage<Transaction | undefined> | undefined;
let running = 0;

/** The innermost transaction whose end this context has not outlived, if any. */
export function currentTransaction(): Transaction | undefined {
  if (running === 0) return undefined;
  for (let at = storage!.getStore(); at !== undefined; at = at.parent) if (!at.settled) return at;
  return undefined;
}

/** The open transaction of this data source among those around us. */
export function transactionOf(dataSource: DataSource): Transaction | undefined {
  for (let at = currentTransaction(); at !== undefined; at = at.parent)
    if (at.open && at.dataSource === dataSource) return at;
  return undefined;
}

/** Calls `fn` in a context that belongs to `transaction`, which counts as running until `leaveTransaction`. */
export function enterTransaction<R>(transaction: Transaction, fn: () => R): R {
  storage ??= new AsyncLocalStorage();
  running += 1;
  useAmbient(currentTransaction);
  return storage.run(transaction, fn);
}

/** Nobody asks any more once the last one has ended. */
export function leaveTransaction(): void {
  running -= 1;
  if (running > 0) return;
  useAmbient(undefined);
  // Also ends what it costs every await, until the next one.
  storage?.disable();
}

/**
 * Calls `fn` so that neither the cache nor repositories take it for a part of the transaction around it: loads may be
 * stored, invalidations and values go out at once, statements go to connections of their own. For what is true
 * whatever becomes of the transaction. Its connections come from the pool while this transaction holds one: do not
 * wait for it in as many transactions at once as the pool has connections.
 */
export function outsideTransaction<R>(fn: () => R): R {
  return running === 0 ? fn() : storage!.run(undefined, fn);
}
