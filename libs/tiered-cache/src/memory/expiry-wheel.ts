/** Seconds of one turn, a power of two. What ends later than that is met once a turn, and filed again. */
const BUCKETS = 4_096;
/** The bucket of what has been taken out of the others, to be looked at. */
const DUE = BUCKETS;
const NONE = -1;

/**
 * Finds what has expired without reading everything: slots filed by the second in which their time ends, as a hashed
 * timing wheel with unsorted lists (scheme 6 of Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987).
 * The lists are links in typed arrays, 8 bytes per slot. Filing and removing are O(1), and so is a look at a slot, which
 * happens when its time is over and once every 68 minutes before that.
 */
export class ExpiryWheel {
  #next = new Int32Array(0);
  /** The slot before, or -2 - bucket in the first of a list; NONE: not filed. */
  #before = new Int32Array(0);
  readonly #heads = new Int32Array(BUCKETS + 1).fill(NONE);
  /** Every second up to here has been taken out. */
  #done = -Infinity;

  grow(room: number): void {
    const known = this.#next.length;
    const [next, before] = [new Int32Array(room), new Int32Array(room)];
    next.set(this.#next);
    before.set(this.#before);
    before.fill(NONE, known);
    this.#next = next;
    this.#before = before;
  }

  /** Files a slot to be looked at within a second after `time` (monotonic ms), or no more, for Infinity. */
  file(slot: number, time: number): void {
    this.remove(slot);
    if (time === Infinity) return;
    const second = Math.max(Math.floor(time / 1000) + 1, this.#done + 1);
    this.#link(slot, second & (BUCKETS - 1));
  }

  remove(slot: number): void {
    const before = this.#before[slot]!;
    if (before === NONE) return;
    const next = this.#next[slot]!;
    if (before < NONE) this.#heads[-2 - before] = next;
    else this.#next[before] = next;
    if (next !== NONE) this.#before[next] = before;
    this.#before[slot] = NONE;
  }

  clear(): void {
    this.#heads.fill(NONE);
    this.#before.fill(NONE);
  }

  /**
   * Takes out a slot whose second is over at `now`; -1 when there is none. The caller looks: it is over, or has a later time
   * and is filed again.
   */
  take(now: number): number {
    const last = Math.floor(now / 1000);
    for (;;) {
      const slot = this.#heads[DUE]!;
      if (slot !== NONE) {
        this.remove(slot);
        return slot;
      }
      if (this.#done >= last) return NONE;
      // After a long pause (or at first) each bucket is emptied once.
      if (last - this.#done > BUCKETS) this.#done = last - BUCKETS;
      this.#done++;
      this.#empty(this.#done & (BUCKETS - 1));
    }
  }

  /** Moves a whole list to the bucket of what is due, which is empty. */
  #empty(bucket: number): void {
    const first = this.#heads[bucket]!;
    if (first === NONE) return;
    this.#heads[bucket] = NONE;
    this.#heads[DUE] = first;
    this.#before[first] = -2 - DUE;
  }

  #link(slot: number, bucket: number): void {
    const next = this.#heads[bucket]!;
    this.#heads[bucket] = slot;
    this.#next[slot] = next;
    this.#before[slot] = -2 - bucket;
    if (next !== NONE) this.#before[next] = slot;
  }
}
