import type { Clock } from '../clock.js';
import type { LogCursor, LogPage, LogPosition, LogRecord } from '../remote/remote-tier.js';
import type { GuardedRemote } from '../resilience/guarded-remote.js';

export interface LogFollowerEvents {
  apply(record: LogRecord): void;
  /** Records were or may have been missed, or the log is a new one: forget everything. */
  gap(reason: string): void;
  /** A complete poll was applied. */
  caughtUp(): void;
  /** No answer, or the connection was lost: changes may be made of which this data set never hears. */
  doubt(): void;
  /** May the data set be believed: does it hold all that was changed while it was away? */
  trusted(): boolean;
}

/** One position for several; null when there are none, or when they are of several epochs. */
export function joinPositions(positions: readonly string[]): string | null {
  const parts = positions.map((position) => {
    const at = position.lastIndexOf('@');
    return { epoch: position.slice(0, at), records: position.slice(at + 1) };
  });
  const [first] = parts;
  if (first === undefined || parts.some(({ epoch }) => epoch !== first.epoch)) return null;
  return `${first.epoch}@${parts.map(({ records }) => records).join(',')}`;
}

type Outcome = 'caught-up' | 'more' | 'failed';

/**
 * Follows the invalidation log and runs the validity clock: L1 and locally known nonces may be used only while
 * `clock.monotonic() < validUntil`. `validUntil = tStart + B`, where tStart was read before a poll was sent that came
 * back complete and was applied; so dead sockets, pauses and blocked event loops end it by themselves.
 *
 * Guards against failover: every poll shows the identity of the data set (epoch). Another one counts as a gap, and what
 * it holds is not believed, namespace by namespace, until somebody has vouched for the namespace there.
 */
export class LogFollower {
  validUntil = -Infinity;
  private cursor: LogCursor | null = null;
  /** When the poll was sent that last came back complete and was applied; monotonic ms. */
  answeredAt = -Infinity;
  /** Of the data sets behind the shared tier, as of the last poll; null before the first. */
  epoch: string | null = null;
  /** False since the connection was lost: who answers now may be somebody else. */
  private proven = false;
  /** How often the connection was lost or a gap was met. */
  losses = 0;
  /** Namespace tags whose entries may be believed on this epoch. */
  private readonly vouched = new Set<string>();
  private running = false;
  private polling = false;
  private wanted = false;
  private waiting: ((believable: boolean) => void)[] = [];
  private cancelTimer: (() => void) | null = null;
  private readonly intervalMs: number;

  constructor(
    private readonly remote: GuardedRemote,
    private readonly clock: Clock,
    private readonly boundMs: number,
    /** Tags of the namespaces that live in the shared tier. */
    private readonly namespaceTags: () => readonly string[],
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
    this.answerWaiting(false);
  }

  /** Poll now, or once more after the poll under way. */
  wake(): void {
    if (!this.running) return;
    this.wanted = true;
    if (!this.polling) void this.pollWhileWanted();
  }

  /** The line was cut: what answers next may be another server. */
  connectionLost(): void {
    this.proven = false;
    this.losses++;
    this.events.doubt();
  }

  /**
   * May what the shared tier holds of this namespace be believed now? It may not before the data set behind the
   * connection is known to be the one that this node follows, nor for longer than the clock runs: a server that has died
   * is not replaced by another one, which may hold older values, in less time than that.
   */
  believes(namespaceTag: string): boolean {
    return this.proven && this.clock.monotonic() < this.validUntil && this.vouched.has(namespaceTag);
  }

  /** Waits for a poll sent from now on; false when it got no answer. Longest wait: a few commands. */
  confirm(): Promise<boolean> {
    if (!this.running) return Promise.resolve(false);
    const answer = new Promise<boolean>((resolve) => this.waiting.push(resolve));
    this.wake();
    return answer;
  }

  /** Names a record so that another node can tell whether it has applied it; null when that cannot be told. */
  positionOf(records: readonly LogPosition[]): string | null {
    return this.epoch === null || records.length === 0 ? null : `${this.epoch}@${records.join(',')}`;
  }

  /** Has everything at `position` (see `positionOf`) been applied here? Of another epoch nobody knows. */
  reached(position: string, isOwn: (record: LogPosition) => boolean): boolean {
    const at = position.lastIndexOf('@');
    const { cursor } = this;
    if (at < 0 || cursor === null || position.slice(0, at) !== this.epoch) return false;
    const records = position.slice(at + 1).split(',');
    return records.every((record) => isOwn(record) || this.remote.tier.reached(cursor, record));
  }

  /**
   * Has everything up to `at`, where the log ended when somebody looked, been applied here? Waits for one poll where it
   * has not. False where records were or may have been missed meanwhile.
   */
  async hasApplied(at: LogCursor): Promise<boolean> {
    const { losses } = this;
    // Beyond `at` is not enough without a poll: a log that was lost and begun anew by a clock set back ends before.
    if (this.cursor !== at && !(await this.confirm())) return false;
    const { cursor } = this;
    return this.losses === losses && cursor !== null && this.remote.tier.reached(cursor, at);
  }

  /** Namespace tags that are not believed for want of somebody who vouched for them. */
  quarantined(): string[] {
    if (this.epoch === null) return [];
    return this.namespaceTags().filter((tag) => !this.vouched.has(tag));
  }

  private async pollWhileWanted(): Promise<void> {
    this.polling = true;
    this.cancelTimer?.();
    this.cancelTimer = null;
    while (this.wanted && this.running) {
      this.wanted = false;
      const waiting = this.waiting;
      this.waiting = [];
      const outcome = await this.pollOnce();
      if (outcome === 'more') {
        this.wanted = true;
        this.waiting.unshift(...waiting);
      } else for (const resolve of waiting) resolve(outcome === 'caught-up');
    }
    this.polling = false;
    if (this.running) this.cancelTimer = this.clock.setTimer(this.intervalMs, () => this.wake());
    else this.answerWaiting(false);
  }

  private async pollOnce(): Promise<Outcome> {
    const sentAt = this.clock.monotonic();
    const tags = this.namespaceTags();
    let page: LogPage;
    try {
      page = await this.remote.probe((tier) => tier.poll(this.cursor, tags));
    } catch {
      this.events.doubt();
      return 'failed'; // Counted by the guard; the clock runs out by itself and the timer asks again.
    }
    if (!this.running) return 'failed';
    if (this.epoch !== page.epoch) {
      // Another data set behind the connection: what was read from the old one proves nothing about this one.
      const first = this.epoch === null;
      this.epoch = page.epoch;
      if (!first || this.cursor !== null) return this.startOver('epoch');
    }
    if (page.lost) return this.startOver('lost');
    if (this.cursor === null) this.events.gap('opened');
    try {
      for (const record of page.records) this.events.apply(record);
    } catch {
      // A record that this version cannot read says that something changed, but not what.
      return this.startOver('unreadable');
    }
    this.cursor = page.cursor;
    if (!page.complete) return 'more';
    if (page.unvouched.length > 0 && (await this.vouch(page))) return 'more';
    for (const tag of tags) this.vouched.add(tag);
    for (const tag of page.unvouched) this.vouched.delete(tag);
    this.answeredAt = sentAt;
    this.events.caughtUp();
    // Until then neither its entries nor its silence prove anything.
    if (!this.events.trusted()) return 'failed';
    this.validUntil = sentAt + this.boundMs;
    this.proven = true;
    return 'caught-up';
  }

  /**
   * Nobody has vouched for these namespaces on this data set: end all their entries there, and say so. False when there
   * is no answer: then they are quarantined, and the next poll tries again.
   */
  private async vouch({ epoch, unvouched }: LogPage): Promise<boolean> {
    try {
      await this.remote.probe((tier) => tier.vouch(epoch, unvouched));
      return true;
    } catch {
      return false;
    }
  }

  private startOver(reason: string): Outcome {
    this.cursor = null;
    this.validUntil = -Infinity;
    this.losses++;
    this.events.gap(reason);
    return 'more';
  }

  private answerWaiting(believable: boolean): void {
    const { waiting } = this;
    this.waiting = [];
    for (const resolve of waiting) resolve(believable);
  }
}
