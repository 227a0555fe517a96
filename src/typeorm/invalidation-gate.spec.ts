import {
  CacheClosedError,
  type Clock,
  type InvalidateOptions,
  type InvalidationResult,
  type InvalidationSelector,
} from '#tiered-cache';
import { InvalidationGate } from './invalidation-gate.js';

class ManualClock implements Clock {
  private timers = new Set<{ ms: number; fn: () => void }>();
  now = (): number => 0;
  monotonic = (): number => 0;
  setTimer(ms: number, fn: () => void): () => void {
    const timer = { ms, fn };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  }
  pass(): void {
    for (const timer of this.timers) timer.fn();
    this.timers.clear();
  }
  get pending(): number[] {
    return [...this.timers].map((timer) => timer.ms);
  }
}

const selector: InvalidationSelector = { keys: [{ namespace: 'coins', id: 'BTC' }], tags: ['entity:Coin'] };

describe('between a committed write and the cache', () => {
  let clock: ManualClock;
  let lines: string[];
  let calls: InvalidationSelector[];
  /** How long the cache was told that the writer waits. */
  let patiences: (number | undefined)[];
  let answer: () => Promise<InvalidationResult>;
  let gate: InvalidationGate;

  beforeEach(() => {
    clock = new ManualClock();
    lines = [];
    calls = [];
    patiences = [];
    answer = async () => ({ acknowledged: true, position: '1-0' });
    const cache = {
      async invalidate(one: InvalidationSelector, { patience }: InvalidateOptions = {}) {
        calls.push(one);
        patiences.push(patience);
        return answer();
      },
    };
    const log = { warn: (line: string) => lines.push(line), error: (line: string) => lines.push(line) };
    gate = new InvalidationGate(cache, 50, clock, log);
  });

  it('the writer waits for the answer, and no timer is left', async () => {
    await gate.send(selector);
    expect(calls).toEqual([selector]);
    expect(clock.pending).toEqual([]);
    expect(gate.counts).toEqual({ sent: 1, late: 0, unacknowledged: 0, failed: 0 });
  });

  it('what the write has waited for its fence is taken off the limit', async () => {
    answer = () => new Promise(() => {});
    const sending = gate.send(selector, { waitedMs: 20 });
    expect(clock.pending).toEqual([30]);
    clock.pass();
    await sending;
    const another = gate.send(selector, { waitedMs: 70 });
    expect(clock.pending).toEqual([0]);
    clock.pass();
    await another;
    expect(gate.counts).toMatchObject({ sent: 2, late: 2 });
    // Then the cache bypasses what it has not been answered.
    expect(patiences).toEqual([30, 0]);
  });

  it('a fence goes with its invalidation: the cache is not told twice', async () => {
    const fenced: (InvalidationSelector | undefined)[] = [];
    const invalidate = async (one?: InvalidationSelector) => {
      fenced.push(one);
      return answer();
    };
    await gate.send(selector, { fence: { invalidate } });
    expect(fenced).toEqual([selector]);
    expect(calls).toEqual([]);
  });

  it('nothing to say is not said', async () => {
    await gate.send({});
    expect(calls).toEqual([]);
    expect(gate.counts.sent).toBe(0);
  });

  it('the writer goes on after the limit; the log names the keys; the late answer does no harm', async () => {
    let arrive: (result: InvalidationResult) => void = () => {};
    answer = () => new Promise((resolve) => (arrive = resolve));
    const sent = gate.send(selector);
    expect(clock.pending).toEqual([50]);
    clock.pass();
    await sent;
    expect(lines).toEqual([expect.stringMatching(/50 ms.*coins:BTC.*entity:Coin/)]);
    expect(gate.counts.late).toBe(1);
    arrive({ acknowledged: false, position: null });
    await Promise.resolve();
    await Promise.resolve();
    expect(gate.counts.unacknowledged).toBe(1);
  });

  it('a refused selector clears the cache, and nothing is thrown', async () => {
    let refusals = 1;
    answer = async () => {
      if (refusals-- > 0) throw new Error('bad tag');
      return { acknowledged: true, position: null };
    };
    await gate.send(selector);
    expect(calls).toEqual([selector, { all: true }]);
    expect(lines).toEqual([expect.stringMatching(/coins:BTC.*bad tag/)]);
  });

  it.each([
    ['refuses everything', new Error('no'), 2],
    ['is closed', new CacheClosedError(), 1],
  ])('a cache that %s is not asked for ever', async (_how, error, asked) => {
    answer = () => Promise.reject(error);
    await gate.send(selector);
    expect(calls).toHaveLength(asked);
  });

  it('a log line stays short', async () => {
    answer = () => Promise.reject(new CacheClosedError());
    await gate.send({ tags: Array.from({ length: 500 }, (_, i) => `t${i}`) });
    expect(lines).toEqual([expect.stringContaining('tag t19 and 480 more')]);
  });
});
