import { Random } from './random.js';
import { BY_WORTH_AND_USES, rank, RANKINGS } from './ranking.js';
import type { ReuseModel } from './reuse-model.js';
import { ShadowKeys } from './shadow-keys.js';

/** Entries of a shadow cache, at most; all of them together take 7 KB. */
const SHADOW_ENTRIES = 128;
/** Members looked at to find the one that leaves, and how many of the latest arrivals beside them. */
const SAMPLES = 8;
const NEWEST = 4;
/** The lead changes when a challenger's advantage is above so many standard errors, and so many hits. */
const ERRORS = 2;
const HITS = 4;

/**
 * Which ranking would hit most? Each drives a small cache without values, fed with a sample of the keys chosen by
 * hash, as much smaller than all as the shadow is smaller than the cache (miniature simulation, Waldspurger et al.,
 * ATC 2017); a cache of up to 128 entries is simulated whole. Where leader and challenger disagree (one hits, the
 * other misses), the two counts are compared as in McNemar's test (1947), with older requests fading, so that the lead
 * neither sways with noise nor stays when the traffic changes.
 */
export class Duel {
  leader = BY_WORTH_AND_USES;
  readonly #keys: ShadowKeys;
  readonly #members: readonly Uint16Array[];
  readonly #sizes = new Int32Array(RANKINGS);
  /** Where the latest arrivals sit: under a scan it is one of them that should go. */
  readonly #newest: readonly Uint16Array[];
  readonly #arrivals = new Int32Array(RANKINGS);
  /** Hits of each where the leader missed, and misses where it hit. */
  readonly #wins = new Float64Array(RANKINGS);
  readonly #losses = new Float64Array(RANKINGS);
  readonly #random: Random;
  #capacity = 0;
  #sampled = 0;
  #fade = 0;

  constructor(
    private readonly model: ReuseModel,
    private readonly seed: number,
    maxEntries: number,
  ) {
    const entries = Math.min(SHADOW_ENTRIES, maxEntries);
    this.#random = new Random(seed + 1);
    this.#keys = new ShadowKeys(entries);
    this.#members = Array.from({ length: RANKINGS }, () => new Uint16Array(entries));
    this.#newest = Array.from({ length: RANKINGS }, () => new Uint16Array(NEWEST));
    this.scale(maxEntries);
  }

  /** The cache holds so many entries (it may be bound by bytes). */
  scale(entries: number): void {
    this.#capacity = Math.max(1, Math.min(this.#members[0]!.length, entries));
    this.#sampled = (this.#capacity / Math.max(1, entries)) * 2 ** 32;
    this.#fade = 0.5 ** (1 / (8 * this.#capacity + 500));
    for (let ranking = 0; ranking < RANKINGS; ranking++) {
      for (; this.#sizes[ranking]! > this.#capacity; this.#sizes[ranking]!--) {
        this.#keys.release(this.#members[ranking]![this.#sizes[ranking]! - 1]!, ranking);
      }
    }
  }

  /** A request, hit or miss, for a key and what is known of it by now. */
  request(hash: number, keyClass: number, uses: number, now: number): void {
    // Other bits than those that the ghosts go by.
    if (Math.imul(hash ^ this.seed, 0x85ebca6b) >>> 0 >= this.#sampled) return;
    const keys = this.#keys;
    const key = keys.enter(hash);
    const holders = keys.holders[key]!;
    keys.lastUse[key] = now;
    keys.keyClass[key] = keyClass;
    keys.uses[key] = uses;
    this.#compare(holders);
    for (let ranking = 0; ranking < RANKINGS; ranking++) {
      if ((holders & (1 << ranking)) === 0) this.#admit(ranking, key, now);
    }
  }

  clear(): void {
    this.#keys.clear();
    this.#sizes.fill(0);
    this.#arrivals.fill(0);
    this.#wins.fill(0);
    this.#losses.fill(0);
  }

  #compare(holders: number): void {
    const leaderHits = (holders >>> this.leader) & 1;
    let best = this.leader;
    let bestMargin = 0;
    for (let ranking = 0; ranking < RANKINGS; ranking++) {
      if (ranking === this.leader) continue;
      const hits = (holders >>> ranking) & 1;
      const wins = this.#wins[ranking]! * this.#fade + (hits > leaderHits ? 1 : 0);
      const losses = this.#losses[ranking]! * this.#fade + (hits < leaderHits ? 1 : 0);
      this.#wins[ranking] = wins;
      this.#losses[ranking] = losses;
      const margin = wins - losses - ERRORS * Math.sqrt(wins + losses) - HITS;
      if (margin <= bestMargin) continue;
      best = ranking;
      bestMargin = margin;
    }
    if (best === this.leader) return;
    this.leader = best;
    this.#wins.fill(0);
    this.#losses.fill(0);
  }

  #admit(ranking: number, key: number, now: number): void {
    const members = this.#members[ranking]!;
    let at = this.#sizes[ranking]!;
    if (at < this.#capacity) this.#sizes[ranking] = at + 1;
    else {
      at = this.#worst(ranking, now);
      this.#keys.release(members[at]!, ranking);
    }
    members[at] = key;
    this.#keys.holders[key] = this.#keys.holders[key]! | (1 << ranking);
    this.#newest[ranking]![this.#arrivals[ranking]! % NEWEST] = at;
    this.#arrivals[ranking] = (this.#arrivals[ranking]! + 1) % NEWEST;
  }

  /** Which member leaves, of a full shadow. */
  #worst(ranking: number, now: number): number {
    const size = this.#sizes[ranking]!;
    const all = size <= SAMPLES;
    let worst = 0;
    let lowest = Infinity;
    for (let i = 0; i < (all ? size : SAMPLES + NEWEST); i++) {
      const at = all ? i : i < SAMPLES ? this.#random.below(size) : this.#newest[ranking]![i - SAMPLES]!;
      if (at >= size) continue;
      const key = this.#members[ranking]![at]!;
      const age = (now - this.#keys.lastUse[key]!) >>> 0;
      const rankOfKey = rank(ranking, this.model, this.#keys.keyClass[key]!, this.#keys.uses[key]!, age);
      if (rankOfKey >= lowest) continue;
      worst = at;
      lowest = rankOfKey;
    }
    return worst;
  }
}
