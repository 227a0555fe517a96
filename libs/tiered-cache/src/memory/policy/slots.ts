import type { Random } from './random.js';

/** The arrays begin with room for so many entries and double when that is not enough. */
const FIRST = 1_024;
const NONE = -1;

/**
 * What the policy knows of each resident, in typed arrays by slot: 18 bytes. `uses` is 0 in a free slot; free slots
 * form a list through `lastUse`.
 *
 * A random resident is found by a list of slots from which those that became free are struck out when they are met,
 * so that a removal need not look for its place: each is struck out once, O(1) amortised.
 */
export class Slots {
  lastUse = new Int32Array(0);
  hash = new Int32Array(0);
  weights = new Uint32Array(0);
  keyClass = new Uint8Array(0);
  uses = new Uint8Array(0);
  size = 0;
  weight = 0;
  #list = new Int32Array(0);
  #listed = 0;
  #free = NONE;
  /** Slots ever used; those above are free too. */
  #used = 0;

  constructor(private readonly maxEntries: number) {
    this.#grow();
  }

  /** Entries for which there is room without growing. */
  get room(): number {
    return this.uses.length;
  }

  /** A slot for a new resident; there must be room. */
  take(hash: number, weight: number, keyClass: number, uses: number, now: number): number {
    let slot = this.#free;
    let isListed = false;
    if (slot === NONE) {
      slot = this.#used++;
      if (slot === this.uses.length) this.#grow();
    } else {
      this.#free = this.lastUse[slot]!;
      isListed = this.keyClass[slot] !== 0;
    }
    if (!isListed) this.#list[this.#listed++] = slot;
    this.hash[slot] = hash;
    this.weights[slot] = weight;
    this.keyClass[slot] = keyClass;
    this.uses[slot] = uses;
    this.lastUse[slot] = now;
    this.size++;
    this.weight += weight;
    return slot;
  }

  free(slot: number): void {
    this.weight -= this.weights[slot]!;
    this.size--;
    this.uses[slot] = 0;
    // While free: whether it still stands in the list.
    this.keyClass[slot] = 1;
    this.lastUse[slot] = this.#free;
    this.#free = slot;
  }

  reweigh(slot: number, weight: number): void {
    this.weight += weight - this.weights[slot]!;
    this.weights[slot] = weight;
  }

  /** Any resident; there must be one. */
  random(random: Random): number {
    for (;;) {
      const at = random.below(this.#listed);
      const slot = this.#list[at]!;
      if (this.uses[slot] !== 0) return slot;
      this.#strike(at);
    }
  }

  /** All residents: the first `size` of the returned array, until the next change. */
  all(): Int32Array {
    for (let at = this.#listed - 1; this.#listed > this.size; at--) {
      if (this.uses[this.#list[at]!] === 0) this.#strike(at);
    }
    return this.#list;
  }

  clear(): void {
    this.size = this.weight = this.#listed = this.#used = 0;
    this.#free = NONE;
    this.uses.fill(0);
  }

  #strike(at: number): void {
    this.keyClass[this.#list[at]!] = 0;
    this.#list[at] = this.#list[--this.#listed]!;
  }

  #grow(): void {
    const room = Math.min(this.maxEntries, Math.max(FIRST, this.uses.length * 2));
    this.lastUse = copyOf(this.lastUse, new Int32Array(room));
    this.hash = copyOf(this.hash, new Int32Array(room));
    this.weights = copyOf(this.weights, new Uint32Array(room));
    this.keyClass = copyOf(this.keyClass, new Uint8Array(room));
    this.uses = copyOf(this.uses, new Uint8Array(room));
    this.#list = copyOf(this.#list, new Int32Array(room));
  }
}

function copyOf<A extends Int32Array | Uint32Array | Uint8Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
