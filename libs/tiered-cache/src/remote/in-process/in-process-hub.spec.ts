import { VirtualClock } from '../../../../../test/support/virtual-clock.js';
import type { RemoteState, RemoteTier } from '../remote-tier.js';
import { InProcessHub } from './in-process-hub.js';
import { createInProcessTier } from './in-process-tier.js';

const UNAVAILABLE = { code: 'STRATA_REMOTE_UNAVAILABLE' };
const key = 'items:1';

describe('the in-process hub', () => {
  let clock: VirtualClock;
  let hub: InProcessHub;
  let wakes: number;

  beforeEach(() => {
    clock = new VirtualClock();
    hub = new InProcessHub({ clock, commandTimeoutMs: 100, logMaxLength: 10 });
    wakes = 0;
  });

  async function node(): Promise<RemoteTier & { states: [RemoteState, string?][] }> {
    const states: [RemoteState, string?][] = [];
    const tier = Object.assign(createInProcessTier(hub), { states });
    tier.start({
      wake: () => (wakes += 1),
      stateChanged: (state, reason) => states.push(reason === undefined ? [state] : [state, reason]),
    });
    await settled();
    return tier;
  }

  /** Lets everything happen that needs no time. */
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  /** What became of a promise, without waiting for it. */
  async function fate(promise: Promise<unknown>): Promise<'pending' | 'done' | 'rejected'> {
    let state: 'pending' | 'done' | 'rejected' = 'pending';
    promise.then(
      () => (state = 'done'),
      () => (state = 'rejected'),
    );
    await settled();
    return state;
  }

  it('refuses while down, and tells the tiers when it goes and comes', async () => {
    const tier = await node();
    hub.down('power cut');
    await expect(tier.get(key)).rejects.toMatchObject(UNAVAILABLE);
    hub.up();
    await settled();
    expect(await tier.get(key)).toBeNull();
    expect(tier.states).toEqual([['connecting'], ['ready'], ['down', 'power cut'], ['ready']]);
  });

  it('is joined by a tier that was started while it was down', async () => {
    hub.down();
    const tier = await node();
    expect(tier.state).toBe('down');
    hub.up();
    await settled();
    expect(tier.state).toBe('ready');
  });

  it('drops what is in flight when it goes down, executed or not', async () => {
    const tier = await node();
    hub.inject({ at: 'request', how: 'held' });
    const waiting = tier.nonces(['t']);
    hub.down();
    await expect(waiting).rejects.toMatchObject(UNAVAILABLE);
    hub.up();
    hub.liftFaults();
    await settled();
    expect(await tier.poll(null, [])).toMatchObject({ lost: false });
  });

  it('cuts off one tier and lets the others go on', async () => {
    const [a, b] = [await node(), await node()];
    hub.cut(a);
    await expect(a.get(key)).rejects.toMatchObject(UNAVAILABLE);
    await b.invalidate({ keys: [key], tags: [] });
    hub.down();
    hub.up();
    await settled();
    expect([a.state, b.state]).toEqual(['down', 'ready']);
    hub.mend(a);
    await settled();
    expect(await a.get(key)).toBeNull();
  });

  it('can lose the answer of a command it has executed', async () => {
    const [a, b] = [await node(), await node()];
    const from = await b.poll(null, []);
    const lift = hub.inject({ at: 'answer', how: 'lost', commands: ['invalidate'], tier: a });
    const lost = a.invalidate({ keys: [key], tags: [] });
    expect(await fate(lost)).toBe('pending');
    clock.advance(100);
    await expect(lost).rejects.toMatchObject(UNAVAILABLE);
    expect((await b.poll(from.cursor, [])).records).toHaveLength(1);
    lift();
    await a.invalidate({ keys: [key], tags: [] });
  });

  it('can lose a command before it is executed', async () => {
    const tier = await node();
    const from = await tier.poll(null, []);
    hub.neverAnswer({ executed: false });
    const lost = tier.invalidate({ keys: [key], tags: [] });
    await settled();
    clock.advance(100);
    await expect(lost).rejects.toMatchObject(UNAVAILABLE);
    hub.liftFaults();
    expect((await tier.poll(from.cursor, [])).records).toEqual([]);
  });

  it('executes late what waited before it, and the lease makes a late fill harmless', async () => {
    const [a, b] = [await node(), await node()];
    await a.acquire({ key, token: 't', leaseMs: 60_000 });
    const lift = hub.inject({ at: 'request', how: 'held', tier: a });
    const late = a.fill({ key, token: 't', value: Buffer.from('old'), ttlMs: null });
    const timedOut = expect(late).rejects.toMatchObject(UNAVAILABLE);
    await settled();
    clock.advance(100);
    await timedOut;
    await b.invalidate({ keys: [key], tags: [] });
    lift();
    await settled();
    expect(await b.get(key)).toBeNull();
  });

  it('delays answers by the clock, and times out when that is too long', async () => {
    const tier = await node();
    const lift = hub.delay(60);
    const slow = tier.get(key);
    expect(await fate(slow)).toBe('pending');
    clock.advance(60);
    expect(await slow).toBeNull();
    lift();
    hub.delay(200);
    const tooSlow = tier.get(key);
    await settled();
    clock.advance(100);
    await expect(tooSlow).rejects.toMatchObject(UNAVAILABLE);
    clock.advance(100);
  });

  it('lets a fault wear off', async () => {
    const tier = await node();
    hub.inject({ at: 'request', how: 'lost', times: 1 });
    const first = tier.get(key);
    await settled();
    clock.advance(100);
    await expect(first).rejects.toMatchObject(UNAVAILABLE);
    expect(await tier.get(key)).toBeNull();
  });

  it('wakes every tier of the prefix, unless wakes are lost', async () => {
    const [a] = [await node(), await node()];
    await a.invalidate({ keys: [key], tags: [] });
    await settled();
    expect(wakes).toBe(2);
    hub.inject({ at: 'answer', how: 'lost', commands: ['wake'] });
    await a.invalidate({ keys: [key], tags: [] });
    await settled();
    expect(wakes).toBe(2);
  });

  it('restarts in a new epoch, with or without its data', async () => {
    const tier = await node();
    const before = await tier.poll(null, []);
    await tier.acquire({ key, token: 't', leaseMs: 60_000 });
    hub.restart({ keepData: true });
    await settled();
    const kept = await tier.poll(before.cursor, []);
    expect(kept).toMatchObject({ lost: false, epoch: hub.epoch });
    expect(kept.epoch).not.toBe(before.epoch);
    expect(await tier.fill({ key, token: 't', value: Buffer.from('x'), ttlMs: null })).toBe(true);
    hub.restart();
    await settled();
    expect((await tier.poll(before.cursor, [])).lost).toBe(true);
    expect(await tier.get(key)).toBeNull();
    expect(tier.states.map(([state]) => state)).toEqual([
      'connecting',
      'ready',
      'down',
      'ready',
      'down',
      'ready',
    ]);
  });

  it('gives new nonces after it was flushed', async () => {
    const tier = await node();
    const before = await tier.nonces(['t']);
    hub.flush();
    expect(await tier.nonces(['t'])).not.toEqual(before);
  });

  it('keeps its log within bounds', async () => {
    const tier = await node();
    const old = await tier.poll(null, []);
    for (let i = 0; i < 40; i++) await tier.invalidate({ keys: [key], tags: [] });
    expect((await tier.poll(old.cursor, [])).lost).toBe(true);
    const recent = await tier.poll(null, []);
    for (let i = 0; i < 10; i++) await tier.invalidate({ keys: [key], tags: [] });
    expect(await tier.poll(recent.cursor, [])).toMatchObject({ lost: false, complete: true });
  });
});
