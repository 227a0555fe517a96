import type { TagState } from '../coherence/tag-table.js';
import type { Delivery } from '../loading/delivery.js';
import type { EntryKey } from '../remote/remote-tier.js';
import type { L1Node } from './node.js';
import type { Shelf } from './shelf.js';

/**
 * The port of L1. Entries go by slots, small integers that are used again: a slot is good until the next await, and with
 * its generation for as long as `holds` says so. The store owns eviction (capacity) and removal of the expired, the engine
 * owns invalidation (correctness).
 */
export interface MemoryStore {
  /** Where the entries of a namespace are found by their ids. */
  shelf(namespace: string): Shelf;
  slotOf(key: EntryKey): number | undefined;
  /** Inserts or replaces; false when the entry alone is above the byte budget (nothing is stored then). */
  put(shelf: Shelf, key: EntryKey, entry: NewEntry): boolean;
  delete(key: EntryKey): boolean;
  /** Removes every entry whose key matches, and such as can never be served again. */
  deleteMatching(matches: (key: EntryKey) => boolean): void;
  clear(): void;
  /** Removes what is past `staleUntil`; bounded work; called by a timer. Returns how many left. */
  sweep(now: number): number;
  readonly size: number;
  readonly bytes: number;

  /** A read has found this slot. */
  used(slot: number): void;
  /** Nothing has to be thought about: the clocks run, no tag has moved, nothing is due, everybody gets the same value. */
  isPlain(slot: number): boolean;
  /** As isPlain, by a reading of the clock made just now. */
  isPlainAt(slot: number, now: number): boolean;
  /** No tag of the entry was touched since it was made. */
  isIntact(slot: number): boolean;
  /** Of plain entries. */
  value(slot: number): unknown;
  /** Of plain entries: settled, the same for many. */
  promise(slot: number): Promise<unknown>;
  generation(slot: number): number;
  holds(slot: number, generation: number): boolean;
  expiresAt(slot: number): number;
  /** When somebody has to think: expiry, refresh-ahead, sliding renewal. */
  attentionAt(slot: number): number;
  /** What most entries do not have. */
  special(slot: number): Special | undefined;
  /** To be called when the times of a special entry were changed. */
  retimed(slot: number): void;
  /** Gives an entry a new life. */
  retime(slot: number, life: Pick<Special, 'expiresAt' | 'staleUntil' | 'slideAt'>): void;
  /** For people and for cold paths: a view of the entry as it is now. */
  node(slot: number): L1Node;
  peek(key: EntryKey): L1Node | undefined;
  entries(): IterableIterator<[EntryKey, L1Node]>;
}

/** Times are monotonic milliseconds; Infinity: never, or for ever. */
export interface NewEntry {
  /** As its namespace knows it, where that is at hand: the very text that it is asked by is found fastest. */
  id: string | undefined;
  /** What everybody is handed; undefined for what has a `delivery` of its own. */
  value: unknown;
  /** Approximate bytes held, key included. */
  bytes: number;
  expiresAt: number;
  /** The namespace's own comes first. All of them are unchanged at this moment. */
  tags: readonly TagState[];
  special: Special | undefined;
}

/** What few entries have, kept beside the columns. */
export interface Special {
  /** Of values that are copied for each reader, and of cached errors; null: everybody is handed the value. */
  readonly delivery: Delivery | null;
  expiresAt: number;
  /** Until when it may be served as stale. */
  staleUntil: number;
  refreshAt: number;
  slideAt: number;
  readonly slidingMs: number;
  /** Wall clock ms, from the entry's header: tells a newer value from this one. */
  readonly created: number;
}

export interface MemoryStoreOptions {
  maxEntries: number;
  maxBytes: number;
  /** An entry left for capacity ('evict') or time ('expire'); not called for delete, clear and replacement. It may not use the store. */
  onRemoval?(namespace: string, reason: 'evict' | 'expire'): void;
}
