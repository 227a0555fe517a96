import { RemoteUnavailableError } from '#tiered-cache';
import { alone, inTurn, type FleetLock } from './fleet-turn.js';

/** A lock as the engine's, in one process. */
class LocalLock implements FleetLock {
  readonly held = new Set<string>();
  async exclusive<R>(name: string, _options: { leaseMs: number }, fn: () => Promise<R>) {
    if (this.held.has(name)) return { ran: false };
    this.held.add(name);
    try {
      return { ran: true, result: await fn() };
    } finally {
      this.held.delete(name);
    }
  }
}

const never = new AbortController().signal;

describe('running alone in the fleet', () => {
  it('runs what nobody else runs', async () => {
    const lock = new LocalLock();
    await expect(alone(lock, 'job', 1_000, async () => 'done')).resolves.toEqual({
      ran: true,
      result: 'done',
    });
    lock.held.add('job');
    await expect(alone(lock, 'job', 1_000, async () => 'done')).resolves.toEqual({ ran: false });
  });

  it('runs anyway when the shared tier does not answer', async () => {
    const lock: FleetLock = { exclusive: () => Promise.reject(new RemoteUnavailableError('gone')) };
    await expect(alone(lock, 'job', 1_000, async () => 'done')).resolves.toEqual({
      ran: true,
      result: 'done',
    });
  });

  it('does not run twice when the shared tier goes away during the work', async () => {
    let runs = 0;
    const lock: FleetLock = {
      async exclusive(_name, _options, fn) {
        await fn();
        throw new RemoteUnavailableError('gone');
      },
    };
    await expect(alone(lock, 'job', 1_000, async () => (runs += 1))).rejects.toThrow('gone');
    expect(runs).toBe(1);
  });
});

describe('a turn at a scheduled moment', () => {
  it('answers when the work is done and stays taken for a late clock', async () => {
    const lock = new LocalLock();
    const stop = new AbortController();
    const first = await inTurn(
      lock,
      'turn',
      { leaseMs: 1_000, intervalMs: 600_000, signal: stop.signal },
      async () => 'done',
    );
    expect(first).toMatchObject({ ran: true, result: 'done' });
    const late = await inTurn(
      lock,
      'turn',
      { leaseMs: 1_000, intervalMs: 600_000, signal: never },
      async () => 'again',
    );
    expect(late.ran).toBe(false);
    stop.abort();
    await first.released;
    expect(lock.held.size).toBe(0);
  });

  it('is free again at once when the work took longer than it would have been held', async () => {
    const lock = new LocalLock();
    const turn = await inTurn(
      lock,
      'turn',
      { leaseMs: 1_000, intervalMs: 0, signal: never },
      async () => 'done',
    );
    await turn.released;
    expect(lock.held.size).toBe(0);
  });

  it('hands on what the work throws', async () => {
    const failing = inTurn(
      new LocalLock(),
      'turn',
      { leaseMs: 1_000, intervalMs: 1_000, signal: never },
      () => Promise.reject(new Error('broken')),
    );
    await expect(failing).rejects.toThrow('broken');
  });
});
