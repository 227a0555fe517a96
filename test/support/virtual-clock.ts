import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../libs/tiered-cache/src/clock.js';

/** Lets everything run that waits for nothing but other promises. */
export async function settle(): Promise<void> {
  // One turn of the event loop empties the queue of microtasks; two, for work that was itself put off by one.
  await nextTurn();
  await nextTurn();
}

/**
 * Time that moves only when told to. `pass` fires the timers on the way, one by one, each with all that follows from
 * it; `jump` is an event loop that was blocked: the time is gone, and no timer fired meanwhile.
 */
export class VirtualClock implements Clock {
  private ms = 1_000;
  private wallOffset = 1_700_000_000_000;
  private readonly timers = new Map<object, { at: number; fn: () => void }>();

  now(): number {
    return this.wallOffset + this.ms;
  }

  monotonic(): number {
    return this.ms;
  }

  setTimer(ms: number, fn: () => void): () => void {
    const id = {};
    this.timers.set(id, { at: this.ms + ms, fn });
    return () => this.timers.delete(id);
  }

  /** Moves the time by `ms`, firing what falls due. */
  async pass(ms: number): Promise<void> {
    const end = this.ms + ms;
    await settle();
    for (let next = this.next(); next !== undefined && next.at <= end; next = this.next()) {
      this.timers.delete(next.id);
      this.ms = Math.max(this.ms, next.at);
      next.fn();
      await settle();
    }
    this.ms = Math.max(this.ms, end);
    await settle();
  }

  /** As `pass`, for code that waits for no promise: everything has happened when it returns. */
  advance(ms: number): void {
    const end = this.ms + ms;
    for (let next = this.next(); next !== undefined && next.at <= end; next = this.next()) {
      this.timers.delete(next.id);
      this.ms = Math.max(this.ms, next.at);
      next.fn();
    }
    this.ms = Math.max(this.ms, end);
  }

  /** A blocked event loop: what fell due fires with the next `pass`, late. */
  jump(ms: number): void {
    this.ms += ms;
  }

  /** Somebody sets the wall clock; the monotonic one goes on. */
  setWallBack(ms: number): void {
    this.wallOffset -= ms;
  }

  /** Passes time in small steps until `condition` holds. Fails after `limitMs`. */
  async until(condition: () => boolean, limitMs = 60_000): Promise<number> {
    const start = this.ms;
    await settle();
    while (!condition()) {
      if (this.ms - start > limitMs)
        throw new Error(`not within ${limitMs} ms of virtual time: ${condition.toString()}`);
      await this.pass(5);
    }
    return this.ms - start;
  }

  get timersLeft(): number {
    return this.timers.size;
  }

  private next(): { id: object; at: number; fn: () => void } | undefined {
    let found: { id: object; at: number; fn: () => void } | undefined;
    for (const [id, { at, fn }] of this.timers)
      if (found === undefined || at < found.at) found = { id, at, fn };
    return found;
  }
}
