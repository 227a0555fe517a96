import { FakeOutbox } from '../../../../test/support/fake-outbox.js';
import { BOUND, closeFleets, fleet, type Fleet, Source, TIMEOUT } from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';

afterEach(closeFleets);

const NAMESPACES = {
  items: { ttl: '10m', onRemoteLoss: 'second-bus' },
  others: { ttl: '10m' },
  local: { ttl: '10m', onRemoteLoss: 'serve-local' },
} as const;

const A = { keys: [{ namespace: 'items', id: 'a' }] };

interface Made extends Fleet {
  outbox: FakeOutbox;
  source: Source<number>;
  read: (node: number, id?: string) => Promise<unknown>;
}

/** Nodes that follow one outbox, with `a` and `b` in every tier. */
async function made(nodes = 2): Promise<Made> {
  const one = await fleet({ nodes, namespaces: NAMESPACES });
  const outbox = new FakeOutbox(one.clock);
  for (const node of one.nodes) node.followSecondBus(outbox.bus());
  const source = new Source<number>({ a: 1, b: 1, c: 1 });
  const read = (node: number, id = 'a') => one.nodes[node]!.getOrSet('items', id, source.load);
  for (let node = 0; node < nodes; node++) {
    await read(node);
    await read(node, 'b');
  }
  await outbox.relay(one.nodes[0]!);
  // A poll after that.
  await one.clock.pass(BOUND);
  source.loads = 0;
  return { ...one, outbox, source, read };
}

describe('a namespace that goes on by the second bus', () => {
  it('serves from L1 as long as the shared tier is away, without a load', async () => {
    const { hub, clock, source, read, nodes } = await made();
    hub.down();
    for (let i = 0; i < 100; i++) {
      await clock.pass(100);
      expect(await read(0)).toBe(1);
      expect(await read(1, 'b')).toBe(1);
    }
    expect(source.loads).toBe(0);
    expect(nodes[0]!.health()).toMatchObject({
      state: 'degraded',
      l1: { serving: true },
      secondBus: { active: true, serving: true, sharedTrusted: false, problem: null },
    });
  });

  it('sees what others write meanwhile, within the bound', async () => {
    const { hub, clock, source, read, outbox } = await made();
    hub.down();
    await clock.pass(10 * BOUND);
    source.values.set('a', 2);
    outbox.commit(A);
    await clock.pass(BOUND);
    expect([await read(0), await read(1)]).toEqual([2, 2]);
    expect([await read(0, 'b'), await read(1, 'b')]).toEqual([1, 1]);
    expect(source.loads).toBe(2);
    // What was loaded meanwhile is kept as well.
    expect([await read(0), await read(1)]).toEqual([2, 2]);
    expect(source.loads).toBe(2);
  });

  it('keeps nothing that was loaded before a write and arrives after it', async () => {
    const { hub, clock, source, read, outbox } = await made();
    hub.down();
    await clock.pass(2 * BOUND);
    const release = source.hold();
    const early = read(0, 'c');
    await settle();
    source.values.set('c', 2);
    outbox.commit({ keys: [{ namespace: 'items', id: 'c' }] });
    await clock.pass(BOUND);
    release();
    expect(await early).toBe(1);
    expect(await read(0, 'c')).toBe(2);
  });

  it('sees what was committed before the loss, and never got into the log', async () => {
    const { hub, clock, source, read, outbox } = await made();
    source.values.set('a', 2);
    outbox.commit(A); // Its writer died here.
    await clock.pass(10);
    hub.down();
    await clock.pass(BOUND);
    expect([await read(0), await read(1)]).toEqual([2, 2]);
    expect(await read(0, 'b')).toBe(1);
    expect(source.loads).toBe(2);
  });

  it('forgets L1 where nobody knows what was missed before', async () => {
    const { nodes, hub, clock } = await fleet({ namespaces: NAMESPACES });
    const source = new Source<number>({ a: 1 });
    const read = () => nodes[0]!.getOrSet('items', 'a', source.load);
    await read();
    const outbox = new FakeOutbox(clock);
    nodes[0]!.followSecondBus(outbox.bus());
    source.values.set('a', 2);
    outbox.commit(A);
    await clock.pass(10);
    hub.down();
    await clock.pass(BOUND);
    expect(await read()).toBe(2);
    await clock.pass(10 * BOUND);
    expect(await read()).toBe(2);
    expect(source.loads).toBe(2);
  });

  it('stops serving when the second bus is away too', async () => {
    const { hub, clock, source, read, outbox, nodes } = await made(1);
    hub.down();
    await clock.pass(BOUND);
    outbox.down = true;
    await clock.pass(BOUND);
    source.values.set('a', 2);
    outbox.commit(A);
    expect(await read(0)).toBe(2);
    expect(nodes[0]!.health()).toMatchObject({
      l1: { serving: false },
      secondBus: { serving: false, problem: 'the database is away' },
    });
    outbox.down = false;
    await clock.pass(BOUND);
    await read(0);
    await read(0);
    expect(source.loads).toBe(2);
  });

  it('serves no longer than the bound after a look was sent, however late its answer came', async () => {
    const { hub, clock, source, read, outbox } = await made(1);
    hub.down();
    await clock.pass(2 * BOUND);
    let release = outbox.hold();
    await clock.pass(BOUND / 4 + 1);
    const { polls } = outbox;
    source.values.set('a', 2);
    outbox.commit(A);
    await clock.pass(BOUND - 50);
    release();
    release = outbox.hold();
    await clock.until(() => outbox.polls > polls);
    await clock.pass(60);
    expect(await read(0)).toBe(2);
    release();
  });

  it('sees what the others replayed after it had lost the shared tier', async () => {
    const { hub, clock, source, read, outbox, nodes, tiers } = await made();
    hub.inject({ at: 'request', how: 'lost', tier: tiers[1]! });
    await clock.pass(BOUND / 4 + 1);
    source.values.set('a', 2);
    outbox.commit(A);
    expect(await outbox.relay(nodes[0]!)).toBe(true);
    await clock.pass(2 * BOUND);
    expect(await read(1)).toBe(2);
    expect(nodes[1]!.health().secondBus).toMatchObject({ serving: true });
  });

  it.each([
    ['misses something', (outbox: FakeOutbox) => void (outbox.lost = true)],
    [
      'names what nobody here knows',
      (outbox: FakeOutbox) => void outbox.commit({ namespaces: ['of-a-newer-version'] }),
    ],
  ])('forgets L1 when a look %s', async (_name, happens) => {
    const { hub, clock, source, read, outbox } = await made(1);
    hub.down();
    await clock.pass(2 * BOUND);
    source.values.set('a', 2);
    happens(outbox);
    await clock.pass(BOUND);
    expect(await read(0)).toBe(2);
    expect(await read(0, 'b')).toBe(1);
    await read(0, 'b');
    expect(source.loads).toBe(2);
  });

  it('keeps entries whose tags are read off the value', async () => {
    const { hub, clock, source, outbox, nodes } = await made(1);
    hub.down();
    await clock.pass(2 * BOUND);
    const read = () => nodes[0]!.getOrSet('items', 'c', source.load, { tagsOf: () => ['sector:tech'] });
    await read();
    await read();
    expect(source.loads).toBe(1);
    outbox.commit({ tags: ['sector:tech'] });
    await clock.pass(BOUND);
    await read();
    expect(source.loads).toBe(2);
  });

  it('another namespace goes to the source', async () => {
    const { hub, clock, nodes } = await made(1);
    const source = new Source<number>({ a: 1 });
    const read = () => nodes[0]!.getOrSet('others', 'a', source.load);
    await read();
    hub.down();
    await clock.pass(2 * BOUND);
    await read();
    await read();
    expect(source.loads).toBe(3);
  });
});

describe('when the shared tier is back', () => {
  it('is not believed before everything was replayed that changed meanwhile', async () => {
    const { hub, clock, source, read, outbox, nodes } = await made();
    hub.down();
    await clock.pass(2 * BOUND);
    source.values.set('a', 2);
    outbox.commit(A);
    await clock.pass(BOUND);
    hub.up();
    await clock.until(() => nodes[1]!.health().circuit === 'closed' && nodes[1]!.epoch !== null);
    await clock.pass(2 * BOUND);
    expect(await nodes[1]!.namespace('items').getOrSet('a', source.load, { fresh: true })).toBe(2);
    expect(await nodes[1]!.get('items', 'a')).toBe(2);
    expect(nodes[1]!.health()).toMatchObject({ secondBus: { active: true, sharedTrusted: false } });
    while (!(await outbox.relay(nodes[0]!))) await clock.pass(10);
    await clock.until(() => nodes[1]!.health().secondBus?.sharedTrusted === true, 2 * BOUND);
    source.loads = 0;
    await read(0);
    await read(1);
    expect(source.loads).toBe(1);
  });

  it('a node that has nothing of its own does not take the old value from it', async () => {
    const { hub, clock, source, read, outbox, nodes } = await made();
    hub.down();
    await clock.pass(2 * BOUND);
    source.values.set('a', 2);
    outbox.commit(A);
    await clock.pass(BOUND);
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
    hub.up();
    await clock.until(() => nodes[1]!.epoch !== null && nodes[1]!.health().circuit === 'closed');
    for (let i = 0; i < 20; i++) {
      await clock.pass(10);
      expect(await nodes[1]!.get('items', 'a')).toBeUndefined();
    }
    expect(await read(1)).toBe(2);
  });

  it('L1 serves without a break', async () => {
    const { hub, clock, nodes } = await made(1);
    hub.down();
    await clock.pass(10 * BOUND);
    hub.up();
    for (let i = 0; i < 4 * BOUND; i++) {
      await clock.pass(1);
      expect(nodes[0]!.health().l1.serving).toBe(true);
    }
    expect(nodes[0]!.health().secondBus).toMatchObject({ active: false, sharedTrusted: true });
  });

  it('a look from before its return does not count', async () => {
    const { hub, clock, outbox, nodes } = await made();
    hub.down();
    await clock.pass(2 * BOUND);
    const release = outbox.hold();
    await clock.pass(BOUND / 4 + 1);
    outbox.commit(A);
    hub.up();
    await clock.until(() => nodes.every((node) => node.health().circuit === 'closed' && node.epoch !== null));
    await clock.pass(BOUND / 2);
    release();
    await clock.pass(2 * BOUND);
    expect(nodes[0]!.health().secondBus).toMatchObject({ sharedTrusted: false });
  });

  it('lost again meanwhile, it is not believed before what changed since was replayed, too', async () => {
    const { hub, clock, outbox, nodes } = await made();
    const epoch = nodes[0]!.epoch!;
    hub.down();
    const first = outbox.commit(A);
    await clock.pass(2 * BOUND);
    hub.up();
    await clock.pass(4 * BOUND);
    hub.down();
    await clock.pass(2 * BOUND);
    outbox.commit({ keys: [{ namespace: 'items', id: 'b' }] });
    hub.up();
    first.applied.add(epoch);
    await clock.pass(4 * BOUND);
    expect(nodes[0]!.health().secondBus).toMatchObject({ sharedTrusted: false });
    expect(await nodes[0]!.get('items', 'b')).toBeUndefined();
  });

  it('lost while the answer was under way, it is not believed either', async () => {
    const { hub, clock, outbox, nodes } = await made(1);
    hub.down();
    await clock.pass(2 * BOUND);
    hub.up();
    // The look after its return, and then the question whether all is replayed.
    await clock.until(() => nodes[0]!.health().circuit === 'closed');
    const release = outbox.hold();
    await clock.pass(BOUND);
    hub.down();
    await clock.pass(10);
    outbox.commit(A);
    release();
    hub.up();
    await clock.pass(4 * BOUND);
    expect(nodes[0]!.health().secondBus).toMatchObject({ sharedTrusted: false });
  });

  it('a connection that was only interrupted is doubted as well', async () => {
    const { hub, clock, outbox, nodes } = await made(1);
    outbox.commit(A);
    hub.down();
    await settle();
    hub.up();
    await clock.pass(1);
    expect(nodes[0]!.health().secondBus).toMatchObject({ sharedTrusted: false });
  });

  it('a namespace that serves locally without it goes on until it is believed', async () => {
    const { hub, clock, outbox, nodes } = await made(1);
    const source = new Source<number>({ a: 1 });
    const read = () => nodes[0]!.getOrSet('local', 'a', source.load);
    await read();
    hub.down();
    outbox.commit(A);
    await clock.pass(2 * BOUND);
    hub.up();
    await clock.pass(4 * BOUND);
    expect(nodes[0]!.health()).toMatchObject({ circuit: 'closed', secondBus: { sharedTrusted: false } });
    await read();
    expect(source.loads).toBe(1);
  });

  it('its log alone is no reason to serve', async () => {
    const { hub, clock, source, read, outbox } = await made(1);
    hub.down();
    await clock.pass(BOUND);
    outbox.down = true;
    source.values.set('a', 2);
    outbox.commit(A);
    hub.up();
    await clock.pass(4 * BOUND);
    expect(await read(0)).toBe(2);
  });

  it('the second bus is asked no more', async () => {
    const { hub, clock, outbox, nodes } = await made(1);
    hub.down();
    await clock.pass(2 * BOUND);
    hub.up();
    await clock.until(() => nodes[0]!.health().secondBus?.active === false, 5_000);
    const { polls } = outbox;
    await clock.pass(20 * BOUND);
    expect(outbox.polls).toBe(polls);
    expect(nodes[0]!.health()).toMatchObject({ state: 'up', l1: { serving: true } });
  });
});

describe('an invalidation that is recorded already', () => {
  it('is not kept when it was not answered, however many there are; the shared tier is doubted instead', async () => {
    const { hub, clock, nodes, outbox, read, source } = await made(1);
    hub.down();
    await clock.pass(2 * BOUND);
    for (let i = 0; i < 10_500; i++) {
      const selector = { keys: [{ namespace: 'items', id: `x${i}` }] };
      outbox.commit(selector);
      await nodes[0]!.invalidate(selector, { recorded: true });
    }
    expect(nodes[0]!.health().pendingInvalidations).toBe(0);
    await clock.pass(BOUND);
    expect(await read(0)).toBe(1);
    expect(source.loads).toBe(0);
  });

  it('lost on the way, it keeps the shared tier out until it was replayed', async () => {
    const { hub, clock, nodes, outbox, read, source, tiers } = await made();
    const lift = hub.inject({ at: 'request', how: 'lost', commands: ['invalidate'], tier: tiers[0]! });
    source.values.set('a', 2);
    const row = outbox.commit(A);
    const sent = nodes[0]!.invalidate(A, { recorded: true });
    await clock.pass(TIMEOUT + 1);
    expect((await sent).acknowledged).toBe(false);
    await clock.until(() => nodes[0]!.health().circuit === 'closed');
    expect(nodes[0]!.health()).toMatchObject({
      pendingInvalidations: 0,
      secondBus: { sharedTrusted: false },
    });
    expect(await nodes[0]!.get('items', 'a')).toBeUndefined();
    expect(await read(0)).toBe(2);
    lift();
    expect(row.applied.size).toBe(0);
    while (!(await outbox.relay(nodes[1]!))) await clock.pass(10);
    await clock.until(() => nodes[0]!.health().secondBus?.sharedTrusted === true, 2 * BOUND);
  });
});

describe('an invalidation by the application', () => {
  it('is written down where entries go on by the second bus, and settled by the answer of the shared tier', async () => {
    const { nodes, outbox } = await made(1);
    const epoch = nodes[0]!.epoch!;
    const before = outbox.rows.length;
    await nodes[0]!.delete('items', ['a', 'b']);
    await nodes[0]!.set('items', 'a', 3);
    await nodes[0]!.deleteByTag('t');
    await nodes[0]!.clear('items');
    await nodes[0]!.invalidate({ patterns: ['items:a*'] });
    const rows = outbox.rows.slice(before);
    expect(rows.map(({ selector }) => JSON.parse(JSON.stringify(selector)))).toEqual([
      {
        keys: [
          { namespace: 'items', id: 'a' },
          { namespace: 'items', id: 'b' },
        ],
      },
      { keys: [{ namespace: 'items', id: 'a' }] },
      { tags: ['t'] },
      { namespaces: ['items'] },
      { patterns: ['items:a*'] },
    ]);
    for (const { applied } of rows) expect([...applied]).toEqual([epoch]);
  });

  it('is not written down where nothing depends on it', async () => {
    const { nodes, outbox } = await made(1);
    const before = outbox.rows.length;
    await nodes[0]!.delete('others', 'a');
    await nodes[0]!.set('others', 'a', 3);
    await nodes[0]!.invalidate(A, { recorded: true });
    expect(outbox.rows.length).toBe(before);
  });

  it('reaches a node that cannot hear the shared tier', async () => {
    const { hub, clock, nodes, source, read, tiers } = await made();
    hub.inject({ at: 'request', how: 'lost', tier: tiers[1]! });
    await clock.pass(4 * BOUND);
    expect(await read(1)).toBe(1);
    expect(source.loads).toBe(0);
    source.values.set('a', 2);
    expect((await nodes[0]!.delete('items', 'a')).acknowledged).toBe(true);
    await clock.pass(BOUND);
    expect(await read(1)).toBe(2);
  });

  it('is written down later when the database is away, and nobody waits for it', async () => {
    const { clock, nodes, outbox } = await made(1);
    outbox.down = true;
    const before = outbox.rows.length;
    expect((await nodes[0]!.delete('items', 'a')).acknowledged).toBe(true);
    expect(nodes[0]!.health().secondBus).toMatchObject({ unrecorded: 1 });
    outbox.down = false;
    await clock.until(() => nodes[0]!.health().secondBus?.unrecorded === 0, 2_000);
    expect(outbox.rows.length).toBe(before + 1);
  });
});
