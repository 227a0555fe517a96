import { bucketOf, INVERSE_WIDTHS, LOWEST } from './ages.js';
import { Gittins } from './gittins.js';
import { NEW_CLASSES, USE_LEVELS, type KeyClasses } from './key-classes.js';

/** Pseudo-observations that pull a thin estimate to the broader one behind it. */
const PRIOR_OF_ALL = 2;
const PRIOR_OF_MARGIN = 8;
const PRIOR_OF_CLASS = 30;
/** Before anything is known, an octave of age brings the next use with a half: 1 - 2 ** (-1 / 4) per bucket. */
const PRIOR_HAZARD = 1 - 2 ** -0.25;
const MAX_HAZARD = 0.999;

/**
 * Learns, for each class of keys, after how many requests they are used again, and turns it into what a place in
 * the cache is worth at each age (gittins.ts).
 *
 * Uses come from the ghosts too, so that the times are not cut off at eviction. Keys whose use has not come yet count
 * as long as they were watched (Kaplan and Meier, 1958): those forgotten (`forget`) and those still waiting (`wait`).
 * The hazard of a class is shrunk to the geometric mean of its two margins (same octave; same level of use), those
 * to the hazard of all keys: a few hundred requests suffice to tell a loop, and classes part as evidence comes.
 */
export class ReuseModel {
  readonly buckets: number;
  readonly #stride: number;
  readonly #uses: Float32Array;
  readonly #forgotten: Float32Array;
  /** Between refreshes those who wait; within one, those at risk. */
  readonly #waiting: Float32Array;
  readonly #worth: Float32Array;
  readonly #gittins: Gittins;
  readonly #hazards: Float64Array;
  /** Sums over classes, used and at risk: all, new keys, by octave, by level. */
  readonly #sums: Float64Array;

  /** @param horizon ages (in requests) beyond are one */
  constructor(
    private readonly classes: KeyClasses,
    horizon: number,
  ) {
    this.buckets = bucketOf(horizon) + 1;
    this.#stride = this.buckets + 1;
    const cells = classes.count * this.#stride;
    this.#uses = new Float32Array(cells);
    this.#forgotten = new Float32Array(cells);
    this.#waiting = new Float32Array(cells);
    this.#worth = new Float32Array(cells);
    this.#gittins = new Gittins(this.buckets);
    this.#hazards = new Float64Array(this.buckets);
    this.#sums = new Float64Array(2 * (2 + classes.octaves + USE_LEVELS) * this.buckets);
    this.refresh(1);
  }

  /** A key of this class was used again at this age. */
  use(keyClass: number, age: number): void {
    const cell = this.#cell(keyClass, age);
    this.#uses[cell] = this.#uses[cell]! + 1;
  }

  /** A key of this class was lost sight of at this age. */
  forget(keyClass: number, age: number): void {
    const cell = this.#cell(keyClass, age);
    this.#forgotten[cell] = this.#forgotten[cell]! + 1;
  }

  /** For the next refresh: `keys` keys of this class are waiting at this age. */
  wait(keyClass: number, age: number, keys: number): void {
    const cell = this.#cell(keyClass, age);
    this.#waiting[cell] = this.#waiting[cell]! + keys;
  }

  /** What a place is worth to a key of this class and age: hits per request. */
  worth(keyClass: number, age: number): number {
    const bucket = bucketOf(age);
    if (bucket >= this.buckets) return 0;
    const cell = keyClass * this.#stride + bucket;
    const here = this.#worth[cell]!;
    return here + (this.#worth[cell + 1]! - here) * (age - LOWEST[bucket]!) * INVERSE_WIDTHS[bucket]!;
  }

  /** Computes what everything is worth from what was seen; what was seen before counts `keep` times as much. */
  refresh(keep: number): void {
    this.#sumUp(keep);
    for (let keyClass = 0; keyClass < this.classes.count; keyClass++) {
      this.#estimate(keyClass);
      this.#gittins.write(this.#hazards, this.#worth, keyClass * this.#stride);
    }
  }

  #cell(keyClass: number, age: number): number {
    const bucket = bucketOf(age);
    return keyClass * this.#stride + (bucket < this.buckets ? bucket : this.buckets - 1);
  }

  /** Where the sums of a margin begin: 0 all, 1 new keys, then octaves, then levels. */
  #margin(index: number): number {
    return 2 * index * this.buckets;
  }

  #sumUp(keep: number): void {
    const [sums, uses, forgotten, waiting] = [this.#sums, this.#uses, this.#forgotten, this.#waiting];
    const { buckets } = this;
    sums.fill(0);
    for (let keyClass = 0; keyClass < this.classes.count; keyClass++) {
      const isNew = keyClass < NEW_CLASSES;
      const first = this.#margin(isNew ? 1 : 2 + this.classes.octaveOf(keyClass));
      const second = isNew ? -1 : this.#margin(2 + this.classes.octaves + this.classes.levelOf(keyClass));
      let older = 0;
      for (let b = buckets - 1; b >= 0; b--) {
        const cell = keyClass * this.#stride + b;
        const used = (uses[cell] = uses[cell]! * keep);
        const lost = (forgotten[cell] = forgotten[cell]! * keep);
        const unresolved = lost + waiting[cell]!;
        older += used + unresolved;
        // Those who left within the bucket were at risk for half of it.
        const atRisk = older - unresolved / 2;
        waiting[cell] = atRisk;
        sums[b]! += used;
        sums[buckets + b]! += atRisk;
        sums[first + b]! += used;
        sums[first + buckets + b]! += atRisk;
        if (second < 0) continue;
        sums[second + b]! += used;
        sums[second + buckets + b]! += atRisk;
      }
    }
  }

  #estimate(keyClass: number): void {
    const { buckets } = this;
    const [sums, hazards] = [this.#sums, this.#hazards];
    const isNew = keyClass < NEW_CLASSES;
    const first = this.#margin(isNew ? 1 : 2 + this.classes.octaveOf(keyClass));
    const second = isNew ? first : this.#margin(2 + this.classes.octaves + this.classes.levelOf(keyClass));
    const prior = isNew ? PRIOR_OF_MARGIN : PRIOR_OF_CLASS;
    for (let b = 0; b < buckets; b++) {
      const cell = keyClass * this.#stride + b;
      const ofAll = (sums[b]! + PRIOR_OF_ALL * PRIOR_HAZARD) / (sums[buckets + b]! + PRIOR_OF_ALL);
      let expected =
        (sums[first + b]! + PRIOR_OF_MARGIN * ofAll) / (sums[first + buckets + b]! + PRIOR_OF_MARGIN);
      if (!isNew) {
        expected = Math.sqrt(
          (expected * (sums[second + b]! + PRIOR_OF_MARGIN * ofAll)) /
            (sums[second + buckets + b]! + PRIOR_OF_MARGIN),
        );
      }
      const hazard = (this.#uses[cell]! + prior * expected) / (this.#waiting[cell]! + prior);
      this.#waiting[cell] = 0;
      hazards[b] = hazard < MAX_HAZARD ? hazard : MAX_HAZARD;
    }
  }
}
