import type { Clock } from '../../libs/tiered-cache/src/clock.js';

/** Whoever waits for time to pass: one process of the fleet. */
export interface TimerOwner {
  /** A stopped process: its timers do not fire. They are late when it goes on. */
  paused: boolean;
  /** A killed process: its timers never fire. */
  dead: boolean;
}

interface Timer {
  at: number;
  owner: TimerOwner;
  fn: () => void;
}

/** One virtual time for all, and a clock of its own for every process, which can be stopped while time goes on. */
export class InterleavedClock {
  private ms = 1_000;
  private readonly timers = new Set<Timer>();

  constructor(
    /** Told of a timer that fell due while its owner was stopped. */
    private readonly late: (owner: TimerOwner, fn: () => void) => void,
  ) {}

  get now(): number {
    return this.ms;
  }

  of(owner: TimerOwner): Clock {
    return {
      now: () => 1_700_000_000_000 + this.ms,
      monotonic: () => this.ms,
      setTimer: (ms, fn) => {
        const timer = { at: this.ms + ms, owner, fn };
        this.timers.add(timer);
        let cancelled = false;
        timer.fn = () => {
          if (!cancelled) fn();
        };
        return () => {
          cancelled = true;
          this.timers.delete(timer);
        };
      },
    };
  }

  /** Moves the time by `ms`; `between` is awaited after every timer that fired, and at the end. */
  async pass(ms: number, between: () => Promise<void>): Promise<void> {
    const end = this.ms + ms;
    for (let next = this.next(end); next !== undefined; next = this.next(end)) {
      this.timers.delete(next);
      this.ms = Math.max(this.ms, next.at);
      if (next.owner.dead) continue;
      if (next.owner.paused) this.late(next.owner, next.fn);
      else {
        next.fn();
        await between();
      }
    }
    this.ms = end;
    await between();
  }

  private next(end: number): Timer | undefined {
    let found: Timer | undefined;
    for (const timer of this.timers)
      if (timer.at <= end && (found === undefined || timer.at < found.at)) found = timer;
    return found;
  }
}
