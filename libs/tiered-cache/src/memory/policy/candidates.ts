/** Slots looked at afresh for each eviction, the latest arrivals, and the lowest that are remembered. */
const SAMPLES = 16;
const NEWEST = 4;
const POOL = 8;

/** What the search needs to know of the residents. */
export interface Residents {
  readonly size: number;
  /** Any of them. */
  randomSlot(): number;
  /** All of them: the first `size`. */
  allSlots(): Int32Array;
  isResident(slot: number): boolean;
  /** The lower, the sooner it leaves. */
  rankOf(slot: number): number;
  /** Requests since the last use. */
  ageOf(slot: number): number;
}

/**
 * Finds a slot of (nearly) the lowest rank without keeping any order, so that ranks may change at will: a sample, as
 * Redis and LHD do, joined by the latest arrivals, and by the runners-up of earlier searches (the "eviction pool" of
 * Redis 3.0, 2014), which makes 28 look-ups nearly as good as looking at all.
 */
export class Candidates {
  /** Ascending by rank; a slot reused by now is simply judged again. */
  #pool = new Int32Array(POOL);
  #poolSize = 0;
  #next = new Int32Array(POOL);
  readonly #ranks = new Float64Array(POOL);
  readonly #newest = new Int32Array(NEWEST).fill(-1);
  #arrivals = 0;

  constructor(private readonly residents: Residents) {}

  arrived(slot: number): void {
    this.#newest[this.#arrivals] = slot;
    this.#arrivals = (this.#arrivals + 1) % NEWEST;
  }

  /** The slot that should leave, of at least one; never `keep`. */
  worst(keep = -1): number {
    const { residents } = this;
    const { size } = residents;
    const old = this.#pool;
    const oldSize = this.#poolSize;
    this.#pool = this.#next;
    this.#next = old;
    this.#poolSize = 0;
    if (size <= SAMPLES) {
      const all = residents.allSlots();
      for (let i = 0; i < size; i++) this.#consider(all[i]!, keep);
    } else {
      for (let i = 0; i < oldSize; i++) this.#consider(old[i]!, keep);
      for (let i = 0; i < NEWEST; i++) this.#consider(this.#newest[i]!, keep);
      for (let i = 0; i < SAMPLES; i++) this.#consider(residents.randomSlot(), keep);
    }
    // Should all of them have been `keep`.
    while (this.#poolSize === 0) this.#consider(residents.randomSlot(), keep);
    const worst = this.#pool[0]!;
    this.#poolSize--;
    this.#pool.copyWithin(0, 1);
    return worst;
  }

  clear(): void {
    this.#poolSize = 0;
    this.#newest.fill(-1);
  }

  #consider(slot: number, keep: number): void {
    const { residents } = this;
    if (slot < 0 || slot === keep || !residents.isResident(slot)) return;
    const [pool, ranks] = [this.#pool, this.#ranks];
    const rank = residents.rankOf(slot);
    let at = this.#poolSize;
    if (at === POOL && rank >= ranks[at - 1]!) return;
    for (let i = 0; i < at; i++) if (pool[i] === slot) return;
    if (at === POOL) at--;
    else this.#poolSize++;
    // Of two alike the one unused for longer leaves first.
    while (
      at > 0 &&
      (rank < ranks[at - 1]! ||
        (rank === ranks[at - 1]! && residents.ageOf(slot) > residents.ageOf(pool[at - 1]!)))
    ) {
      ranks[at] = ranks[at - 1]!;
      pool[at] = pool[at - 1]!;
      at--;
    }
    ranks[at] = rank;
    pool[at] = slot;
  }
}
