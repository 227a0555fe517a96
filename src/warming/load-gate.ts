import { setTimeout as sleep } from 'node:timers/promises';

/** A permit of the gate; giving it back twice gives it back once. */
export interface Permit {
  release(): void;
}

export interface LoadGateOptions {
  /** Loads at once, all strategies of this process together. */
  maxConcurrent: number;
  /** Least time between the starts of two loads, ms. */
  delayMs?: number;
  /** Monotonic ms. */
  now?: () => number;
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/**
 * Bounds what warming does to the source: at most `maxConcurrent` loads at once, and a pause between the starts of two.
 * First come, first served, over all strategies.
 */
export class LoadGate {
  #free: number;
  #nextStart = -Infinity;
  readonly #waiting: (() => void)[] = [];
  readonly #delayMs: number;
  readonly #now: () => number;
  readonly #sleep: (ms: number, signal?: AbortSignal) => Promise<void>;

  constructor(options: LoadGateOptions) {
    this.#free = options.maxConcurrent;
    this.#delayMs = options.delayMs ?? 0;
    this.#now = options.now ?? (() => performance.now());
    // A referenced timer on purpose: an awaited start-up run may be all that keeps the process alive.
    this.#sleep = options.sleep ?? ((ms, signal) => sleep(ms, undefined, { signal }));
  }

  /** Waits for a free place. Does not pause: only `run` starts a load. */
  async enter(): Promise<Permit> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        const next = this.#waiting.shift();
        if (next) next();
        else this.#free += 1;
      },
    };
  }

  /** Waits for the pause to be over, with a permit in hand. @throws AbortError */
  async pace(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#delayMs <= 0) return;
    const now = this.#now();
    const start = Math.max(now, this.#nextStart);
    this.#nextStart = start + this.#delayMs;
    if (start > now) await this.#sleep(start - now, signal);
  }

  /** Runs one load in turn. */
  async run<T>(load: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const permit = await this.enter();
    try {
      await this.pace(signal);
      return await load();
    } finally {
      permit.release();
    }
  }
}
