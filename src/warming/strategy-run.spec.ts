import { LoadGate } from './load-gate.js';
import type { WarmingReason, WarmingStrategy, WarmingWork } from './strategy.js';
import { StrategyRun, type RunDependencies } from './strategy-run.js';

class FakeCache {
  readonly stored = new Map<string, unknown>();
  async getOrSet(namespace: string, id: string, load: () => unknown, { fresh }: { fresh: boolean }) {
    const key = `${namespace}:${id}`;
    if (fresh || !this.stored.has(key)) this.stored.set(key, await load());
    return this.stored.get(key);
  }
}

/** Counts loads under way and the most there were at once. */
class Source {
  now = 0;
  most = 0;
  calls = 0;
  load = async (): Promise<number> => {
    this.calls += 1;
    this.most = Math.max(this.most, (this.now += 1));
    await new Promise((resolve) => setImmediate(resolve));
    this.now -= 1;
    return this.calls;
  };
}

function runOf(
  warm: WarmingStrategy['warm'],
  { reason = 'cron', ...rest }: Partial<RunDependencies> & { reason?: WarmingReason } = {},
) {
  const cache = new FakeCache();
  const run = new StrategyRun({ name: 'test', warm }, reason, {
    cache: cache as never,
    gate: new LoadGate({ maxConcurrent: 5 }),
    signal: new AbortController().signal,
    ...rest,
  });
  return { run, cache };
}

const entries = (count: number, load: () => unknown): WarmingWork =>
  Array.from({ length: count }, (_, index) => ({ namespace: 'ns', id: String(index), load }));

describe('a run of a strategy', () => {
  it('loads items at the bounded concurrency and counts them', async () => {
    const source = new Source();
    const { run, cache } = runOf(() => entries(20, source.load));
    await run.execute();
    expect(run.itemsProcessed).toBe(20);
    expect(cache.stored.size).toBe(20);
    expect(source.most).toBe(5);
  });

  it('shares the bound with other strategies', async () => {
    const source = new Source();
    const gate = new LoadGate({ maxConcurrent: 3 });
    const runs = [1, 2, 3, 4].map(() => runOf(() => entries(5, source.load), { gate }).run);
    const bodies = [1, 2, 3, 4].map(() => runOf(() => source.load().then(() => undefined), { gate }).run);
    await Promise.all([...runs, ...bodies].map((run) => run.execute()));
    expect(source.calls).toBe(24);
    expect(source.most).toBe(3);
  });

  it('reloads what is there at a scheduled run, and fills only gaps at start-up', async () => {
    const source = new Source();
    const { run, cache } = runOf(() => entries(1, source.load), { reason: 'startup' });
    cache.stored.set('ns:0', 'still good');
    await run.execute();
    expect(source.calls).toBe(0);
    const scheduled = runOf(() => entries(1, source.load), { cache: cache as never });
    await scheduled.run.execute();
    expect(source.calls).toBe(1);
    expect(cache.stored.get('ns:0')).toBe(1);
  });

  it('goes on after an item that fails, and says what failed', async () => {
    const { run } = runOf(() => [
      { namespace: 'ns', id: 'a', load: () => Promise.reject(new Error('no such symbol')) },
      { namespace: 'ns', id: 'b', load: () => 1 },
      'not an item' as never,
    ]);
    await run.execute();
    expect(run.itemsProcessed).toBe(1);
    expect(run.failures).toBe(2);
    expect(run.messages).toEqual(['no such symbol', expect.stringContaining('{ namespace, id, load }')]);
  });

  it('takes a number, nothing, functions, and async generators for an answer', async () => {
    const count = runOf(() => 7);
    await count.run.execute();
    expect(count.run.itemsProcessed).toBe(7);

    const nothing = runOf(async () => {});
    await nothing.run.execute();
    expect(nothing.run.itemsProcessed).toBe(1);

    const called: string[] = [];
    const generated = runOf(async function* () {
      yield () => called.push('first');
      yield () => called.push('second');
    });
    await generated.run.execute();
    expect(called).toEqual(['first', 'second']);
    expect(generated.run.itemsProcessed).toBe(2);
  });

  it('does not wait for itself when a method asks the gate for its loads', async () => {
    const source = new Source();
    const gate = new LoadGate({ maxConcurrent: 1 });
    const warm: WarmingStrategy['warm'] = async (context) => {
      await Promise.all(['a', 'b', 'c'].map((id) => context.refresh('ns', id, source.load)));
    };
    const runs = [runOf(warm, { gate }).run, runOf(warm, { gate }).run];
    await Promise.all(runs.map((run) => run.execute()));
    expect(runs.map((run) => run.itemsProcessed)).toEqual([3, 3]);
    expect(source.most).toBe(1);
  });

  it('does not wait for itself when a generator asks the gate for loads between its items', async () => {
    const source = new Source();
    const { run } = runOf(
      async function* (context) {
        const rows = await context.refresh('ns', 'list', source.load);
        yield { namespace: 'ns', id: String(rows), load: source.load };
      },
      { gate: new LoadGate({ maxConcurrent: 1 }) },
    );
    await run.execute();
    expect(run.itemsProcessed).toBe(2);
  });

  it('hands the error of refresh() to the strategy and counts it', async () => {
    const { run } = runOf(async (context) => {
      const failing = () => Promise.reject(new Error('upstream 500'));
      await expect(context.refresh('ns', 'a', failing)).rejects.toThrow('upstream 500');
    });
    await run.execute();
    expect(run.failures).toBe(1);
  });

  it('asks a generator only for as much as is being loaded', async () => {
    let asked = 0;
    const waiting: (() => void)[] = [];
    const { run } = runOf(
      function* () {
        for (; asked < 10;) {
          asked += 1;
          yield () => new Promise<void>((resolve) => waiting.push(resolve));
        }
      },
      { gate: new LoadGate({ maxConcurrent: 2 }) },
    );
    const done = run.execute();
    await new Promise((resolve) => setImmediate(resolve));
    expect(waiting).toHaveLength(2);
    expect(asked).toBeLessThanOrEqual(3);
    while (run.itemsProcessed < 10) {
      waiting.splice(0).forEach((release) => release());
      await new Promise((resolve) => setImmediate(resolve));
    }
    await done;
  });

  it('stops at a shutdown, lets the generator clean up, and counts no failure', async () => {
    const stop = new AbortController();
    let cleaned = false;
    const { run } = runOf(
      async function* () {
        try {
          for (;;) yield () => stop.abort();
        } finally {
          cleaned = true;
        }
      },
      { signal: stop.signal, gate: new LoadGate({ maxConcurrent: 1 }) },
    );
    await run.execute();
    expect(run.failures).toBe(0);
    expect(cleaned).toBe(true);
  });
});
