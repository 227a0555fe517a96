import { closeFleets, embedded, fleet, Source } from '../../../test/support/fleet.js';
import { settle } from '../../../test/support/virtual-clock.js';

afterEach(closeFleets);

describe('tiers', () => {
  it('promote from the source to the shared tier to L1, with the remaining TTL', async () => {
    const { nodes, clock } = await fleet({ nodes: 2, namespaces: { items: { ttl: '10s' } } });
    await nodes[0]!.getOrSet('items', 'a', () => 1);
    expect(nodes[0]!.namespace('items').peek('a')).toBe(1);
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
    await clock.pass(6_000);
    for (const read of [
      (id: string) => nodes[1]!.get('items', id),
      (id: string) => nodes[1]!.getOrSet('items', id, () => 2),
    ]) {
      expect(await read('a')).toBe(1);
      expect(nodes[1]!.namespace('items').peek('a')).toBe(1);
      expect(await nodes[1]!.namespace('items').ttl('a')).toBe(4_000);
    }
    await clock.pass(4_000);
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
    expect(await nodes[1]!.get('items', 'a')).toBeUndefined();
  });

  it("['l1']: nothing is stored in the shared tier, and other nodes' invalidations are heard", async () => {
    const { nodes, clock } = await fleet({ nodes: 2, namespaces: { items: { ttl: '10s', tiers: ['l1'] } } });
    for (const [i, node] of nodes.entries())
      expect(await node.getOrSet('items', 'a', () => `node ${i}`)).toBe(`node ${i}`);
    expect(nodes[1]!.namespace('items').peek('a')).toBe('node 1');
    await nodes[0]!.delete('items', 'a');
    await clock.pass(10);
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
  });

  it("['l2']: L1 holds nothing", async () => {
    const { nodes } = await fleet({ nodes: 2, namespaces: { items: { ttl: '10s', tiers: ['l2'] } } });
    await nodes[0]!.getOrSet('items', 'a', () => 1);
    expect(await nodes[1]!.get('items', 'a')).toBe(1);
    for (const node of nodes) {
      expect(node.namespace('items').peek('a')).toBeUndefined();
      expect(node.stats().tiers.l1.entries).toBe(0);
    }
  });

  it('embedded: every kind of namespace keeps its values in L1', async () => {
    for (const options of [
      {},
      { tiers: ['l2'] as const },
      { consistency: 'strict' as const },
      { consistency: 'local' as const },
    ]) {
      const { cache } = embedded({ namespaces: { items: { ttl: '10s', ...options } } });
      const source = new Source({ a: 1 });
      await cache.getOrSet('items', 'a', source.load);
      await cache.getOrSet('items', 'a', source.load);
      expect(source.loads).toBe(1);
      expect(cache.health()).toMatchObject({ state: 'up', remote: { configured: false, state: 'embedded' } });
      expect(await cache.describeRemote()).toBeNull();
    }
  });

  it('the schema is part of the value: another one is a miss, on every node', async () => {
    const one = await fleet({ namespaces: { items: { ttl: '10s', schema: 'v1' } } });
    await one.nodes[0]!.set('items', 'a', 'v1');
    const { createInProcessTier, TieredCache } = await import('./index.js');
    const next = new TieredCache({
      clock: one.clock,
      remote: createInProcessTier(one.hub),
      namespaces: { items: { ttl: '10s', schema: 'v2' } },
    }).start();
    await one.clock.pass(1);
    expect(await next.get('items', 'a')).toBeUndefined();
    expect(await next.getOrSet('items', 'a', () => 'v2')).toBe('v2');
    await next.close();
  });

  it('equal ids by normalizeId are one entry on every path', async () => {
    const { nodes } = await fleet({
      namespaces: { items: { ttl: '10s', normalizeId: (id) => id.toUpperCase() } },
    });
    const items = nodes[0]!.namespace('items');
    await items.set('btc', 1);
    for (const id of ['btc', 'BTC', 'Btc']) expect([items.peek(id), await items.get(id)]).toEqual([1, 1]);
    await nodes[0]!.invalidate({ keys: [{ namespace: 'items', id: 'bTc' }] });
    expect(await items.get('btc')).toBeUndefined();
  });
});

describe("'strict'", () => {
  const strict = { items: { ttl: '10s', consistency: 'strict' } } as const;

  it('keeps no value in L1', async () => {
    const { nodes } = await fleet({ namespaces: strict });
    await nodes[0]!.getOrSet('items', 'a', () => 1);
    await nodes[0]!.get('items', 'a');
    expect(nodes[0]!.namespace('items').peek('a')).toBeUndefined();
    expect(nodes[0]!.stats().tiers.l1.entries).toBe(0);
  });

  it.each([
    ['key', 0],
    ['key', 1],
    ['tag', 0],
    ['tag', 1],
    ['namespace', 1],
  ] as const)(
    'a read begun after an acknowledged write by %s on node %i sees it, although no record was heard',
    async (way, writer) => {
      const { nodes, hub, clock } = await fleet({ nodes: 2, namespaces: strict });
      const source = new Source({ a: 'old' });
      const read = (node: number) => nodes[node]!.getOrSet('items', 'a', source.load, { tags: ['t'] });
      for (const node of [0, 1]) await read(node);
      // The log stands still: only the shared tier itself can tell.
      hub.inject({ at: 'request', how: 'held', commands: ['poll'] });
      source.values.set('a', 'new');
      const by = nodes[writer]!;
      await (way === 'key'
        ? by.delete('items', 'a')
        : way === 'tag'
          ? by.deleteByTag('t')
          : by.clear('items'));
      for (const node of [0, 1]) {
        expect(await read(node)).toBe('new');
        expect((await nodes[node]!.namespace('items').getMany(['a'])).get('a')).toBe('new');
      }
      hub.liftFaults();
      await clock.pass(1);
    },
  );

  it('a read joins no flight that was sent before the write, even if its record was not heard yet', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2, namespaces: strict });
    const source = new Source({ a: 'old' });
    const release = source.hold();
    const before = nodes[0]!.getOrSet('items', 'a', source.load, { tags: ['t'] });
    await settle();
    hub.inject({ at: 'request', how: 'held', commands: ['poll'] });
    source.values.set('a', 'new');
    await nodes[1]!.deleteByTag('t');
    const after = nodes[0]!.getOrSet('items', 'a', source.load, { tags: ['t'] });
    await settle();
    release();
    await clock.pass(100);
    expect(await before).toBe('old');
    expect(await after).toBe('new');
    hub.liftFaults();
    await clock.pass(1);
  });

  it('a read that waits for another node’s load does not take it when a tag was invalidated meanwhile', async () => {
    const { nodes, clock } = await fleet({ nodes: 2, namespaces: strict });
    const source = new Source({ a: 'old' });
    const release = source.hold();
    const loading = nodes[0]!.getOrSet('items', 'a', source.load, { tags: ['t'] });
    await settle();
    source.values.set('a', 'new');
    await nodes[1]!.deleteByTag('t');
    const waiting = nodes[1]!.getOrSet('items', 'a', source.load, { tags: ['t'] });
    await clock.pass(50);
    release();
    await clock.pass(100);
    expect(await loading).toBe('old');
    expect(await waiting).toBe('new');
  });
});

describe("'bounded'", () => {
  it('the writer’s own node reads its write at once', async () => {
    const { nodes } = await fleet({ nodes: 2 });
    const source = new Source({ a: 'old' });
    await nodes[0]!.getOrSet('items', 'a', source.load);
    source.values.set('a', 'new');
    await nodes[0]!.delete('items', 'a');
    expect(await nodes[0]!.getOrSet('items', 'a', source.load)).toBe('new');
  });

  it('L1 alone may answer an old value, and only for so long as the bound', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2 });
    for (const node of nodes) await node.getOrSet('items', 'a', () => 'old');
    hub.inject({ at: 'answer', how: 'lost', commands: ['wake', 'poll'] });
    await nodes[0]!.set('items', 'a', 'new');
    expect(await nodes[1]!.getOrSet('items', 'a', () => 'x')).toBe('old');
    await clock.pass(501);
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
  });
});
