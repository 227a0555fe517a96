import { CommandDeadlines, type DeadlineClock } from './command-deadlines.js';

/** Time by hand; `block` is an event loop that is held up: timers come late, sockets are read after that. */
class HandClock implements DeadlineClock {
  ms = 0;
  private timers: { at: number; fn: () => void; cancelled: boolean }[] = [];
  private polls: (() => void)[] = [];

  now(): number {
    return this.ms;
  }

  setTimer(fn: () => void, ms: number): { cancel(): void } {
    const timer = { at: this.ms + ms, fn, cancelled: false };
    this.timers.push(timer);
    return { cancel: () => void (timer.cancelled = true) };
  }

  afterPoll(fn: () => void): void {
    this.polls.push(fn);
  }

  /** A free loop: every timer on time, a poll after each. */
  advance(ms: number): void {
    for (const end = this.ms + ms; this.ms < end;) {
      this.ms++;
      this.turn();
    }
  }

  /** Nothing runs for `ms`; then timers, then (by `read`) the sockets. */
  block(ms: number, read: () => void = () => undefined): void {
    this.ms += ms;
    this.runTimers();
    read();
    this.runPolls();
  }

  get armed(): number {
    return this.timers.filter(({ cancelled }) => !cancelled).length;
  }

  private turn(): void {
    this.runTimers();
    this.runPolls();
  }

  private runTimers(): void {
    const due = this.timers.filter(({ at, cancelled }) => at <= this.ms && !cancelled);
    this.timers = this.timers.filter((timer) => !due.includes(timer) && !timer.cancelled);
    for (const { fn } of due) fn();
  }

  private runPolls(): void {
    for (const fn of this.polls.splice(0)) fn();
  }
}

describe('the command timeout', () => {
  const setUp = () => {
    const clock = new HandClock();
    const deadlines = new CommandDeadlines(100, clock);
    const expired: [name: string, at: number][] = [];
    const send = (name: string) => deadlines.add(() => expired.push([name, clock.ms]));
    return { clock, deadlines, expired, send };
  };

  it('ends a command that is not answered, and only that one', () => {
    const { clock, expired, send } = setUp();
    send('silent');
    const answered = send('answered');
    clock.advance(50);
    answered.settled = true;
    send('later');
    clock.advance(100);
    expect(expired).toEqual([
      ['silent', 100],
      ['later', 150],
    ]);
  });

  it('does not take an answer that waited in the socket of a busy process for a timeout', () => {
    const { clock, expired, send } = setUp();
    const pending = send('read late');
    clock.block(400, () => void (pending.settled = true));
    clock.advance(1_000);
    expect(expired).toEqual([]);
  });

  it('reads the sockets once more before it gives up', () => {
    const { clock, expired, send } = setUp();
    const pending = send('just in time');
    clock.advance(99);
    clock.block(1, () => void (pending.settled = true));
    clock.advance(500);
    expect(expired).toEqual([]);
  });

  it('ends a command of a hung server although the process was busy, a little later', () => {
    const { clock, expired, send } = setUp();
    send('hung');
    clock.block(300);
    clock.advance(500);
    expect(expired).toHaveLength(1);
    expect(expired[0]![1]).toBeLessThanOrEqual(400);
  });

  it('ends it in a process that is always busy, too', () => {
    const { clock, expired, send } = setUp();
    send('hung');
    for (let i = 0; i < 40 && expired.length === 0; i++) clock.block(50);
    expect(expired).toHaveLength(1);
    expect(expired[0]![1]).toBeLessThanOrEqual(550);
  });

  it('keeps one timer for many commands, and none for none', () => {
    const { clock, deadlines, send } = setUp();
    const all = Array.from({ length: 5_000 }, (_, i) => send(String(i)));
    expect(clock.armed).toBe(1);
    for (const pending of all) pending.settled = true;
    clock.advance(101);
    expect(clock.armed).toBe(0);
    send('closed');
    deadlines.clear();
    expect(clock.armed).toBe(0);
  });
});
