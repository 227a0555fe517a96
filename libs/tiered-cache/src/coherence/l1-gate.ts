import type { Clock } from '../clock.js';

/** What a cache beside a shared tier asks first: until when (monotonic ms) L1 may be used. */
export interface ValidityClock {
  readonly validUntil: number;
}

/** At most so many hits share a reading. */
const STREAK = 128;
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
  /** How many more hits may use `shared`, whole milliseconds: small integers compare without a box. */
  private left = 0;
  private shared = 0;
  private read = -Infinity;
  private granted = 1;
  private armed = false;
  private readonly mayShare: boolean;

  constructor(private readonly clock: Clock) {
    this.mayShare = clock.turns === true;
  }

  /** Is it earlier than `at`, the moment at which an entry needs attention? Never while the validity clock stands. */
  isBefore(at: number): boolean {
    if (this.left > 0) {
      this.left--;
      return this.shared < at;
    }
    return this.look() < at;
  }

  private look(): number {
    const now = this.clock.monotonic();
    if (this.log !== null) return now < this.log.validUntil ? now : Infinity;
    if (this.mayShare) this.share(now);
    return now;
  }

  private share(now: number): void {
    const isStreak = now - this.read < APART_MS * this.granted;
    this.read = now;
    this.granted = 1;
    if (!isStreak) return;
    if (!this.armed) {
      this.armed = true;
      process.nextTick(this.end);
    }
    this.left = STREAK;
    this.granted = STREAK + 1;
    this.shared = Math.floor(now) + MARGIN_MS;
  }

  private readonly end = (): void => {
    this.left = 0;
    this.granted = 1;
    this.armed = false;
    this.read = -Infinity;
  };
}
