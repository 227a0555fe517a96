import { type AmbientTransaction, ambient, type DeferredSender, openTransaction } from './ambient.js';
import { type CacheCore, l1Serves, type NamespaceCore, readsStrictly } from './cache-core.js';
import type { Invalidator } from './coherence/invalidator.js';
import { CacheClosedError, InvalidKeyError, InvalidOptionsError } from './errors.js';
import {
  checkSetOptions,
  deferInvalidation,
  readInside,
  readManyInside,
  storedInside,
} from './inside-transaction.js';
import { KeyMemo } from './keys/key-memo.js';
import type { BatchRead } from './loading/batch-read.js';
import type { EntryOps } from './loading/entry-ops.js';
import type { ReadRequest } from './loading/read-request.js';
import type { ReadThrough } from './loading/read-through.js';
import { hit, reserve, type Reserved, unreserved } from './loading/reserve.js';
import { slide } from './loading/retime.js';
import type { MemoryStore } from './memory/memory-store.js';
import type { RememberedRead } from './memory/node.js';
import { goesByHash } from './memory/shelf.js';
import type {
  GetOptions,
  GetOrSetOptions,
  InvalidationResult,
  InvalidationSelector,
  Loader,
  ManyLoader,
  SetOptions,
} from './options.js';
import type { Ttl } from './duration.js';
import type { EntryKey } from './remote/remote-tier.js';
import { askingLoad, dependOnNode } from './tracking/made-of-entries.js';
import { currentLoad, trackedLoads } from './tracking/tracked-context.js';

/** The read and write paths that all namespaces of a cache share. */
export interface CachePaths {
  reads: ReadThrough;
  batch: BatchRead;
  ops: EntryOps;
  invalidator: Invalidator;
  /** For invalidations that wait for a COMMIT. */
  deferred: DeferredSender;
}

const REFRESH_RETRY_MS = 1_000;
/** One hit in so many, a power of two, is counted the long way, which times it. */
const TIMED = 128;

/** A reservation has no loader: whoever made it loads. */
const UNUSED = (): never => {
  throw new Error('a reservation has no loader');
};

/**
 * One namespace: ids to values of type T. Ids are non-empty strings. Faults of the cache never reach the caller; wrong
 * use rejects with a StrataError; what a loader throws reaches every waiting caller unchanged.
 */
export class CacheNamespace<T = unknown> {
  readonly name: string;
  private readonly keys: KeyMemo;
  private readonly l1: MemoryStore;
  /** Slots of L1 by id, as it is after `normalizeId`. */
  private readonly index: ReadonlyMap<string, number>;
  /** Ids have one spelling. */
  private readonly isExact: boolean;

  /** Made by TieredCache.namespace(). */
  constructor(
    private readonly core: CacheCore,
    private readonly ns: NamespaceCore,
    private readonly paths: CachePaths,
  ) {
    this.name = ns.settings.name;
    this.l1 = core.l1;
    this.index = ns.shelf.index;
    this.isExact = ns.settings.normalizeId === null;
    this.keys = new KeyMemo(this.name, ns.settings.normalizeId, ns.settings.l2);
  }

  /** L1 only, synchronous: the value, or undefined. @throws InvalidKeyError */
  peek(id: string): T | undefined {
    const found = this.isExact ? this.index.get(id) : this.find(id);
    if (found !== undefined) {
      // So that the compiler need not ask at every use whether it is a small integer.
      const slot = found | 0;
      if (this.isPlain(slot)) {
        this.l1.used(slot);
        return this.l1.value(slot) as T;
      }
    }
    return this.peekClosely(id);
  }

  private peekClosely(id: string): T | undefined {
    const slot = this.find(id);
    if (ambient !== undefined && openTransaction()?.bypasses === true) return undefined;
    if (slot === undefined) return undefined;
    this.l1.used(slot);
    const now = this.core.clock.monotonic();
    if (now >= this.l1.expiresAt(slot) || !this.serves(slot, now)) return undefined;
    if (trackedLoads !== 0) this.dependOn(id, slot, false);
    const own = this.l1.special(slot)?.delivery ?? null;
    return (own === null ? this.l1.value(slot) : own.takeNow()) as T;
  }

  /** The stored value, or undefined. (`getMany` tells a stored undefined from none.) */
  get(id: string, options?: GetOptions): Promise<T | undefined> {
    const slot = this.isExact ? this.index.get(id) : this.known(id);
    if (slot !== undefined && options?.minPosition === undefined && this.answersAtOnce(slot))
      return this.l1.promise(slot) as Promise<T>;
    return this.getOne(id, options);
  }

  private async getOne(id: string, options: GetOptions | undefined): Promise<T | undefined> {
    return (await this.getMany([id], options)).get(id);
  }

  /** The stored ones among `ids`, by the ids as given. */
  async getMany(ids: readonly string[], options?: GetOptions): Promise<Map<string, T>> {
    this.assertOpen();
    listOfIds(ids);
    const transaction = ambient === undefined ? undefined : openTransaction();
    if (transaction === undefined) return this.stored(ids, options);
    return storedInside(transaction, this.ns, ids.length, () => this.stored(ids, options));
  }

  private async stored(ids: readonly string[], options: GetOptions | undefined): Promise<Map<string, T>> {
    const strict = readsStrictly(this.core, this.ns, options?.minPosition);
    const { values, missing, slow } = strict ? this.noneFromL1(ids) : this.fromL1(ids);
    if (slow !== null) await Promise.all(slow);
    if (missing.size === 0) return values;
    const { counters } = this.ns;
    const found = await this.paths.ops.lookUp(this.ns, [...new Set(missing.values())], strict);
    for (const [id, key] of missing) {
      const entry = found.get(key);
      if (entry === undefined) counters.misses++;
      else {
        counters.l2Hits++;
        // An await for each of a hundred small values would cost more than reading them.
        const value = entry.delivery.take();
        values.set(id, (entry.delivery.isSlow ? await value : value) as T);
      }
    }
    counters.l2Misses += this.ns.settings.l2 ? missing.size - found.size : 0;
    return values;
  }

  /**
   * The stored value, or what `loader` answers: one load per key across all nodes, however many ask. An L1 hit
   * answers the same settled promise to everybody.
   */
  getOrSet(id: string, loader: Loader<T>, options?: GetOrSetOptions<T>): Promise<T> {
    const slot = this.isExact ? this.index.get(id) : this.known(id);
    if (
      slot !== undefined &&
      (options === undefined || (options.fresh !== true && options.minPosition === undefined)) &&
      this.answersAtOnce(slot)
    )
      return this.l1.promise(slot) as Promise<T>;
    return this.getOrLoad(id, loader, options);
  }

  /**
   * As getOrSet, for callers that ask the same again and again, with options that neither ask for a fresh value nor for a
   * position: while `call` remembers the slot of an entry that lives there is no look-up at all.
   */
  getOrSetAgain(call: RememberedRead): Promise<unknown> {
    const { slot } = call;
    if (slot >= 0 && this.l1.holds(slot, call.generation) && this.answersAtOnce(slot))
      return this.l1.promise(slot);
    const answer = this.getOrSet(call.id, call.loader as Loader<T>, call.options);
    call.slot = this.known(call.id) ?? -1;
    if (call.slot >= 0) call.generation = this.l1.generation(call.slot);
    return answer;
  }

  private getOrLoad(id: string, loader: Loader<T>, options: GetOrSetOptions<T> | undefined): Promise<T> {
    try {
      if (ambient !== undefined) {
        const transaction = openTransaction();
        if (transaction !== undefined) return this.getOrSetInside(transaction, id, loader, options);
      }
      const now = this.core.clock.monotonic();
      const slot = this.find(id);
      if (slot !== undefined) {
        this.l1.used(slot);
        if (!this.skipsL1(options) && this.serves(slot, now)) {
          if (now < this.l1.attentionAt(slot)) return this.hit(id, slot, now);
          if (this.attend(id, slot, now, loader, options)) return this.hit(id, slot, now);
          if (this.serveWhileRevalidating(id, slot, now, loader, options)) return this.stale(id, slot, now);
        }
      }
      const key = this.keys.key(id);
      this.ns.counters.l1Misses += this.ns.settings.l1 ? 1 : 0;
      this.assertOpen();
      requireLoader(loader);
      return this.paths.reads.read(this.request(id, key, loader, options)) as Promise<T>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** As getOrSet for many ids, with one call of `loader` for all that are missing. Absent: unknown to the loader. */
  async getOrSetMany(
    ids: readonly string[],
    loader: ManyLoader<T>,
    options?: GetOrSetOptions<T>,
  ): Promise<Map<string, T>> {
    this.assertOpen();
    listOfIds(ids);
    requireLoader(loader);
    const transaction = ambient === undefined ? undefined : openTransaction();
    if (transaction !== undefined) {
      const lookUp = () => this.stored(ids, options);
      return readManyInside(transaction, this.core, this.ns, ids, lookUp, loader, options);
    }
    const { values, missing, slow } = this.skipsL1(options) ? this.noneFromL1(ids) : this.fromL1(ids);
    if (slow !== null) await Promise.all(slow);
    if (missing.size > 0) {
      // Two spellings of one id are one read; both get the answer.
      const asked = new Map([...missing].map(([id, key]) => [key, id]));
      const loaded = await this.paths.batch.read(
        this.ns,
        [...asked].map(([key, id]) => [id, key] as const),
        loader,
        options,
      );
      for (const [id, key] of missing) values.set(id, loaded.get(asked.get(key)!) as T);
    }
    // A cached undefined is an id that the loader does not know.
    for (const [id, value] of values) if (value === undefined) values.delete(id);
    return values;
  }

  /**
   * For callers that load by themselves: the stored value, or a place for what they load next, where it is stored
   * unless an invalidation comes in between. Waits for nobody's load; faults of the shared tier are misses.
   */
  async reserve(id: string, options?: Pick<SetOptions<T>, 'tags'>): Promise<Reserved<T>> {
    this.assertOpen();
    const key = this.keys.key(id);
    const transaction = ambient === undefined ? undefined : openTransaction();
    if (transaction !== undefined) {
      const stored = await storedInside(transaction, this.ns, 1, () => this.stored([id], undefined));
      return stored.has(id) ? hit(stored.get(id) as T) : unreserved();
    }
    // A tracked load has to see for itself what it is made of.
    if (trackedLoads !== 0 && currentLoad() !== null) return unreserved();
    const { values, slow } = this.strict(undefined) ? this.noneFromL1([]) : this.fromL1([id]);
    if (slow !== null) await Promise.all(slow);
    if (values.has(id)) return hit(values.get(id) as T);
    const request = this.request(id, key, UNUSED, options);
    return reserve(this.core, request) as Promise<Reserved<T>>;
  }

  /**
   * Stores a value: invalidates the key everywhere, then fills.
   * @throws UnserialisableValueError, EntryTooLargeError, InvalidTtlError, InvalidTagError; nothing is changed then
   */
  async set(id: string, value: T, options?: SetOptions<T>): Promise<InvalidationResult> {
    return this.setMany([[id, value]], options);
  }

  async setMany(
    entries: Iterable<readonly [string, T]>,
    options?: SetOptions<T>,
  ): Promise<InvalidationResult> {
    this.assertOpen();
    // The last of several values for one entry counts.
    const byKey = new Map<EntryKey, { id: string; key: EntryKey; value: T }>();
    for (const [id, value] of entries) {
      const key = this.keys.key(id);
      byKey.set(key, { id, key, value });
    }
    const transaction = ambient?.();
    if (transaction !== undefined) {
      checkSetOptions(this.ns, options);
      return deferInvalidation(
        transaction,
        this.paths.deferred,
        this.keysOf([...byKey.values()].map(({ id }) => id)),
      );
    }
    return this.paths.ops.set(this.ns, [...byKey.values()], options);
  }

  /** Is there a live entry, in any tier? */
  async has(id: string): Promise<boolean> {
    return (await this.ttl(id)) !== null;
  }

  /** Remaining life in milliseconds, Infinity for ever, null when there is no live entry. */
  async ttl(id: string): Promise<number | null> {
    this.assertOpen();
    if (ambient !== undefined && openTransaction()?.bypasses === true) return null;
    return this.paths.ops.remaining(this.ns, this.keys.key(id));
  }

  /** Gives a live entry a new life from now (default: the namespace's TTL). False when there is none. */
  async touch(id: string, ttl?: Ttl): Promise<boolean> {
    this.assertOpen();
    return this.paths.ops.touch(this.ns, this.keys.key(id), ttl);
  }

  /** Ends an entry's time now: grace and stale-while-revalidate still apply, unlike after `delete`. */
  async expire(id: string): Promise<boolean> {
    this.assertOpen();
    return this.paths.ops.expire(this.ns, this.keys.key(id));
  }

  /** Invalidates on every node and tier. */
  async delete(ids: string | readonly string[]): Promise<InvalidationResult> {
    this.assertOpen();
    const list = Array.isArray(ids) ? (ids as readonly string[]) : [ids as string];
    const keys = list.map((id) => this.keys.key(id));
    const transaction = ambient?.();
    if (transaction !== undefined)
      return deferInvalidation(transaction, this.paths.deferred, this.keysOf(list));
    this.ns.counters.invalidations += keys.length;
    const origin = this.keysOf(list);
    return this.paths.invalidator.send({ keys, tags: [], origin });
  }

  /** Invalidates the whole namespace, in constant time. */
  async clear(): Promise<InvalidationResult> {
    this.assertOpen();
    const transaction = ambient?.();
    if (transaction !== undefined)
      return deferInvalidation(transaction, this.paths.deferred, { namespaces: [this.name] });
    this.ns.counters.invalidations++;
    return this.paths.invalidator.send({
      keys: [],
      tags: [this.ns.tag],
      origin: { namespaces: [this.name] },
    });
  }

  /** The entry key of an id, for invalidations across namespaces. @throws InvalidKeyError */
  keyOf(id: string): EntryKey {
    return this.keys.key(id);
  }

  private keysOf(ids: readonly string[]): InvalidationSelector {
    return { keys: ids.map((id) => ({ namespace: this.name, id })) };
  }

  private async getOrSetInside(
    transaction: AmbientTransaction,
    id: string,
    loader: Loader<T>,
    options: GetOrSetOptions<T> | undefined,
  ): Promise<T> {
    this.assertOpen();
    this.keys.key(id);
    requireLoader(loader);
    const lookUp = () => this.stored([id], options);
    return readInside(transaction, this.core, this.ns, id, lookUp, loader, options);
  }

  /** The slot of an id; of a spelling that was not seen before, none. */
  private known(id: string): number | undefined {
    if (this.isExact) return this.index.get(id);
    const canonical = this.keys.known(id);
    return canonical === undefined ? undefined : this.index.get(canonical);
  }

  /** The slot of an id, however it is spelt and however long. @throws InvalidKeyError */
  private find(id: string): number | undefined {
    const slot = this.index.get(this.keys.canonical(id));
    if (slot !== undefined) return slot;
    const key = this.keys.key(id);
    return goesByHash(key, this.name) ? this.l1.slotOf(key) : undefined;
  }

  /**
   * May this entry be served with nothing else to do? Its time and the validity clock run, no tag moved, nothing is due,
   * and nobody has to be told: no tracked load, and no transaction, which may not see what the cache holds.
   */
  private isPlain(slot: number): boolean {
    return (
      (ambient === undefined || openTransaction() === undefined) &&
      trackedLoads === 0 &&
      this.l1.isPlain(slot)
    );
  }

  /** A plain hit, counted; false when it has to go the long way. */
  private answersAtOnce(slot: number): boolean {
    const { counters } = this.ns;
    if ((counters.l1Hits & (TIMED - 1)) === 0 || this.core.events.readsWatched || !this.isPlain(slot))
      return false;
    counters.l1Hits++;
    this.l1.used(slot);
    return true;
  }

  private serves(slot: number, now: number): boolean {
    const { core } = this;
    if (core.log !== null && now >= core.log.validUntil && !l1Serves(core, this.ns.settings, now))
      return false;
    return this.l1.isIntact(slot);
  }

  private answer(slot: number): Promise<T> {
    const own = this.l1.special(slot)?.delivery ?? null;
    const promise = own === null ? this.l1.promise(slot) : (own.promise ?? Promise.resolve(own.take()));
    return promise as Promise<T>;
  }

  private dependOn(id: string, slot: number, isStale: boolean): void {
    dependOnNode(this.core, this.keys.key(id), this.l1.node(slot), isStale);
  }

  private hit(id: string, slot: number, startedAt: number): Promise<T> {
    this.core.recorder.l1Hit(this.ns.counters, startedAt);
    if (trackedLoads !== 0) this.dependOn(id, slot, false);
    if (this.core.events.readsWatched) this.emitRead(id, 'l1-hit', startedAt);
    return this.answer(slot);
  }

  private stale(id: string, slot: number, startedAt: number): Promise<T> {
    this.ns.counters.staleServed++;
    if (trackedLoads !== 0) this.dependOn(id, slot, true);
    if (this.core.events.readsWatched) this.emitRead(id, 'stale', startedAt);
    return this.answer(slot);
  }

  private emitRead(id: string, outcome: 'l1-hit' | 'stale', startedAt: number): void {
    this.core.events.emit('read', {
      namespace: this.name,
      id,
      outcome,
      ms: this.core.clock.monotonic() - startedAt,
    });
  }

  /** A live entry that needs attention: starts what is due and answers true; false when it has expired. */
  private attend(
    id: string,
    slot: number,
    now: number,
    loader: Loader<T>,
    options: GetOrSetOptions<T> | undefined,
  ): boolean {
    const special = this.l1.special(slot);
    if (special === undefined || now >= special.expiresAt) return false;
    if (now >= special.slideAt) slide(this.core, this.ns, this.keys.key(id), slot);
    if (now >= special.refreshAt) {
      special.refreshAt = now + REFRESH_RETRY_MS;
      this.paths.reads.refresh(this.renewal(id, special.created, loader, options));
    }
    this.l1.retimed(slot);
    return true;
  }

  private serveWhileRevalidating(
    id: string,
    slot: number,
    now: number,
    loader: Loader<T>,
    options: GetOrSetOptions<T> | undefined,
  ): boolean {
    const special = this.l1.special(slot);
    // Without one there is nothing after its time.
    if (special === undefined) return false;
    const request = this.renewal(id, special.created, loader, options);
    if (!this.paths.reads.mayRevalidate(request, special, now)) return false;
    this.paths.reads.refresh(request);
    return true;
  }

  private renewal(
    id: string,
    newerThan: number,
    loader: Loader<T>,
    options: GetOrSetOptions<T> | undefined,
  ): ReadRequest {
    return { ...this.request(id, this.keys.key(id), loader, options), mode: 'refresh', newerThan };
  }

  private request(
    id: string,
    key: EntryKey,
    loader: Loader<T>,
    options: GetOrSetOptions<T> | undefined,
  ): ReadRequest {
    const mode = options?.fresh === true ? 'fresh' : 'read';
    return {
      ns: this.ns,
      key,
      id,
      loader: loader as Loader<unknown>,
      options: options as GetOrSetOptions<unknown> | undefined,
      mode,
      newerThan: -Infinity,
      strict: this.strict(options),
      outer: trackedLoads === 0 ? null : askingLoad(this.core, key),
    };
  }

  private skipsL1(options: GetOrSetOptions<T> | undefined): boolean {
    if (options === undefined) return false;
    return options.fresh === true || (options.minPosition !== undefined && this.strict(options));
  }

  private strict(options: GetOrSetOptions<T> | undefined): boolean {
    return readsStrictly(this.core, this.ns, options?.minPosition);
  }

  private noneFromL1(ids: readonly string[]): FromL1<T> {
    const missing = new Map(ids.map((id) => [id, this.keys.key(id)]));
    return { values: new Map(), missing, slow: null };
  }

  private fromL1(ids: readonly string[]): FromL1<T> {
    const found: FromL1<T> = { values: new Map(), missing: new Map(), slow: null };
    const now = this.core.clock.monotonic();
    const { core, l1 } = this;
    const { counters } = this.ns;
    const isPlain = trackedLoads === 0 && (core.log === null || now < core.log.validUntil);
    for (const id of ids) {
      const slot = this.isExact ? this.index.get(id) : this.find(id);
      if (slot !== undefined && isPlain && l1.isPlainAt(slot, now)) {
        core.recorder.l1Hit(counters, now);
        l1.used(slot);
        found.values.set(id, l1.value(slot) as T);
      } else if (!this.readClosely(id, now, found)) found.missing.set(id, this.keys.key(id));
    }
    counters.l1Misses += this.ns.settings.l1 ? found.missing.size : 0;
    return found;
  }

  /** What has to be looked at more closely. False: it is not there. */
  private readClosely(id: string, now: number, found: FromL1<T>): boolean {
    const { core, l1 } = this;
    const slot = this.find(id);
    if (slot === undefined) return false;
    l1.used(slot);
    if (now >= l1.expiresAt(slot) || !this.serves(slot, now)) return false;
    const special = l1.special(slot);
    const own = special?.delivery ?? null;
    if (own?.isError === true) return false;
    core.recorder.l1Hit(this.ns.counters, now);
    if (trackedLoads !== 0) this.dependOn(id, slot, false);
    const { values } = found;
    const value = own === null ? l1.value(slot) : own.take();
    values.set(id, value as T);
    // A copy of a big value, made in slices: the caller waits for it.
    if (own?.isSlow === true)
      (found.slow ??= []).push(Promise.resolve(value).then((copy) => values.set(id, copy as T)));
    if (special !== undefined && now >= special.slideAt) slide(core, this.ns, this.keys.key(id), slot);
    return true;
  }

  private assertOpen(): void {
    if (this.core.closed) throw new CacheClosedError();
  }
}

interface FromL1<T> {
  values: Map<string, T>;
  missing: Map<string, EntryKey>;
  /** Values that are complete when these are. */
  slow: Promise<unknown>[] | null;
}

/** Text would be taken for the list of its characters. */
function listOfIds(ids: readonly string[]): readonly string[] {
  if (!Array.isArray(ids)) throw new InvalidKeyError(ids, 'must be in a list');
  return ids;
}

function requireLoader(loader: unknown): void {
  if (typeof loader !== 'function') throw new InvalidOptionsError('loader', loader, 'a function');
}
