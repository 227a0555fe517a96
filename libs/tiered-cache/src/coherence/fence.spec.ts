import { BOUND, closeFleets, embedded, fleet, Source, stateOf } from '../../../../test/support/fleet.js';
import type { InProcessHub } from '../index.js';
import type { VirtualClock } from '../../../../test/support/virtual-clock.js';

afterEach(closeFleets);

const KEY = { namespace: 'items', id: 'a' };
const NAMESPACES = { items: { ttl: '10m' }, strict: { ttl: '10m', consistency: 'strict' } } as const;

/** A reader behind a fence waits a moment for it to go. */
async function fenced<T>(clock: VirtualClock, reading: Promise<T>): Promise<T> {
  await clock.pass(100);
  return reading;
}

describe('a fence', () => {
  it('keeps out a value that was read before COMMIT, also when the writer dies right after it', async () => {
    const { nodes, clock } = await fleet({ nodes: 3, namespaces: NAMESPACES });
    const source = new Source({ a: 'old' });
    for (const node of nodes) await node.getOrSet('items', 'a', source.load);
    await nodes[0]!.getOrSet('strict', 'a', source.load);
    const fence = await nodes[0]!.fence([KEY, { namespace: 'strict', id: 'a' }], { for: '10s' });
    expect(fence.standing).toBe(true);
    expect(await fenced(clock, nodes[1]!.getOrSet('strict', 'a', source.load))).toBe('old');
    source.values.set('a', 'new'); // COMMIT, and nothing more of this writer
    expect(await fenced(clock, nodes[1]!.getOrSet('strict', 'a', source.load))).toBe('new');
    await clock.pass(BOUND);
    for (const node of nodes)
      expect(await fenced(clock, node.getOrSet('items', 'a', source.load))).toBe('new');
    await clock.pass(11_000);
    for (const node of nodes) expect(await node.getOrSet('items', 'a', source.load)).toBe('new');
  });

  it('rejects the fill of a load that began before it', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const source = new Source({ a: 'old' });
    const release = source.hold();
    const loading = nodes[1]!.getOrSet('items', 'a', source.load);
    await clock.pass(1);
    await nodes[0]!.fence([KEY]);
    source.values.set('a', 'new');
    release();
    expect(await loading).toBe('old');
    await clock.pass(1);
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
    expect(await fenced(clock, nodes[1]!.getOrSet('items', 'a', source.load))).toBe('new');
  });

  it('keeps out what was loaded while it stood, however long that takes', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const source = new Source({ a: 'old' });
    await nodes[0]!.fence([KEY], { for: '1s' });
    const release = source.hold();
    const loading = nodes[1]!.getOrSet('items', 'a', source.load);
    await clock.pass(100);
    expect(source.loads).toBe(1);
    source.values.set('a', 'new'); // COMMIT, and the writer dies
    await clock.pass(2_000);
    release();
    expect(await loading).toBe('old');
    expect(await nodes[0]!.getOrSet('items', 'a', source.load)).toBe('new');
  });

  it('keeps out what somebody sets while it stands, which may be older than what is about to be committed', async () => {
    const { nodes, clock, hub, tiers } = await fleet({ nodes: 2 });
    await nodes[0]!.fence([KEY], { for: '1s' });
    await nodes[1]!.set('items', 'a', 'old');
    expect(
      await fenced(
        clock,
        nodes[0]!.getOrSet('items', 'a', () => 'new'),
      ),
    ).toBe('new');
    // The same with a fill that arrives after the fence has ended.
    await nodes[0]!.fence([KEY], { for: '1s' });
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['fill'], tier: tiers[1]! });
    const setting = nodes[1]!.set('items', 'a', 'old');
    await clock.pass(100);
    await clock.pass(1_000);
    lift();
    await setting;
    await clock.pass(1);
    expect(await nodes[0]!.getOrSet('items', 'a', () => 'new')).toBe('new');
  });

  it('lets fills in again after the invalidation of its writer, and after a rollback', async () => {
    const { nodes } = await fleet({ nodes: 2 });
    const source = new Source({ a: 1 });
    const first = await nodes[0]!.fence([KEY]);
    expect(await first.invalidate({ tags: ['t'] })).toMatchObject({ acknowledged: true });
    expect(first.standing).toBe(false);
    await nodes[0]!.getOrSet('items', 'a', source.load);
    await nodes[1]!.getOrSet('items', 'a', source.load);
    expect(source.loads).toBe(1);
    const second = await nodes[0]!.fence([KEY]);
    await second.lift();
    expect(second.standing).toBe(false);
    await nodes[0]!.getOrSet('items', 'a', source.load);
    await nodes[1]!.getOrSet('items', 'a', source.load);
    expect(source.loads).toBe(2);
  });

  it('is waited for: readers load once, and what was committed', async () => {
    const { nodes, clock } = await fleet({ nodes: 3 });
    const source = new Source({ a: 'old', b: 'other' });
    const fence = await nodes[0]!.fence([KEY]);
    const reads = nodes.map((node) => node.getOrSet('items', 'a', source.load));
    const batch = nodes[1]!.namespace('items').getOrSetMany(['a', 'b'], (ids) => {
      source.loads += ids.length;
      return new Map(ids.map((id) => [id, source.values.get(id)]));
    });
    await clock.pass(20);
    source.values.set('a', 'new');
    await fence.invalidate();
    await clock.pass(100);
    expect(await Promise.all(reads)).toEqual(['new', 'new', 'new']);
    expect((await batch).get('a')).toBe('new');
    expect(source.loads).toBe(2);
  });

  it('is waited for 50 ms: a writer that is slow or dead holds up nobody for longer', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    await nodes[0]!.fence([KEY]);
    const reading = nodes[1]!.getOrSet('items', 'a', () => 'value');
    await clock.pass(40);
    expect(await stateOf(reading)).toEqual({ pending: true });
    await clock.pass(60);
    expect(await stateOf(reading)).toEqual({ pending: false, value: 'value' });
  });

  it('is not ended by another writer of the same key', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const source = new Source({ a: 1 });
    await nodes[0]!.fence([KEY]);
    await (await nodes[1]!.fence([KEY])).invalidate();
    await fenced(clock, nodes[1]!.getOrSet('items', 'a', source.load));
    await fenced(clock, nodes[1]!.getOrSet('items', 'a', source.load));
    expect(source.loads).toBe(2);
  });

  it('ends by itself, and says so', async () => {
    const { nodes, clock } = await fleet({ nodes: 1 });
    const source = new Source({ a: 1 });
    const fence = await nodes[0]!.fence([KEY], { for: '2s' });
    await clock.pass(1_999);
    expect(fence.standing).toBe(true);
    await clock.pass(1);
    expect(fence.standing).toBe(false);
    await nodes[0]!.getOrSet('items', 'a', source.load);
    await nodes[0]!.getOrSet('items', 'a', source.load);
    expect(source.loads).toBe(1);
  });

  it.each([
    ['the connection was lost', (hub: InProcessHub) => hub.restart({ keepData: true })],
    ['the log was lost', (hub: InProcessHub) => hub.trimLog()],
  ])('does not claim to stand when %s', async (_, fault) => {
    const { nodes, hub, clock } = await fleet({ nodes: 1 });
    const fence = await nodes[0]!.fence([KEY]);
    await nodes[0]!.delete('items', 'b');
    fault(hub);
    await clock.pass(BOUND);
    expect(fence.standing).toBe(false);
  });

  it('delays its writer no longer than it said, and does not stand unless it was answered', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 1 });
    hub.inject({ at: 'answer', how: 'held', commands: ['fence'] });
    const raising = nodes[0]!.fence([KEY], { within: 40 });
    await clock.pass(39);
    expect(await stateOf(raising)).toEqual({ pending: true });
    await clock.pass(1);
    expect((await raising).standing).toBe(false);
    hub.liftFaults();
    await clock.pass(1);
    expect((await raising).standing).toBe(true);
  });

  it('costs nothing and stands nowhere when the shared tier is away, without one, and for entries not in it', async () => {
    const { nodes, hub } = await fleet({
      nodes: 1,
      namespaces: { items: { ttl: '1m' }, near: { ttl: '1m', tiers: ['l1'] } },
    });
    expect((await nodes[0]!.fence([{ namespace: 'near', id: 'a' }])).standing).toBe(false);
    hub.down();
    const fence = await nodes[0]!.fence([KEY]);
    expect(fence.standing).toBe(false);
    expect(await fence.invalidate()).toMatchObject({ acknowledged: false });
    await (await nodes[0]!.fence([KEY])).lift();
    const alone = await embedded().cache.fence([KEY]);
    expect(alone.standing).toBe(false);
    expect(await alone.invalidate()).toMatchObject({ acknowledged: true });
  });

  it.each([
    ['for', { for: 0 }],
    ['for', { for: 'soon' as '1s' }],
    ['for', { for: '1h' }],
    ['within', { within: -1 }],
  ] as const)('refuses a wrong %s', async (name, options) => {
    const { nodes } = await fleet({ nodes: 1 });
    await expect(nodes[0]!.fence([KEY], options)).rejects.toMatchObject({
      code: 'STRATA_INVALID_OPTIONS',
      message: expect.stringContaining(`fence.${name}`),
    });
  });
});
