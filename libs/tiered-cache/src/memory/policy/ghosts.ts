/**
 * What is remembered of keys that left: class and time of the last use, five bytes each. Sets of eight; in a full set
 * the one unused for longest makes room. A tag of 16 bits tells keys apart: one stranger in 8,000 is mistaken for an
 * acquaintance, which costs nothing but a wrong guess.
 */
const WAYS = 8;
/** Time is kept in 16 bits of units; so many units make the capacity of the cache. */
const UNITS = 64;

export class Ghosts {
  readonly cells: number;
  readonly #sets: number;
  readonly #shift: number;
  readonly #unit: number;
  /** Tag (16 bits, 0 = empty) and time (16 bits). */
  readonly #tags: Uint32Array;
  readonly #classes: Uint8Array;
  /** What put() pushed out, and what take() found: class, and age in requests. -1: nothing. */
  keyClass = -1;
  age = 0;

  /** @param cells to remember so many keys, at least @param capacity of the cache, in entries */
  constructor(
    cells: number,
    readonly capacity: number,
  ) {
    this.#sets = Math.ceil(cells / WAYS);
    this.cells = this.#sets * WAYS;
    this.#shift = Math.max(0, 31 - Math.clz32(Math.floor(capacity / UNITS)));
    this.#unit = 2 ** this.#shift;
    this.#tags = new Uint32Array(this.cells);
    this.#classes = new Uint8Array(this.cells);
  }

  /** Forgets the key and tells what was known of it in `keyClass` and `age`; false: nothing. */
  take(hash: number, now: number): boolean {
    const tag = tagOf(hash);
    let cell = this.#setOf(hash);
    for (const end = cell + WAYS; cell < end; cell++) {
      if (this.#tags[cell]! >>> 16 !== tag) continue;
      this.look(cell, now);
      this.#tags[cell] = 0;
      return true;
    }
    return false;
  }

  /** Remembers a key. True: another had to go, told in `keyClass` and `age`. */
  put(hash: number, keyClass: number, lastUse: number, now: number): boolean {
    const tag = tagOf(hash);
    const first = this.#setOf(hash);
    let oldest = first;
    let oldestAge = -1;
    for (let cell = first; cell < first + WAYS; cell++) {
      const known = this.#tags[cell]!;
      if (known === 0 || known >>> 16 === tag) {
        oldest = cell;
        oldestAge = -1;
        break;
      }
      const age = this.#ageOf(known, now);
      if (age <= oldestAge) continue;
      oldest = cell;
      oldestAge = age;
    }
    if (oldestAge >= 0) this.look(oldest, now);
    this.#tags[oldest] = (tag << 16) | ((lastUse >>> this.#shift) & 0xffff);
    this.#classes[oldest] = keyClass;
    return oldestAge >= 0;
  }

  /** Tells what is in a cell in `keyClass` and `age`; false: nothing. */
  look(cell: number, now: number): boolean {
    const known = this.#tags[cell]!;
    if (known === 0) return false;
    this.keyClass = this.#classes[cell]!;
    this.age = this.#ageOf(known, now);
    return true;
  }

  clear(): void {
    this.#tags.fill(0);
  }

  #ageOf(known: number, now: number): number {
    const units = ((now >>> this.#shift) - known) & 0xffff;
    return units === 0 ? 1 : Math.min(units * this.#unit, 0x7fffffff);
  }

  #setOf(hash: number): number {
    return Math.floor((hash >>> 0) * 2.3283064365386963e-10 * this.#sets) * WAYS;
  }
}

/** Never 0; of other bits than the set. */
function tagOf(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> 16 || 1;
}
