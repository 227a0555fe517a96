import { LoadGate } from './load-gate.js';

/** Lets everything that can run, run. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

function deferred() {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

describe('the load gate', () => {
  it('runs no more loads at once than allowed, in the order they came', async () => {
    const gate = new LoadGate({ maxConcurrent: 2 });
    const started: number[] = [];
    const loads = [0, 1, 2, 3].map(() => deferred());
    const runs = loads.map((load, index) =>
      gate.run(() => {
        started.push(index);
        return load.promise;
      }),
    );
    await settle();
    expect(started).toEqual([0, 1]);
    loads[1]?.resolve();
    await settle();
    expect(started).toEqual([0, 1, 2]);
    loads.forEach((load) => load.resolve());
    await Promise.all(runs);
    expect(started).toEqual([0, 1, 2, 3]);
  });

  it('goes on after a load that failed', async () => {
    const gate = new LoadGate({ maxConcurrent: 1 });
    await expect(gate.run(() => Promise.reject(new Error('source down')))).rejects.toThrow('source down');
    await expect(gate.run(() => 'next')).resolves.toBe('next');
  });

  it('gives a place back once, however often it is released', async () => {
    const gate = new LoadGate({ maxConcurrent: 1 });
    const first = await gate.enter();
    first.release();
    first.release();
    const second = await gate.enter();
    let third = false;
    void gate.enter().then(() => (third = true));
    await settle();
    expect(third).toBe(false);
    second.release();
    await settle();
    expect(third).toBe(true);
  });

  it('pauses between the starts of two loads', async () => {
    let now = 0;
    const pauses: number[] = [];
    const sleep = (ms: number) => {
      pauses.push(ms);
      now += ms;
      return Promise.resolve();
    };
    const gate = new LoadGate({ maxConcurrent: 1, delayMs: 100, now: () => now, sleep });
    const starts: number[] = [];
    const load = (takes: number) => () => {
      starts.push(now);
      now += takes;
    };
    await gate.run(load(30));
    await gate.run(load(250));
    await gate.run(load(0));
    expect(starts).toEqual([0, 100, 350]);
    expect(pauses).toEqual([70]);
  });

  it('starts nothing after an abort', async () => {
    const gate = new LoadGate({ maxConcurrent: 1 });
    let ran = false;
    await expect(gate.run(() => (ran = true), AbortSignal.abort())).rejects.toThrow();
    expect(ran).toBe(false);
    await expect(gate.run(() => 'free again')).resolves.toBe('free again');
  });
});
