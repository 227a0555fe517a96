/** xorshift32 (Marsaglia, 2003): the policy's dice, the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed | 0, 0x9e3779b1) ^ 0x6a09e667) | 0 || 1;
  }

  /** An integer in [0, limit); limit below 2 ** 31. */
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return Math.floor((x >>> 0) * 2.3283064365386963e-10 * limit);
  }
}
