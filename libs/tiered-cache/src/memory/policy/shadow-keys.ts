import { RANKINGS } from './ranking.js';

/**
 * The keys that the shadow caches hold between them: what is known of each once, and a bit for each cache that has
 * it. A key that no cache holds any more is gone. Hashed by chains, as keys come and go all the time.
 */
export class ShadowKeys {
  readonly lastUse: Int32Array;
  readonly keyClass: Uint8Array;
  readonly uses: Uint8Array;
  /** Bit r: the cache of ranking r holds the key. */
  readonly holders: Uint8Array;
  readonly #hash: Int32Array;
  readonly #next: Int16Array;
  readonly #heads: Int16Array;
  #free = 0;

  /** @param perCache entries of one cache, below 10,000 */
  constructor(perCache: number) {
    // One more: a key is entered before others make room for it.
    const keys = RANKINGS * perCache + 1;
    this.lastUse = new Int32Array(keys);
    this.keyClass = new Uint8Array(keys);
    this.uses = new Uint8Array(keys);
    this.holders = new Uint8Array(keys);
    this.#hash = new Int32Array(keys);
    this.#next = new Int16Array(keys);
    this.#heads = new Int16Array(2 ** (32 - Math.clz32(keys)));
    this.clear();
  }

  /** The key with this hash, entered if it is new. */
  enter(hash: number): number {
    const bucket = this.#bucketOf(hash);
    for (let key = this.#heads[bucket]!; key >= 0; key = this.#next[key]!) {
      if (this.#hash[key] === hash) return key;
    }
    const key = this.#free;
    this.#free = this.#next[key]!;
    this.#hash[key] = hash;
    this.holders[key] = 0;
    this.#next[key] = this.#heads[bucket]!;
    this.#heads[bucket] = key;
    return key;
  }

  /** The cache of this ranking lets go of the key. */
  release(key: number, ranking: number): void {
    const holders = this.holders[key]! & ~(1 << ranking);
    this.holders[key] = holders;
    if (holders !== 0) return;
    const bucket = this.#bucketOf(this.#hash[key]!);
    if (this.#heads[bucket] === key) this.#heads[bucket] = this.#next[key]!;
    else {
      let before = this.#heads[bucket]!;
      while (this.#next[before] !== key) before = this.#next[before]!;
      this.#next[before] = this.#next[key]!;
    }
    this.#next[key] = this.#free;
    this.#free = key;
  }

  clear(): void {
    this.#heads.fill(-1);
    for (let key = 0; key < this.#next.length; key++) this.#next[key] = key + 1;
    this.#free = 0;
  }

  #bucketOf(hash: number): number {
    return hash & (this.#heads.length - 1);
  }
}
