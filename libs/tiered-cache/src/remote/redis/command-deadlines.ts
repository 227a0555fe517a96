/** What has to be answered in time. */
export interface Pending {
  settled: boolean;
  /** Monotonic ms. */
  sentAt: number;
  deadline: number;
  expire(): void;
}

/** It was answered. What it would have told is let go of: the queue may hold on to it until its time is over. */
export function settle(pending: Pending): void {
  pending.settled = true;
  pending.expire = NOTHING;
}

const NOTHING = (): void => undefined;

/** Time as the deadlines see it; replaced in tests. */
export interface DeadlineClock {
  now(): number;
  setTimer(fn: () => void, ms: number): { cancel(): void };
  /** Runs `fn` after the event loop has looked at its sockets once more. */
  afterPoll(fn: () => void): void;
}

const REAL: DeadlineClock = {
  now: () => performance.now(),
  setTimer(fn, ms) {
    const timer = setTimeout(fn, ms);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  afterPoll: (fn) => setImmediate(() => setImmediate(fn)),
};

/** A timer that comes so much too late was held up by our own event loop. */
const LATE_MS = 20;
/** All that a busy loop may add to one command's wait, in command timeouts. */
const MOST_EXTENSION = 3;

/**
 * The command timeout of one connection. It times the server, not our own event loop: answers that lie unread in the
 * socket while the loop was busy are no timeouts. A deadline that is found passed by a late timer is moved by what the
 * timer was late, and a command is given up only after the sockets were looked at once more. All commands have the
 * same timeout, so a queue with one timer for its head serves them all.
 */
export class CommandDeadlines {
  private queue: Pending[] = [];
  private head = 0;
  private timer: { cancel(): void } | null = null;

  constructor(
    private readonly timeoutMs: number,
    private readonly clock: DeadlineClock = REAL,
  ) {}

  /** `expire` runs unless `settled` is set in time. */
  add(expire: () => void): Pending {
    const sentAt = this.clock.now();
    const pending = { settled: false, sentAt, deadline: sentAt + this.timeoutMs, expire };
    // In quiet times the queue holds one, answered or not, and not all of the last timeout's.
    this.skipSettled();
    this.queue.push(pending);
    if (this.timer === null) this.arm();
    return pending;
  }

  /** No timer is left behind; nothing expires any more. */
  clear(): void {
    this.timer?.cancel();
    this.timer = null;
    this.queue = [];
    this.head = 0;
  }

  private arm(): void {
    this.skipSettled();
    const next = this.queue[this.head];
    if (next === undefined) return this.clear();
    const now = this.clock.now();
    const fireAt = Math.max(next.deadline, now + 1);
    this.timer = this.clock.setTimer(() => this.due(fireAt), fireAt - now);
  }

  private due(fireAt: number): void {
    this.timer = null;
    const late = this.clock.now() - fireAt;
    if (late > LATE_MS && this.extend(late)) return this.arm();
    // Keeps a second timer from being set meanwhile.
    this.timer = { cancel: () => undefined };
    this.clock.afterPoll(() => {
      const now = this.clock.now();
      for (
        this.skipSettled();
        this.head < this.queue.length && this.queue[this.head]!.deadline <= now;
        this.skipSettled()
      ) {
        const pending = this.queue[this.head++]!;
        pending.settled = true;
        pending.expire();
      }
      this.timer = null;
      this.arm();
    });
  }

  /** Moves the deadlines of what was waiting while the loop was held up; false when the first one may not move on. */
  private extend(late: number): boolean {
    const now = this.clock.now();
    for (let i = this.head; i < this.queue.length; i++) {
      const pending = this.queue[i]!;
      const last = pending.sentAt + (1 + MOST_EXTENSION) * this.timeoutMs;
      pending.deadline = Math.min(pending.deadline + Math.min(late, now - pending.sentAt), last);
    }
    this.skipSettled();
    const first = this.queue[this.head];
    return first === undefined || first.deadline > now;
  }

  private skipSettled(): void {
    while (this.head < this.queue.length && this.queue[this.head]!.settled) this.head++;
    if (this.head === this.queue.length) {
      this.queue.length = 0;
      this.head = 0;
    } else if (this.head > 1_024) {
      this.queue.splice(0, this.head);
      this.head = 0;
    }
  }
}
