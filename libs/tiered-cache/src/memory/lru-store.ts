import { LRUCache } from 'lru-cache';
import { InvalidOptionsError } from '../errors.js';
import { ExpiryWheel } from './expiry-wheel.js';
import type { MemoryNode, MemoryStore, MemoryStoreOptions } from './memory-store.js';

/** At most so many keys are looked at in one sweep: about a millisecond. */
export const SWEEP_LIMIT = 2_000;

/**
 * L1 as a least-recently-used map with two budgets, entries and bytes, which both hold at any moment.
 * @throws InvalidOptionsError unless both budgets are positive integers.
 */
export function createLruStore<N extends MemoryNode>(options: MemoryStoreOptions<N>): MemoryStore<N> {
  return new LruStore(options);
}

class LruStore<N extends MemoryNode> implements MemoryStore<N> {
  readonly #nodes: LRUCache<string, N>;
  readonly #wheel = new ExpiryWheel();

  constructor(private readonly options: MemoryStoreOptions<N>) {
    const { maxEntries, maxBytes } = options;
    requirePositive('l1.maxEntries', maxEntries);
    requirePositive('l1.maxBytes', maxBytes);
    this.#nodes = new LRUCache<string, N>({
      max: maxEntries,
      maxSize: maxBytes,
      // During the operation: keep the wheel in step. After it: the listener, who may call us again.
      dispose: (_node, key, reason) => {
        if (reason === 'evict') this.#wheel.remove(key);
      },
      disposeAfter: (node, key, reason) => {
        if (reason === 'evict') options.onRemoval?.(key, node, 'evict');
      },
    });
  }

  get(key: string): N | undefined {
    return this.#nodes.get(key);
  }

  peek(key: string): N | undefined {
    return this.#nodes.peek(key);
  }

  set(key: string, node: N): boolean {
    // lru-cache wants a positive integer, and takes a replaced node's size anew only when it is another object.
    const size = node.bytes >= 1 ? Math.ceil(node.bytes) : 1;
    if (this.#nodes.peek(key) === node) this.#nodes.delete(key);
    if (!(size <= this.options.maxBytes)) {
      // What was there under this key is replaced all the same: the caller has a newer value.
      this.delete(key);
      return false;
    }
    this.#nodes.set(key, node, { size });
    this.#wheel.schedule(key, node.staleUntil);
    return true;
  }

  delete(key: string): boolean {
    this.#wheel.remove(key);
    return this.#nodes.delete(key);
  }

  clear(): void {
    this.#wheel.clear();
    this.#nodes.clear();
  }

  reschedule(key: string, node: N): void {
    if (this.#nodes.peek(key) === node) this.#wheel.schedule(key, node.staleUntil);
  }

  entries(): IterableIterator<[string, N]> {
    return this.#nodes.entries() as IterableIterator<[string, N]>;
  }

  sweep(now: number): number {
    let left = 0;
    for (const key of this.#wheel.due(now, SWEEP_LIMIT)) {
      const node = this.#nodes.peek(key);
      if (node === undefined) continue; // deleted by a listener of this very sweep
      if (node.staleUntil > now) {
        this.#wheel.schedule(key, node.staleUntil);
        continue;
      }
      this.#nodes.delete(key);
      left++;
      this.options.onRemoval?.(key, node, 'expire');
    }
    return left;
  }

  get size(): number {
    return this.#nodes.size;
  }

  get bytes(): number {
    return this.#nodes.calculatedSize;
  }
}

function requirePositive(option: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidOptionsError(option, value, 'a positive integer');
}
