import { performance } from 'node:perf_hooks';

/**
 * Time as the engine sees it. Two clocks, never mixed: `now` (wall, for logical expiry that other
 * machines read) and `monotonic` (for everything that must not jump: validity, leases, timeouts).
 */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Monotonic clock, milliseconds, arbitrary origin. */
  monotonic(): number;
  /** May hits in L1 of one turn of the event loop share a reading? Not where a test moves the time by hand. */
  readonly turns?: boolean;
  /** Runs `fn` once after `ms`; the returned function cancels. Must not keep the process alive. */
  setTimer(ms: number, fn: () => void): () => void;
}

export const systemClock: Clock = {
  turns: true,
  now: () => Date.now(),
  // Imported: the global of the same name is a getter, which costs a quarter more.
  monotonic: () => performance.now(),
  setTimer(ms, fn) {
    const timer = setTimeout(fn, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
