import type { Clock } from '../clock.js';
import type { InvalidationSelector } from '../options.js';
import type { BusCursor, BusPage, BusRecord, SecondBus } from './second-bus.js';

/** What the follower asks of the log of the shared tier (LogFollower). */
export interface SharedLog {
  /** When the poll was sent that last came back complete; monotonic ms. */
  readonly answeredAt: number;
  readonly validUntil: number;
  readonly epoch: string | null;
}

export interface BusFollowerEvents {
  apply(selector: InvalidationSelector): void;
  gap(reason: string): void;
  /** The shared tier may be believed again. */
  trusted(): void;
}

/** How the second bus is doing, for health. */
export interface BusHealth {
  /** It is asked at present, as the shared tier is away or not to be believed yet. */
  active: boolean;
  /** L1 may serve by it now. */
  serving: boolean;
  /** False: changes may be missing in the shared tier that were made while it was away; it is neither read nor filled. */
  sharedTrusted: boolean;
  /** Invalidations of the application that could not be written to it yet. */
  unrecorded: number;
  /** Why it does not answer; null: it does, or is not asked. */
  problem: string | null;
}

/** An application's invalidation waits so long for being written down; behind that it goes on alone. */
const RECORD_WAIT_MS = 250;
const RETRY_MS = 500;
/** Above so many unwritten invalidations one that clears everything stands for all. */
const MAX_UNRECORDED = 1_000;

/**
 * Takes over the validity clock while the shared tier is away (protocol, "When Redis is away"): every change is on the
 * second bus, too, so L1 of the namespaces that follow it goes on within the same bound. And it keeps the shared tier
 * out until everything changed meanwhile has been replayed there: it is in doubt from the moment that a poll or an
 * invalidation was not answered, or the connection lost, until a look at the bus, made after it answered again, shows
 * nothing that was visible then and is not applied.
 */
export class BusFollower {
  /** As LogFollower.validUntil, by the second bus. */
  validUntil = -Infinity;
  doubtful = false;
  private bus: SecondBus | null = null;
  private cursor: BusCursor | null = null;
  private doubtAt = -Infinity;
  /** The shared tier has answered since: a look sent from now on shows all that it may lack. */
  private answeredSince = false;
  /** That look: what it saw has to be applied in the shared tier. */
  private settleAt: BusCursor | null = null;
  private polling = false;
  private wanted = false;
  private cancelTimer: (() => void) | null = null;
  private problem: string | null = null;
  private unrecorded: InvalidationSelector[] = [];
  private cancelRetry: (() => void) | null = null;
  private readonly intervalMs: number;

  constructor(
    private readonly clock: Clock,
    private readonly boundMs: number,
    private readonly log: () => SharedLog,
    private readonly events: BusFollowerEvents,
  ) {
    this.intervalMs = Math.min(250, Math.max(10, boundMs / 4));
  }

  get attached(): boolean {
    return this.bus !== null;
  }

  /** @returns a function that ends it */
  attach(bus: SecondBus): () => void {
    this.bus = bus;
    return () => {
      if (this.bus === bus) this.detach();
    };
  }

  /** From now on nobody knows whether the shared tier has what others wrote. */
  doubt(): void {
    if (this.bus === null) return;
    this.doubtAt = this.clock.monotonic();
    this.answeredSince = false;
    this.settleAt = null;
    if (this.doubtful) return;
    this.doubtful = true;
    // The last look that was believed: everything that had been replayed before it has been applied here.
    this.cursor ??= this.bus.checkpoint(this.log().validUntil - this.boundMs);
    this.wake();
  }

  /**
   * Writes an invalidation of the application down, for the nodes that cannot hear the shared tier. Waits a little;
   * never rejects: what could not be written is tried again. Null then.
   */
  async record(selector: InvalidationSelector): Promise<BusRecord | null> {
    const { bus } = this;
    if (bus === null) return null;
    let cancel!: () => void;
    const late = new Promise<null>((resolve) => {
      cancel = this.clock.setTimer(RECORD_WAIT_MS, () => resolve(null));
    });
    const written = bus.record(selector).catch(() => {
      this.keep(selector);
      return null;
    });
    const record = await Promise.race([written, late]);
    cancel();
    return record;
  }

  health(): BusHealth | null {
    if (this.bus === null) return null;
    return {
      active: this.polling || this.cancelTimer !== null,
      serving: this.clock.monotonic() < this.validUntil,
      sharedTrusted: !this.doubtful,
      unrecorded: this.unrecorded.length,
      problem: this.problem,
    };
  }

  stop(): void {
    this.detach();
  }

  private detach(): void {
    this.bus = null;
    this.doubtful = false;
    this.standDown();
    this.cancelRetry?.();
    this.cancelRetry = null;
    this.unrecorded = [];
    this.events.trusted();
  }

  private wake(): void {
    this.wanted = true;
    if (!this.polling) void this.pollWhileNeeded();
  }

  private async pollWhileNeeded(): Promise<void> {
    this.polling = true;
    this.cancelTimer?.();
    this.cancelTimer = null;
    while (this.wanted && this.bus !== null) {
      this.wanted = false;
      await this.pollOnce(this.bus);
    }
    this.polling = false;
    if (this.bus === null) return;
    // The shared tier's log has taken over again.
    if (!this.doubtful && this.clock.monotonic() < this.log().validUntil) return this.standDown();
    this.cancelTimer = this.clock.setTimer(this.intervalMs, () => this.wake());
  }

  private async pollOnce(bus: SecondBus): Promise<void> {
    const sentAt = this.clock.monotonic();
    const { cursor } = this;
    try {
      const page = await bus.poll(cursor);
      if (this.bus !== bus) return;
      this.apply(page, cursor === null);
      this.cursor = page.cursor;
      this.validUntil = sentAt + this.boundMs;
      this.problem = null;
      if (this.doubtful) await this.settle(bus, page.cursor);
    } catch (error) {
      // The clock runs out by itself, and the timer asks again.
      this.problem = error instanceof Error ? error.message : String(error);
    }
  }

  private apply(page: BusPage, first: boolean): void {
    if (first || page.lost) return this.events.gap(first ? 'second-bus-opened' : 'second-bus-lost');
    try {
      for (const change of page.changes) this.events.apply(change);
    } catch {
      // It names what this version does not know: something changed, but nobody can tell what.
      this.events.gap('second-bus-unreadable');
    }
  }

  private async settle(bus: SecondBus, cursor: BusCursor): Promise<void> {
    const { epoch, answeredAt } = this.log();
    if (epoch === null || answeredAt <= this.doubtAt) return;
    if (!this.answeredSince) {
      this.answeredSince = true;
      this.wanted = true;
      return;
    }
    const at = (this.settleAt ??= cursor);
    const settled = await bus.settled(at, epoch);
    // Unless there is new doubt, or another data set.
    if (!settled || this.bus !== bus || this.settleAt !== at || this.log().epoch !== epoch) return;
    this.doubtful = false;
    this.settleAt = null;
    this.events.trusted();
  }

  private standDown(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
    this.cursor = null;
    this.validUntil = -Infinity;
    this.problem = null;
  }

  private keep(selector: InvalidationSelector): void {
    if (this.bus === null) return;
    this.unrecorded.push(selector);
    if (this.unrecorded.length > MAX_UNRECORDED) this.unrecorded = [{ all: true }];
    this.cancelRetry ??= this.clock.setTimer(RETRY_MS, () => void this.retry());
  }

  private async retry(): Promise<void> {
    this.cancelRetry = null;
    const { bus } = this;
    // One after the other: the first that fails says that it is away still.
    while (bus !== null && this.bus === bus && this.unrecorded.length > 0) {
      const [selector] = this.unrecorded;
      try {
        await bus.record(selector!);
        if (this.unrecorded[0] === selector) this.unrecorded.shift();
      } catch {
        if (this.bus === bus) this.cancelRetry ??= this.clock.setTimer(RETRY_MS, () => void this.retry());
        return;
      }
    }
  }
}
