import { closeFleets, deferred, embedded, fleet, TIMEOUT } from '../../../test/support/fleet.js';
import { settle } from '../../../test/support/virtual-clock.js';

afterEach(closeFleets);

const HELD = { ran: false, reason: 'held-elsewhere' };

describe('exclusive', () => {
  it('runs on one node at a time, and on the next when the first has finished', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const gate = deferred<string>();
    const first = nodes[0]!.exclusive('job', {}, () => gate.promise);
    await settle();
    expect(await nodes[1]!.exclusive('job', {}, async () => 'too')).toEqual(HELD);
    expect(await nodes[0]!.exclusive('job', {}, async () => 'too')).toEqual(HELD);
    expect(await nodes[1]!.exclusive('other', {}, async () => 'other')).toEqual({
      ran: true,
      result: 'other',
    });
    gate.resolve('done');
    expect(await first).toEqual({ ran: true, result: 'done' });
    await clock.pass(1);
    expect(await nodes[1]!.exclusive('job', {}, async () => 'next')).toEqual({ ran: true, result: 'next' });
  });

  it('of any number that start at once exactly one runs', async () => {
    const { nodes } = await fleet({ nodes: 5 });
    let ran = 0;
    await Promise.all(nodes.map((node) => node.exclusive('job', { holdMs: 1_000 }, async () => void ran++)));
    expect(ran).toBe(1);
  });

  it('renews the lock for as long as the work takes', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const gate = deferred<void>();
    const first = nodes[0]!.exclusive('job', { leaseMs: 3_000 }, () => gate.promise);
    await settle();
    for (let i = 0; i < 30; i++) {
      await clock.pass(1_000);
      expect(await nodes[1]!.exclusive('job', {}, async () => 1)).toEqual(HELD);
    }
    gate.resolve();
    await first;
  });

  it('a holder that dies costs one lease', async () => {
    const { nodes, clock, hub, tiers } = await fleet({ nodes: 2 });
    void nodes[0]!.exclusive('job', { leaseMs: 3_000 }, () => new Promise(() => undefined));
    await settle();
    hub.cut(tiers[0]!);
    await clock.pass(2_900);
    expect(await nodes[1]!.exclusive('job', {}, async () => 1)).toEqual(HELD);
    await clock.pass(200);
    expect(await nodes[1]!.exclusive('job', {}, async () => 1)).toEqual({ ran: true, result: 1 });
  });

  it('holdMs keeps others off although the work was quick, and ends by itself', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    await nodes[0]!.exclusive('job', { holdMs: 5_000 }, async () => 1);
    for (const node of nodes) expect(await node.exclusive('job', {}, async () => 2)).toEqual(HELD);
    await clock.pass(5_001);
    expect(await nodes[1]!.exclusive('job', {}, async () => 2)).toEqual({ ran: true, result: 2 });
  });

  it('an error of the work reaches the caller, and the lock is given back', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const error = new Error('no');
    await expect(nodes[0]!.exclusive('job', {}, () => Promise.reject(error))).rejects.toBe(error);
    await clock.pass(1);
    expect(await nodes[1]!.exclusive('job', {}, async () => 1)).toMatchObject({ ran: true });
  });

  it('with the shared tier away it runs, or skips, as asked; on this node one at a time all the same', async () => {
    const { nodes, hub } = await fleet();
    hub.down();
    expect(await nodes[0]!.exclusive('job', {}, async () => 1)).toEqual({ ran: true, result: 1 });
    expect(await nodes[0]!.exclusive('job', { onRemoteLoss: 'skip' }, async () => 1)).toEqual({
      ran: false,
      reason: 'remote-away',
    });
    const gate = deferred<void>();
    const first = nodes[0]!.exclusive('job', {}, () => gate.promise);
    await settle();
    expect(await nodes[0]!.exclusive('job', {}, async () => 1)).toEqual(HELD);
    gate.resolve();
    await first;
  });

  it('a tier that does not answer costs one command timeout', async () => {
    const { nodes, hub, clock } = await fleet();
    hub.freeze();
    const start = clock.monotonic();
    let outcome: unknown;
    void nodes[0]!.exclusive('job', {}, async () => 1).then((o) => (outcome = o));
    await clock.until(() => outcome !== undefined);
    expect(outcome).toEqual({ ran: true, result: 1 });
    expect(clock.monotonic() - start).toBeLessThanOrEqual(TIMEOUT + 5);
  });

  it('embedded: one at a time', async () => {
    const { cache } = embedded();
    const gate = deferred<void>();
    const first = cache.exclusive('job', {}, () => gate.promise);
    expect(await cache.exclusive('job', {}, async () => 1)).toEqual(HELD);
    gate.resolve();
    await first;
    expect(await cache.exclusive('job', {}, async () => 1)).toMatchObject({ ran: true });
  });
});
