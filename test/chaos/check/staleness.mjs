/** How long the versions returned had been replaced, in ms. Fresh reads, nearly all, are only counted. */
export class Staleness {
  #fresh = 0;
  #stale = [];
  #sorted = true;

  add(ms) {
    if (ms <= 0) this.#fresh++;
    else {
      this.#stale.push(ms);
      this.#sorted = false;
    }
  }

  /** 0 < p <= 1 */
  quantile(p) {
    if (!this.#sorted) this.#stale.sort((a, b) => a - b);
    this.#sorted = true;
    const rank = Math.ceil(p * (this.#fresh + this.#stale.length)) - 1 - this.#fresh;
    return rank < 0 ? 0 : this.#stale[rank];
  }

  get max() {
    return this.#stale.length === 0 ? 0 : this.quantile(1);
  }

  get staleReads() {
    return this.#stale.length;
  }
}
