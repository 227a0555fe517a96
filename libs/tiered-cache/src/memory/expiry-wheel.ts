/**
 * Finds what has expired without reading everything: keys filed by the second in which their time ends (a hashed
 * timing wheel of one level, Varghese and Lauck, SOSP 1987). Filing and removing are O(1); a time that moves
 * later is not re-filed until its old second comes up, so that sliding entries cost nothing per read.
 */
export class ExpiryWheel {
  readonly #buckets = new Map<number, Set<string>>();
  /** In which second a key is filed: exactly one, so nothing dead stays behind. */
  readonly #filed = new Map<string, number>();
  /** Every second up to here has been emptied. */
  #done = -Infinity;

  get size(): number {
    return this.#filed.size;
  }

  /** Files `key` to be looked at once `time` (monotonic ms) has passed; Infinity is not filed. */
  schedule(key: string, time: number): void {
    const known = this.#filed.get(key);
    if (time === Infinity) {
      // A stale record would only be looked at once and dropped, but it would count as filed.
      if (known !== undefined) this.remove(key);
      return;
    }
    const second = Math.max(Math.floor(time / 1000) + 1, this.#done + 1);
    if (known !== undefined) {
      if (known <= second) return; // early enough; re-filed when its turn comes
      this.remove(key);
    }
    const bucket = this.#buckets.get(second);
    if (bucket) bucket.add(key);
    else this.#buckets.set(second, new Set([key]));
    this.#filed.set(key, second);
  }

  remove(key: string): void {
    const second = this.#filed.get(key);
    if (second === undefined) return;
    this.#filed.delete(key);
    const bucket = this.#buckets.get(second) as Set<string>;
    bucket.delete(key);
    if (bucket.size === 0) this.#buckets.delete(second);
  }

  clear(): void {
    this.#buckets.clear();
    this.#filed.clear();
  }

  /**
   * Hands out and unfiles at most `limit` keys whose second is over at `now`; the rest comes with the next call.
   * The caller looks at each: it is gone, expired, or has a later time and is scheduled again.
   */
  due(now: number, limit: number): string[] {
    const last = Math.floor(now / 1000);
    const keys: string[] = [];
    for (const second of this.#dueSeconds(last)) {
      const bucket = this.#buckets.get(second);
      if (bucket) {
        for (const key of bucket) {
          if (keys.length === limit) return keys;
          bucket.delete(key);
          this.#filed.delete(key);
          keys.push(key);
        }
        this.#buckets.delete(second);
      }
    }
    if (last > this.#done) this.#done = last;
    return keys;
  }

  #dueSeconds(last: number): Iterable<number> {
    // After a long pause (or at first) there are more seconds than buckets.
    if (last - this.#done > this.#buckets.size) {
      return [...this.#buckets.keys()].filter((second) => second <= last);
    }
    const seconds: number[] = [];
    for (let second = this.#done + 1; second <= last; second++) seconds.push(second);
    return seconds;
  }
}
