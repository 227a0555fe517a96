import { closeFleets, embedded, fleet } from '../../../../test/support/fleet.js';

describe('a reservation', () => {
  afterEach(closeFleets);

  it('is the stored value, or a place for one that others then find', async () => {
    const { nodes } = await fleet({ nodes: 2 });
    const [here, there] = nodes.map((node) => node.namespace<number>('items'));
    const place = await here!.reserve('a', { tags: ['t'] });
    expect([place.hit, place.value]).toEqual([false, undefined]);
    await place.store(1, { ttl: 5_000 });
    expect(here!.peek('a')).toBe(1);
    expect(await there!.reserve('a')).toMatchObject({ hit: true, value: 1 });
    expect(await there!.ttl('a')).toBeLessThanOrEqual(5_000);
    await nodes[1]!.deleteByTag('t');
    expect((await there!.reserve('a')).hit).toBe(false);
  });

  it.each([
    ['its key', (node: { delete(ns: string, id: string): Promise<unknown> }) => node.delete('items', 'a')],
    ['its tag', (node: { deleteByTag(tag: string): Promise<unknown> }) => node.deleteByTag('t')],
    ['its namespace', (node: { clear(ns: string): Promise<unknown> }) => node.clear('items')],
  ])('an invalidation of %s on another node, after it was made, wins', async (_name, invalidate) => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const [here, there] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
    const place = await here.namespace<number>('items').reserve('a', { tags: ['t'] });
    await invalidate(there);
    await place.store(1);
    await clock.pass(1_000);
    for (const node of nodes) expect(await node.get('items', 'a')).toBe(undefined);
  });

  it('the same in a process of its own', async () => {
    const { cache } = embedded();
    const items = cache.namespace<number>('items');
    const place = await items.reserve('a');
    await items.delete('a');
    await place.store(1);
    expect(items.peek('a')).toBe(undefined);
    await (await items.reserve('a')).store(2);
    expect(await items.reserve('a')).toMatchObject({ hit: true, value: 2 });
  });

  it('waits for nobody who loads the same, and then stores nothing', async () => {
    const { nodes } = await fleet({ nodes: 2 });
    const [here, there] = nodes.map((node) => node.namespace<number>('items'));
    const first = await here!.reserve('a');
    const second = await there!.reserve('a');
    expect([first.hit, second.hit]).toEqual([false, false]);
    await second.store(2);
    await first.store(1);
    expect([await here!.get('a'), await there!.get('a')]).toEqual([1, 1]);
  });

  it('is a miss for a tracked load, which has to see what it is made of', async () => {
    const { cache } = embedded();
    const items = cache.namespace<number>('items');
    await items.set('a', 1);
    const loader = async (): Promise<number> => {
      await cache.trackedLoad?.reads(['row:1']);
      return (await items.reserve('a')).hit ? 1 : 2;
    };
    expect(await items.getOrSet('b', loader, { track: true })).toBe(2);
  });

  it('ends with its lease, and when it is released; it stores once', async () => {
    const { nodes, clock } = await fleet({ namespaces: { items: { ttl: '10m', lease: '1s' } } });
    const items = nodes[0]!.namespace<number>('items');
    const late = await items.reserve('a');
    await clock.pass(1_001);
    await late.store(1);
    expect(await items.get('a')).toBe(undefined);
    const given = await items.reserve('a');
    given.release();
    await given.store(2);
    expect(await items.get('a')).toBe(undefined);
    const place = await items.reserve('a');
    await place.store(3);
    await place.store(4);
    expect(await items.get('a')).toBe(3);
  });
});
