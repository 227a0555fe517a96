import type { Clock } from '../../libs/tiered-cache/src/clock.js';

/** Time that moves only when told to; timers run in the order of their times. */
export class ManualClock implements Clock {
  private ms = 1_000;
  private readonly timers = new Map<object, { at: number; fn: () => void }>();

  now(): number {
    return 1_700_000_000_000 + this.ms;
  }

  monotonic(): number {
    return this.ms;
  }

  setTimer(ms: number, fn: () => void): () => void {
    const id = {};
    this.timers.set(id, { at: this.ms + ms, fn });
    return () => this.timers.delete(id);
  }

  advance(ms: number): void {
    const end = this.ms + ms;
    for (;;) {
      const [id, next] = [...this.timers].sort(([, x], [, y]) => x.at - y.at)[0] ?? [];
      if (!id || !next || next.at > end) break;
      this.timers.delete(id);
      this.ms = next.at;
      next.fn();
    }
    this.ms = end;
  }
}
