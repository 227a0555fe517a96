/**
 * The port of L1. Nodes are made by the engine and kept by reference; the store owns eviction (capacity)
 * and removal of the expired, the engine owns invalidation (correctness).
 */
export interface MemoryStore<N extends MemoryNode> {
  get(key: string): N | undefined;
  /** Like get, but does not count as a use. */
  peek(key: string): N | undefined;
  /** A read has found the node without asking the store. */
  touch(node: N): void;
  /** Inserts or replaces; returns false when the node alone is above the byte budget (nothing is stored then). */
  set(key: string, node: N): boolean;
  delete(key: string): boolean;
  clear(): void;
  /** Tell the store that node.staleUntil moved. */
  reschedule(key: string, node: N): void;
  entries(): IterableIterator<[string, N]>;
  /** Removes what is past `staleUntil`; bounded work; called by a timer. Returns how many left. */
  sweep(now: number): number;
  readonly size: number;
  readonly bytes: number;
}

export interface MemoryNode {
  /** Approximate bytes held, key included. */
  bytes: number;
  /** Monotonic ms after which the node may not be served even as stale; Infinity = never. */
  staleUntil: number;
}

export interface MemoryStoreOptions<N extends MemoryNode> {
  maxEntries: number;
  maxBytes: number;
  /** A node left for capacity ('evict') or time ('expire'); not called for delete, clear and replacement. */
  onRemoval?(key: string, node: N, reason: 'evict' | 'expire'): void;
}
