/**
 * The port of an eviction policy. It knows entries by small integers (slots) and keys by their hashes; the store
 * keeps keys, values and the map from one to the other. Slots are dense: always below `maxEntries`, reused.
 */
export interface EvictionPolicy {
  /** The entry in this slot was read. Costs one write; nothing is thought about until the next admission. */
  onHit(slot: number): void;
  /** How often that was, in 30 bits. */
  readonly hits: number;
  /**
   * A key that was asked for and is not here arrives. Makes room first: the slots that had to leave stand in
   * `evicted` afterwards; let go of what the store holds in them BEFORE using the returned slot, which may be one
   * of them. Returns -1, and evicts nothing, for a weight above the whole budget.
   * @param hash 32 bits of the key, the same for each arrival of a key (hashKey)
   * @param weight bytes, a positive integer
   */
  admit(hash: number, weight: number): number;
  /**
   * The value in this slot was replaced by one of another weight; no use. May evict others, see `evicted`. Returns false
   * for a weight above the whole budget: the entry is still there, as heavy as before, and should be removed.
   */
  reweigh(slot: number, weight: number): boolean;
  /** The entry left for another reason than capacity: deleted, invalidated, expired. */
  onRemove(slot: number): void;
  clear(): void;
  /** What the last admit or reweigh evicted; the array is reused by the next. */
  readonly evicted: readonly number[];
  readonly size: number;
  /** Sum of the weights. */
  readonly weight: number;
}

export interface EvictionPolicyOptions {
  /** Entries at most, a positive integer. */
  maxEntries: number;
  /** Bytes at most, a positive integer, or Infinity. */
  maxWeight: number;
  /** Two policies with one seed and one history evict the same. */
  seed: number;
}
