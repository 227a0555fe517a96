import { closeFleets, BOUND, fleet, Source, TIMEOUT } from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';

afterEach(closeFleets);

describe('circuit around the shared tier', () => {
  it('opens after one command timeout, whatever number of reads was waiting', async () => {
    const { clock, hub, nodes } = await fleet();
    const items = nodes[0]!.namespace('items');
    const source = new Source({ a: 1, b: 2, c: 3 });
    hub.freeze();
    const start = clock.monotonic();
    const reads = ['a', 'b', 'c', 'd', 'e'].map((id) => items.getOrSet(id, source.load));
    let done = 0;
    for (const read of reads) void read.then(() => done++);
    await clock.until(() => done === 5);
    // One timeout in all: none of GET, ACQUIRE and FILL is waited for again.
    expect(clock.monotonic() - start).toBeLessThanOrEqual(TIMEOUT + 5);
    expect(nodes[0]!.health()).toMatchObject({ state: 'degraded', circuit: 'open' });
  });

  it('makes reads cost no time at all while it is open', async () => {
    const { clock, hub, nodes } = await fleet();
    const items = nodes[0]!.namespace('items');
    hub.freeze();
    const first = items.getOrSet('a', () => 1);
    await clock.pass(TIMEOUT + 1);
    await first;
    for (const id of ['a', 'b', 'c']) {
      let done = false;
      const start = clock.monotonic();
      void items.getOrSet(id, () => id).then(() => (done = true));
      await settle();
      expect(done).toBe(true);
      expect(clock.monotonic()).toBe(start);
    }
  });

  it('lets no command of a caller through while it is open: only the poll tests it', async () => {
    const { clock, hub, nodes, tiers } = await fleet();
    const items = nodes[0]!.namespace('items');
    hub.freeze();
    const first = items.getOrSet('a', () => 1);
    await clock.pass(TIMEOUT + 1);
    await first;
    const asked: string[] = [];
    for (const name of [
      'get',
      'getMany',
      'acquire',
      'acquireMany',
      'invalidate',
      'nonces',
      'scan',
    ] as const) {
      const original = tiers[0]![name].bind(tiers[0]) as (...args: never[]) => never;
      (tiers[0] as unknown as Record<string, unknown>)[name] = (...args: never[]) => {
        asked.push(name);
        return original(...args);
      };
    }
    // Long enough for a test to be due; a caller must not be the one who makes it.
    clock.jump(1_000);
    await items.getOrSet('b', () => 1);
    await items.get('b');
    await items.set('b', 2);
    await items.delete('b');
    await items.getOrSetMany(['b', 'c'], (ids) => new Map(ids.map((id) => [id, 1])));
    await nodes[0]!.invalidate({ patterns: ['items:*', 'items:b*'] });
    await nodes[0]!.invalidateWithReport({ patterns: ['items:*'] }, { dryRun: true });
    expect(asked).toEqual([]);
  });

  it('closes by itself within the bound after the hub answers again, even if the wall clock was set back', async () => {
    const { clock, hub, nodes } = await fleet();
    const items = nodes[0]!.namespace('items');
    const lift = hub.freeze();
    const first = items.getOrSet('a', () => 1);
    await clock.pass(TIMEOUT + 1);
    await first;
    await clock.pass(5_000);
    clock.setWallBack(3_600_000);
    lift();
    await clock.pass(2 * BOUND);
    expect(nodes[0]!.health()).toMatchObject({ state: 'up', circuit: 'closed', l1: { serving: true } });
    const source = new Source({ a: 'new' });
    await items.getOrSet('a', source.load);
    await items.getOrSet('a', source.load);
    expect(source.loads).toBe(1);
  });

  it('counts failed commands once each, and refused ones not at all', async () => {
    const { clock, hub, nodes } = await fleet();
    hub.neverAnswer({ executed: false });
    const first = nodes[0]!.getOrSet('items', 'a', () => 1);
    await clock.pass(TIMEOUT + 1);
    await first;
    const { errors } = nodes[0]!.stats();
    expect(errors).toBeGreaterThan(0);
    for (let i = 0; i < 20; i++) await nodes[0]!.getOrSet('items', `x${i}`, () => 1);
    expect(nodes[0]!.stats().errors).toBe(errors);
  });
});
