import type { Clock } from '../clock.js';
import type { LogPage, LogPosition, LogRecord } from '../remote/remote-tier.js';
import type { GuardedRemote } from '../resilience/guarded-remote.js';

export interface LogFollowerEvents {
  apply(record: LogRecord): void;
  /** Records were or may have been missed, or the log is a new one: forget everything. */
  gap(reason: string): void;
  /** A complete poll was applied. */
  caughtUp(): void;
}

/**
 * Follows the invalidation log and runs the validity clock: L1 and locally known nonces may be used only while
 * `clock.monotonic() < validUntil`. `validUntil = tStart + B`, where tStart was read before a poll was sent that came
 * back complete and was applied; so dead sockets, pauses and blocked event loops end it by themselves.
 */
export class LogFollower {
  validUntil = -Infinity;
  private position: LogPosition | null = null;
  private epoch: string | null = null;
  private running = false;
  private polling = false;
  private wanted = false;
  private cancelTimer: (() => void) | null = null;
  private readonly intervalMs: number;

  constructor(
    private readonly remote: GuardedRemote,
    private readonly clock: Clock,
    private readonly boundMs: number,
    private readonly events: LogFollowerEvents,
  ) {
    this.intervalMs = Math.min(250, Math.max(10, boundMs / 4));
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.wake();
  }

  stop(): void {
    this.running = false;
    this.validUntil = -Infinity;
    this.cancelTimer?.();
    this.cancelTimer = null;
  }

  /** Poll now, or once more after the poll under way. */
  wake(): void {
    if (!this.running) return;
    this.wanted = true;
    if (!this.polling) void this.pollWhileWanted();
  }

  private async pollWhileWanted(): Promise<void> {
    this.polling = true;
    this.cancelTimer?.();
    this.cancelTimer = null;
    while (this.wanted && this.running) {
      this.wanted = false;
      await this.pollOnce();
    }
    this.polling = false;
    if (this.running) this.cancelTimer = this.clock.setTimer(this.intervalMs, () => this.wake());
  }

  private async pollOnce(): Promise<void> {
    const sentAt = this.clock.monotonic();
    let page: LogPage;
    try {
      page = await this.remote.probe((tier) => tier.poll(this.position));
    } catch {
      return; // Counted by the guard; the clock runs out by itself and the timer asks again.
    }
    if (!this.running) return;
    if (this.epoch !== page.epoch) {
      // Another data set behind the connection: what was read from the old one proves nothing about this one.
      const first = this.epoch === null;
      this.epoch = page.epoch;
      if (!first || this.position !== null) return this.startOver('epoch');
    }
    if (page.lost) return this.startOver('lost');
    if (this.position === null) this.events.gap('opened');
    try {
      for (const record of page.records) this.events.apply(record);
    } catch {
      // A record that this version cannot read says that something changed, but not what.
      return this.startOver('unreadable');
    }
    this.position = page.position;
    if (!page.complete) {
      this.wanted = true;
      return;
    }
    this.validUntil = sentAt + this.boundMs;
    this.events.caughtUp();
  }

  private startOver(reason: string): void {
    this.position = null;
    this.validUntil = -Infinity;
    this.events.gap(reason);
    this.wanted = true;
  }
}
