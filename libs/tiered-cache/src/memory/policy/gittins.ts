import { WIDTHS } from './ages.js';

/**
 * What a place in the cache earns when given to an entry: the largest ratio, over all times it could be kept, of
 * the chance of a hit to the requests for which the place is taken (Gittins, 1979; for caches: Beckmann and Sanchez,
 * "Maximizing cache performance under uncertainty", HPCA 2017, and the hit density of LHD, NSDI 2018). An entry
 * whose use is near has a high index although its chance right now is nil: this is what keeps the old part of a
 * loop, where recency and frequency are blind.
 */
export class Gittins {
  readonly #hits: Float64Array;
  readonly #cost: Float64Array;
  readonly #survival: Float64Array;

  constructor(private readonly buckets: number) {
    this.#hits = new Float64Array(buckets);
    this.#cost = new Float64Array(buckets);
    this.#survival = new Float64Array(buckets);
  }

  /**
   * Writes the index at the lowest age of each bucket to `out[offset + bucket]`, and 0 behind the last.
   * @param hazards for each bucket, the chance of a use within it, given none before
   */
  write(hazards: Float64Array, out: Float32Array, offset: number): void {
    const [allHits, allCost, allSurvival] = [this.#hits, this.#cost, this.#survival];
    // From the old to the young: a bucket joins the block behind it for as long as that raises its ratio. O(buckets).
    let blocks = 0;
    out[offset + this.buckets] = 0;
    for (let b = this.buckets - 1; b >= 0; b--) {
      let hits = hazards[b]!;
      let cost = WIDTHS[b]! * (1 - hits / 2);
      let survival = 1 - hits;
      while (blocks > 0 && allHits[blocks - 1]! * cost > hits * allCost[blocks - 1]!) {
        blocks--;
        hits += survival * allHits[blocks]!;
        cost += survival * allCost[blocks]!;
        survival *= allSurvival[blocks]!;
      }
      allHits[blocks] = hits;
      allCost[blocks] = cost;
      allSurvival[blocks] = survival;
      blocks++;
      out[offset + b] = hits / cost;
    }
  }
}
