import { randomBytes } from 'node:crypto';
import type { TagState } from '../coherence/tag-table.js';
import { InvalidOptionsError } from '../errors.js';
import type { EntryKey } from '../remote/remote-tier.js';
import { Columns } from './columns.js';
import { ExpiryWheel } from './expiry-wheel.js';
import type { MemoryStore, MemoryStoreOptions, NewEntry, Special } from './memory-store.js';
import { L1Node } from './node.js';
import type { EvictionPolicy } from './policy/eviction-policy.js';
import { GittinsPolicy } from './policy/gittins-policy.js';
import { KeyHash } from './policy/key-hash.js';
import { SettledPromises } from './settled-promises.js';
import { goesByHash, idIn, ownText, Shelf } from './shelf.js';

/** At most so many slots are looked at in one sweep: about a millisecond. */
export const SWEEP_LIMIT = 5_000;
/** Shelves are numbered in 16 bits. */
const MOST_SHELVES = 2 ** 16;
/** Evictions are the same in every process with the same requests, up to the hashes of keys, which are secret. */
const POLICY_SEED = 1;

/** What L1 asks at every hit. */
export interface Gate {
  /** Moves with every touch of a tag. */
  readonly epoch: number;
  /** Is it earlier than `at` (monotonic ms)? False while nothing may be served. `hits`: how many there were so far. */
  isBefore(at: number, hits: number): boolean;
}

/**
 * L1: two budgets, entries and bytes, which both hold at any moment.
 *
 * An entry has no object of its own: it is a row of columns (columns.ts), whose number, the slot, the eviction policy hands
 * out. One Map per namespace leads from the id to it (shelf.ts); a key is made from the id when somebody needs one. The
 * columns hold what every hit compares: `attention`, and `stamp`. A tag's version is the epoch of the tag table at which
 * it last moved, so the vector of an entry is one number: it is intact while no tag of it has a version above the stamp.
 * What few entries have (tags of their own, stale times, refresh-ahead, sliding, copies for each reader, cached errors)
 * stands in two side tables. Expiry goes by a timing wheel, eviction by GittinsPolicy, to whom a hit is one write.
 *
 * What is read at every hit is in fields that are written once: V8 takes those for constants, but not `#private` ones, nor
 * arrays that were replaced by longer ones (above FIRST entries, columns.ts).
 *
 * Measured on Node 20 for small values: docs/performance.md and docs/decisions/0017.
 */
export class SlotStore implements MemoryStore {
  private readonly columns: Columns;
  private readonly policy: EvictionPolicy;
  private readonly wheel = new ExpiryWheel();
  private readonly promises: SettledPromises;
  /** By number. */
  private readonly shelves: Shelf[] = [];
  private readonly byName = new Map<string, Shelf>();
  /** For ids that go by their hash. */
  private readonly hashed = new Map<string, Shelf>();
  /** All tags of the entries that carry more than the namespace's own. */
  private readonly tags = new Map<number, readonly TagState[]>();
  private readonly specials = new Map<number, Special>();
  private readonly hash: KeyHash;

  /** @throws InvalidOptionsError unless both budgets are positive integers */
  constructor(
    private readonly options: MemoryStoreOptions,
    private readonly gate: Gate,
  ) {
    const { maxEntries, maxBytes } = options;
    for (const name of ['maxEntries', 'maxBytes'] as const)
      if (!Number.isSafeInteger(options[name]) || options[name] < 1)
        throw new InvalidOptionsError(`l1.${name}`, options[name], 'a positive integer');
    this.columns = new Columns(maxEntries);
    this.wheel.grow(this.columns.room);
    this.policy = new GittinsPolicy({ maxEntries, maxWeight: maxBytes, seed: POLICY_SEED });
    this.promises = new SettledPromises(maxEntries);
    const secret = randomBytes(8);
    this.hash = new KeyHash([secret.readInt32LE(0), secret.readInt32LE(4)]);
  }

  get size(): number {
    return this.policy.size;
  }

  get bytes(): number {
    return this.policy.weight;
  }

  shelf(namespace: string): Shelf {
    return this.byName.get(namespace) ?? this.newShelf(namespace, false);
  }

  slotOf(key: EntryKey): number | undefined {
    const namespace = key.slice(0, Math.max(0, key.indexOf(':')));
    const shelf = (goesByHash(key, namespace) ? this.hashed : this.byName).get(namespace);
    if (shelf === undefined) return undefined;
    const id = idIn(key, namespace);
    return id === null ? undefined : shelf.index.get(id);
  }

  put(plain: Shelf, key: EntryKey, entry: NewEntry): boolean {
    const { namespace } = plain;
    const shelf = goesByHash(key, namespace)
      ? (this.hashed.get(namespace) ?? this.newShelf(namespace, true))
      : plain;
    const id = shelf !== plain || entry.id === undefined ? idIn(key, namespace)! : entry.id;
    const weight = entry.bytes >= 1 ? Math.ceil(entry.bytes) : 1;
    const known = shelf.index.get(id);
    const slot = known === undefined ? this.admit(shelf, id, weight) : this.replace(known, weight);
    if (slot === -1) return false;
    this.write(slot, shelf, entry);
    return true;
  }

  private admit(shelf: Shelf, id: string, weight: number): number {
    const slot = this.policy.admit(this.hash.of(id) ^ shelf.seed, weight);
    if (slot === -1) return -1;
    this.letGo();
    const columns = this.columns;
    if (columns.extend(slot)) this.wheel.grow(columns.room);
    const own = ownText(id);
    columns.ids[slot] = own;
    columns.shelves[slot] = shelf.number;
    shelf.index.set(own, slot);
    return slot;
  }

  /** The same row for the new value; where that is too heavy, none: the caller has a newer value all the same. */
  private replace(slot: number, weight: number): number {
    if (!this.policy.reweigh(slot, weight)) {
      this.remove(slot);
      return -1;
    }
    this.letGo();
    this.tags.delete(slot);
    this.specials.delete(slot);
    this.promises.forget(slot);
    this.columns.generations[slot]!++;
    return slot;
  }

  /** Everything but id and shelf. */
  private write(slot: number, shelf: Shelf, { value, expiresAt, tags, special }: NewEntry): void {
    const columns = this.columns;
    columns.values[slot] = value;
    columns.stamps[slot] = this.gate.epoch;
    // The state of a tag is made anew when it was forgotten: with a version above every stamp before.
    if (tags.length === 1) shelf.own = tags[0]!;
    else this.tags.set(slot, tags.slice());
    if (special === undefined) columns.attention[slot] = expiresAt;
    else {
      this.specials.set(slot, special);
      columns.attention[slot] = attentionOf(special);
    }
    this.wheel.file(slot, special === undefined ? expiresAt : special.staleUntil);
  }

  /** What the policy has put out. */
  private letGo(): void {
    const { evicted } = this.policy;
    for (let i = 0; i < evicted.length; i++) {
      const slot = evicted[i]!;
      const { namespace } = this.shelfOf(slot);
      this.forget(slot);
      this.options.onRemoval?.(namespace, 'evict');
    }
  }

  private remove(slot: number): void {
    this.policy.onRemove(slot);
    this.forget(slot);
  }

  /** Nothing in here leads to the entry any longer, or keeps its value alive. */
  private forget(slot: number): void {
    const columns = this.columns;
    this.shelfOf(slot).index.delete(columns.ids[slot]!);
    this.wheel.remove(slot);
    this.promises.forget(slot);
    if (this.tags.size > 0) this.tags.delete(slot);
    if (this.specials.size > 0) this.specials.delete(slot);
    columns.free(slot);
  }

  delete(key: EntryKey): boolean {
    const slot = this.slotOf(key);
    if (slot === undefined) return false;
    this.remove(slot);
    return true;
  }

  deleteMatching(matches: (key: EntryKey) => boolean): void {
    for (const shelf of this.shelves)
      for (const [id, slot] of shelf.index)
        if (!this.isIntact(slot) || matches(shelf.keyOf(id))) this.remove(slot);
  }

  clear(): void {
    this.policy.clear();
    this.columns.clear();
    this.wheel.clear();
    this.promises.clear();
    this.tags.clear();
    this.specials.clear();
    for (const shelf of this.shelves) shelf.index.clear();
  }

  sweep(now: number): number {
    let left = 0;
    for (let looked = 0; looked < SWEEP_LIMIT; looked++) {
      const slot = this.wheel.take(now);
      if (slot === -1) break;
      const until = this.staleUntil(slot);
      if (until > now) {
        this.wheel.file(slot, until);
        continue;
      }
      const { namespace } = this.shelfOf(slot);
      this.remove(slot);
      left++;
      this.options.onRemoval?.(namespace, 'expire');
    }
    return left;
  }

  used(slot: number): void {
    this.policy.onHit(slot);
  }

  isPlain(slot: number): boolean {
    const { gate } = this;
    const columns = this.columns;
    return columns.stamps[slot] === gate.epoch && gate.isBefore(columns.attention[slot]!, this.policy.hits);
  }

  isPlainAt(slot: number, now: number): boolean {
    const columns = this.columns;
    return columns.stamps[slot] === this.gate.epoch && now < columns.attention[slot]!;
  }

  isIntact(slot: number): boolean {
    const { stamps } = this.columns;
    const stamp = stamps[slot]!;
    const { epoch } = this.gate;
    if (stamp === epoch) return true;
    const tags = this.tags.size === 0 ? undefined : this.tags.get(slot);
    if (tags === undefined) {
      if (this.shelfOf(slot).own!.version > stamp) return false;
    } else for (const { version } of tags) if (version > stamp) return false;
    stamps[slot] = epoch;
    return true;
  }

  value(slot: number): unknown {
    return this.columns.values[slot];
  }

  promise(slot: number): Promise<unknown> {
    return this.promises.of(slot, this.columns.values[slot]);
  }

  generation(slot: number): number {
    return this.columns.generations[slot]!;
  }

  holds(slot: number, generation: number): boolean {
    return this.columns.generations[slot] === generation;
  }

  expiresAt(slot: number): number {
    return this.special(slot)?.expiresAt ?? this.columns.attention[slot]!;
  }

  attentionAt(slot: number): number {
    const special = this.special(slot);
    if (special === undefined) return this.columns.attention[slot]!;
    return Math.min(special.expiresAt, special.refreshAt, special.slideAt);
  }

  special(slot: number): Special | undefined {
    return this.specials.size === 0 ? undefined : this.specials.get(slot);
  }

  retimed(slot: number): void {
    const special = this.special(slot);
    if (special !== undefined) this.columns.attention[slot] = attentionOf(special);
  }

  retime(slot: number, life: Pick<Special, 'expiresAt' | 'staleUntil' | 'slideAt'>): void {
    const special = this.special(slot);
    if (special === undefined) this.columns.attention[slot] = life.expiresAt;
    else {
      Object.assign(special, life, { refreshAt: Infinity });
      this.columns.attention[slot] = attentionOf(special);
    }
    this.wheel.file(slot, life.staleUntil);
  }

  node(slot: number): L1Node {
    const { values, stamps, generations } = this.columns;
    const special = this.special(slot);
    const expiresAt = this.expiresAt(slot);
    return new L1Node(
      slot,
      generations[slot]!,
      values[slot],
      special?.delivery ?? null,
      expiresAt,
      special?.staleUntil ?? expiresAt,
      special?.slidingMs ?? 0,
      this.tags.get(slot) ?? [this.shelfOf(slot).own!],
      stamps[slot]!,
    );
  }

  peek(key: EntryKey): L1Node | undefined {
    const slot = this.slotOf(key);
    return slot === undefined ? undefined : this.node(slot);
  }

  *entries(): IterableIterator<[EntryKey, L1Node]> {
    for (const shelf of this.shelves)
      for (const [id, slot] of shelf.index) yield [shelf.keyOf(id), this.node(slot)];
  }

  private staleUntil(slot: number): number {
    return this.special(slot)?.staleUntil ?? this.columns.attention[slot]!;
  }

  private shelfOf(slot: number): Shelf {
    return this.shelves[this.columns.shelves[slot]!]!;
  }

  private newShelf(namespace: string, isHashed: boolean): Shelf {
    const number = this.shelves.length;
    if (number === MOST_SHELVES)
      throw new InvalidOptionsError('namespaces', number, `fewer than ${MOST_SHELVES}`);
    const shelf = new Shelf(namespace, number, this.hash.of(namespace), isHashed);
    this.shelves.push(shelf);
    (isHashed ? this.hashed : this.byName).set(namespace, shelf);
    return shelf;
  }
}

function attentionOf({ delivery, expiresAt, refreshAt, slideAt }: Special): number {
  return delivery === null ? Math.min(expiresAt, refreshAt, slideAt) : -Infinity;
}
