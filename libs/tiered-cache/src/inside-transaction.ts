import type { AmbientTransaction, DeferredSender } from './ambient.js';
import type { CacheCore, NamespaceCore } from './cache-core.js';
import { checkCallOptions, pick } from './loading/lifetime.js';
import { unstored } from './loading/prepare-entry.js';
import { tagsOfRequest } from './loading/read-request.js';
import { runLoader } from './loading/run-loader.js';
import type {
  GetOrSetOptions,
  InvalidationResult,
  InvalidationSelector,
  Loader,
  ManyLoader,
  SetOptions,
} from './options.js';
import { currentLoad, trackedLoads } from './tracking/tracked-context.js';

/*
 * Reads and writes of the cache inside an open database transaction (protocol, Read: "A load on an open transaction's
 * connection fills no tier and is joined by nobody; after that transaction's first write its reads bypass the cache").
 *
 * Nothing is joined either: the load that a reader in here would wait for may itself wait for a connection, and enough
 * transactions that wait with theirs in hand empty the pool for good.
 */

/** What the cache holds of these ids, before the transaction's first write; asked outside of it. */
export type LookUp<T> = () => Promise<Map<string, T>>;

/** The cache's answer while it may give one, or the loader's, which concerns this caller alone. */
export async function readInside<T>(
  transaction: AmbientTransaction,
  core: CacheCore,
  ns: NamespaceCore,
  id: string,
  lookUp: LookUp<T>,
  loader: Loader<T>,
  options: GetOrSetOptions<T> | undefined,
): Promise<T> {
  checkReadOptions(ns, options);
  const stored = await storedInside(transaction, ns, 1, lookUp, options);
  if (stored.has(id)) return stored.get(id) as T;
  const hardTimeoutMs = pick(options?.hardTimeout, ns.settings.hardTimeoutMs);
  const { value } = await runLoader(core, { ns, id, loader, stale: undefined, hardTimeoutMs });
  return (await (await unstored(core, ns, value)).take()) as T;
}

/** As readInside, with one call of the loader for all ids that the cache does not answer. */
export async function readManyInside<T>(
  transaction: AmbientTransaction,
  core: CacheCore,
  ns: NamespaceCore,
  ids: readonly string[],
  lookUp: LookUp<T>,
  loader: ManyLoader<T>,
  options: GetOrSetOptions<T> | undefined,
): Promise<Map<string, T>> {
  checkReadOptions(ns, options);
  const values = await storedInside(transaction, ns, ids.length, lookUp, options);
  const missing = [...new Set(ids)].filter((id) => !values.has(id));
  if (missing.length > 0) {
    const hardTimeoutMs = pick(options?.hardTimeout, ns.settings.hardTimeoutMs);
    const { value: loaded } = await runLoader(core, {
      ns,
      id: `(${missing.length} ids)`,
      loader: () => loader(missing),
      stale: undefined,
      hardTimeoutMs,
    });
    for (const id of missing) {
      const delivery = await unstored(core, ns, loaded.get(id));
      values.set(id, (await delivery.take()) as T);
    }
  }
  for (const [id, value] of values) if (value === undefined) values.delete(id);
  return values;
}

/** What the cache may still answer; empty once the transaction has written. */
export async function storedInside<T>(
  transaction: AmbientTransaction,
  ns: NamespaceCore,
  count: number,
  lookUp: LookUp<T>,
  options?: GetOrSetOptions<T>,
): Promise<Map<string, T>> {
  // What the transaction sees is no base for what is stored outside of it.
  if (trackedLoads !== 0) currentLoad()?.refuse('it was made of a value read inside a transaction');
  if (!transaction.bypasses && options?.fresh !== true) return transaction.outside(lookUp);
  ns.counters.misses += count;
  return new Map();
}

/**
 * Waits for the COMMIT. What a `set` would store may be uncommitted, or be replaced in the same transaction, or by
 * another one before this is sent: it ends the entry instead (docs/decisions/0012-inside-a-transaction.md).
 * @throws as the write itself would for wrong options
 */
export function deferInvalidation(
  transaction: AmbientTransaction,
  send: DeferredSender,
  selector: InvalidationSelector,
): InvalidationResult {
  transaction.afterCommit(send, selector);
  return { acknowledged: false, position: null };
}

/** @throws InvalidTtlError, InvalidTagError */
export function checkSetOptions(ns: NamespaceCore, options: SetOptions<never> | undefined): void {
  checkCallOptions(options);
  tagsOfRequest(ns, options?.tags);
}

function checkReadOptions(ns: NamespaceCore, options: GetOrSetOptions<never> | undefined): void {
  checkSetOptions(ns, options);
}
