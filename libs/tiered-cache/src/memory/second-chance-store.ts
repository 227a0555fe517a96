import { InvalidOptionsError } from '../errors.js';
import { ExpiryWheel } from './expiry-wheel.js';
import type { MemoryStore, MemoryStoreOptions } from './memory-store.js';
import { detach, type L1Node } from './node.js';

/** At most so many keys are looked at in one sweep: about a millisecond. */
export const SWEEP_LIMIT = 2_000;
/** At most so many are spared for one that has to go: where everything is in use, looking for more is a stall. */
const MOST_SPARED = 64;

/**
 * L1 with two budgets, entries and bytes, which both hold at any moment: first in, first out, with a second chance for what
 * was used meanwhile (CLOCK; Corbato, "A Paging Experiment with the Multics System", 1968). A use is one store to the
 * node, order is links between nodes, nothing is allocated per hit.
 * @throws InvalidOptionsError unless both budgets are positive integers.
 */
export class SecondChanceStore implements MemoryStore<L1Node> {
  readonly #nodes = new Map<string, L1Node>();
  readonly #wheel = new ExpiryWheel();
  #oldest: L1Node | null = null;
  #newest: L1Node | null = null;
  bytes = 0;

  constructor(private readonly options: MemoryStoreOptions<L1Node>) {
    for (const name of ['maxEntries', 'maxBytes'] as const)
      if (!Number.isSafeInteger(options[name]) || options[name] < 1)
        throw new InvalidOptionsError(`l1.${name}`, options[name], 'a positive integer');
  }

  get(key: string): L1Node | undefined {
    const node = this.#nodes.get(key);
    if (node !== undefined) node.used = 1;
    return node;
  }

  touch(node: L1Node): void {
    node.used = 1;
  }

  peek(key: string): L1Node | undefined {
    return this.#nodes.get(key);
  }

  set(key: string, node: L1Node): boolean {
    const size = node.bytes >= 1 ? Math.ceil(node.bytes) : 1;
    const known = this.#nodes.get(key);
    if (known !== undefined) this.#remove(known);
    // What was there under this key is replaced all the same: the caller has a newer value.
    if (!(size <= this.options.maxBytes)) return false;
    const out: L1Node[] = [];
    while (this.#nodes.size >= this.options.maxEntries || this.bytes + size > this.options.maxBytes) {
      const victim = this.#victim();
      this.#remove(victim);
      out.push(victim);
    }
    node.key = key;
    node.size = size;
    node.used = 0;
    this.#nodes.set(key, node);
    this.#append(node);
    this.bytes += size;
    this.#wheel.schedule(key, node.staleUntil);
    // After the operation, as the listener may call us again.
    for (const victim of out) this.options.onRemoval?.(victim.key, victim, 'evict');
    return true;
  }

  #victim(): L1Node {
    let node = this.#oldest!;
    for (let spared = 0; node.used !== 0 && spared < MOST_SPARED; spared++) {
      node.used = 0;
      this.#unlink(node);
      this.#append(node);
      node = this.#oldest!;
    }
    return node;
  }

  #append(node: L1Node): void {
    node.older = this.#newest;
    node.newer = null;
    if (this.#newest === null) this.#oldest = node;
    else this.#newest.newer = node;
    this.#newest = node;
  }

  #unlink(node: L1Node): void {
    if (node.older === null) this.#oldest = node.newer;
    else node.older.newer = node.newer;
    if (node.newer === null) this.#newest = node.older;
    else node.newer.older = node.older;
    node.older = node.newer = null;
  }

  #remove(node: L1Node): void {
    this.#nodes.delete(node.key);
    this.#wheel.remove(node.key);
    this.#unlink(node);
    this.bytes -= node.size;
    detach(node);
  }

  delete(key: string): boolean {
    const node = this.#nodes.get(key);
    if (node === undefined) return false;
    this.#remove(node);
    return true;
  }

  clear(): void {
    for (const node of this.#nodes.values()) detach(node);
    this.#nodes.clear();
    this.#wheel.clear();
    this.#oldest = this.#newest = null;
    this.bytes = 0;
  }

  reschedule(key: string, node: L1Node): void {
    if (this.#nodes.get(key) === node) this.#wheel.schedule(key, node.staleUntil);
  }

  entries(): IterableIterator<[string, L1Node]> {
    return this.#nodes.entries();
  }

  sweep(now: number): number {
    let left = 0;
    for (const key of this.#wheel.due(now, SWEEP_LIMIT)) {
      const node = this.#nodes.get(key);
      if (node === undefined) continue; // deleted by a listener of this very sweep
      if (node.staleUntil > now) {
        this.#wheel.schedule(key, node.staleUntil);
        continue;
      }
      this.#remove(node);
      left++;
      this.options.onRemoval?.(key, node, 'expire');
    }
    return left;
  }

  get size(): number {
    return this.#nodes.size;
  }
}
