import type { Clock } from '../clock.js';

/** What a cache beside a shared tier asks first: until when (monotonic ms) L1 may be used. */
export interface ValidityClock {
  readonly validUntil: number;
}

/** At most so many hits share a reading. */
const STREAK = 128;
/** The count of hits is kept in 30 bits. */
const MOST_HITS = 2 ** 30 - 1;
/** Hits that are further apart than this on the average share nothing. */
const APART_MS = 0.005;
/** What ends sooner than this after a shared reading is measured exactly. */
const MARGIN_MS = 1_000;

/**
 * What a hit in L1 has to know beside its entry: the time, whether the validity clock runs, and where the tags stand.
 *
 * Beside a shared tier each hit reads the clock, after it was asked and before it answers: a reading made earlier in the
 * same callback says nothing about a callback that was held up (docs/decisions/0016). Without one there is nothing to be
 * confirmed and only lives to be measured: as in lru-cache (`ttlResolution`), a streak of hits within one callback of the
 * event loop shares a reading. It ends with the callback's microtasks and after 128 hits, and counts as a second later
 * than it was made: an entry outlives its time only by what a callback that runs for longer than a second has held up.
 */
export class L1Gate {
  /** Moves with any tag's version: a hit compares this one number and skips its vector. */
  epoch = 0;
  /** Null in embedded mode: then the validity clock always runs. */
  log: ValidityClock | null = null;
  /** Below this number of hits, `shared` counts: whole milliseconds, small integers compare without a box. */
  private until = -1;
  private shared = 0;
  /** The last reading that could be shared, and how many hits there had been. */
  private read = -Infinity;
  private from = 0;
  private armed = false;
  private readonly mayShare: boolean;

  constructor(private readonly clock: Clock) {
    this.mayShare = clock.turns === true;
  }

  /**
   * Is it earlier than `at`, the moment at which an entry needs attention? Never while the validity clock stands.
   * @param hits how many hits there were so far, in 30 bits. Somebody counts them anyway (EvictionPolicy): a counter of
   *   our own, written at every hit, costs a seventh of the hit.
   */
  isBefore(at: number, hits: number): boolean {
    if (hits < this.until) return this.shared < at;
    return this.look(hits) < at;
  }

  private look(hits: number): number {
    const now = this.clock.monotonic();
    if (this.log !== null) return now < this.log.validUntil ? now : Infinity;
    if (this.mayShare) this.share(now, hits);
    return now;
  }

  private share(now: number, hits: number): void {
    const isStreak = now - this.read < APART_MS * (hits - this.from);
    this.read = now;
    this.from = hits;
    this.until = -1;
    // Where the count begins anew, nothing is shared.
    if (!isStreak || hits >= MOST_HITS - STREAK) return;
    if (!this.armed) {
      this.armed = true;
      process.nextTick(this.end);
    }
    this.until = hits + STREAK;
    this.shared = Math.floor(now) + MARGIN_MS;
  }

  private readonly end = (): void => {
    this.until = -1;
    this.armed = false;
    this.read = -Infinity;
  };
}
