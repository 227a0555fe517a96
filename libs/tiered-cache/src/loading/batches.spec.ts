import { closeFleets, deferred, embedded, fleet } from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';
import type { Consistency } from '../index.js';

afterEach(closeFleets);

/** A batch loader over `known` that records how it was called. */
function loaderOf<T>(known: Record<string, T>) {
  const calls: string[][] = [];
  const loader = (ids: string[]) => {
    calls.push(ids);
    return new Map(ids.filter((id) => id in known).map((id) => [id, known[id]!]));
  };
  return { calls, loader };
}

describe('getMany', () => {
  it('answers the stored ones by the ids as given, from L1 and from the shared tier', async () => {
    const { nodes, clock } = await fleet({
      nodes: 2,
      namespaces: { items: { ttl: '1m', normalizeId: (id) => id.toUpperCase() } },
    });
    await nodes[0]!.namespace('items').setMany([
      ['a', 1],
      ['b', undefined],
    ]);
    await clock.pass(10);
    const items = nodes[1]!.namespace('items');
    await items.get('A');
    expect(await items.getMany(['a', 'A', 'b', 'c', 'a'])).toEqual(
      new Map([
        ['a', 1],
        ['A', 1],
        ['b', undefined],
      ]),
    );
  });
});

describe.each(['bounded', 'strict', 'local'] as Consistency[])('getOrSetMany (%s)', (consistency) => {
  const namespaces = {
    items: { ttl: '1m', consistency, normalizeId: (id: string) => id.toUpperCase() },
  } as const;

  it('calls the loader once, with the missing ids only', async () => {
    const { nodes, clock } = await fleet({ nodes: 2, namespaces });
    const items = nodes[0]!.namespace('items');
    await items.set('IN-L1', 'one');
    if (consistency !== 'local') await nodes[1]!.namespace('items').set('IN-L2', 'two');
    await clock.pass(10);
    const { calls, loader } = loaderOf<string>({ 'IN-L2': 'two', X: 'x', Y: 'y' });
    const found = await items.getOrSetMany(['IN-L1', 'IN-L2', 'X', 'Y'], loader);
    expect(Object.fromEntries(found)).toEqual({ 'IN-L1': 'one', 'IN-L2': 'two', X: 'x', Y: 'y' });
    expect(calls).toEqual([consistency === 'local' ? ['IN-L2', 'X', 'Y'] : ['X', 'Y']]);
    await items.getOrSetMany(['X', 'Y'], loader);
    expect(calls.length).toBe(1);
  });

  it('takes duplicates and other spellings of an id for one, and answers each of them', async () => {
    const { nodes } = await fleet({ namespaces });
    const calls: string[][] = [];
    const found = await nodes[0]!.namespace('items').getOrSetMany(['btc', 'BTC', 'btc', 'eth'], (ids) => {
      calls.push(ids);
      return new Map(ids.map((id) => [id, id.toLowerCase()]));
    });
    expect(calls.length).toBe(1);
    expect(calls[0]!.length).toBe(2);
    expect(Object.fromEntries(found)).toEqual({ btc: 'btc', BTC: 'btc', eth: 'eth' });
  });

  it('leaves out what the loader does not know, the second time as well', async () => {
    const { nodes } = await fleet({ namespaces });
    const { calls, loader } = loaderOf({ A: 1 });
    const items = nodes[0]!.namespace('items');
    for (let i = 0; i < 2; i++) {
      const found = await items.getOrSetMany(['A', 'NOPE'], loader);
      expect([...found]).toEqual([['A', 1]]);
    }
    // Not knowing is knowledge: cached as a negative answer.
    expect(calls.length).toBe(1);
  });

  it('loads all anew, in one call, when asked for fresh values', async () => {
    const { nodes, clock } = await fleet({ nodes: 2, namespaces });
    const items = nodes[0]!.namespace('items');
    await items.setMany([
      ['A', 'old'],
      ['B', 'old'],
    ]);
    const { calls, loader } = loaderOf({ A: 'new', B: 'new' });
    expect([...(await items.getOrSetMany(['A', 'B'], loader, { fresh: true })).values()]).toEqual([
      'new',
      'new',
    ]);
    expect(calls).toEqual([['A', 'B']]);
    await clock.pass(10);
    expect(await items.get('A')).toBe('new');
    if (consistency !== 'local') expect(await nodes[1]!.get('items', 'B')).toBe('new');
  });
});

describe('getOrSetMany', () => {
  it('throws what the loader throws, unchanged, and keeps no lease from the others', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const error = new Error('no');
    await expect(
      nodes[0]!.namespace('items').getOrSetMany(['a', 'b'], () => Promise.reject(error)),
    ).rejects.toBe(error);
    let value: unknown;
    void nodes[1]!.getOrSet('items', 'a', () => 'mine').then((v) => (value = v));
    expect(await clock.until(() => value === 'mine')).toBeLessThan(50);
  });

  it('meets the errors of loads it has joined: nothing stays unhandled when its own loader fails as well', async () => {
    const { cache } = embedded();
    const items = cache.namespace('items');
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      const slow = deferred<unknown>();
      const single = items.getOrSet('a', () => slow.promise);
      const batch = items.getOrSetMany(['a', 'b'], () => Promise.reject(new Error('batch')));
      await expect(batch).rejects.toThrow('batch');
      slow.reject(new Error('single'));
      await expect(single).rejects.toThrow('single');
      await settle();
      await settle();
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  it('waits for ids that another node is loading, loads the rest itself, and deadlocks with nobody', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const first = loaderOf({ a: 'A1', b: 'B1' });
    const gate = deferred<void>();
    const one = nodes[0]!.namespace('items').getOrSetMany(['a', 'b'], async (ids) => {
      const found = first.loader(ids);
      await gate.promise;
      return found;
    });
    await settle();
    const second = loaderOf({ b: 'B2', c: 'C2' });
    const two = nodes[1]!.namespace('items').getOrSetMany(['c', 'b'], second.loader);
    await clock.pass(50);
    gate.resolve();
    await clock.pass(50);
    expect(Object.fromEntries(await one)).toEqual({ a: 'A1', b: 'B1' });
    expect(Object.fromEntries(await two)).toEqual({ c: 'C2', b: 'B1' });
    expect(second.calls).toEqual([['c']]);
  });

  it('is joined by single reads of the same node, and joins theirs', async () => {
    const { nodes } = await fleet();
    const items = nodes[0]!.namespace('items');
    const single = deferred<unknown>();
    const batch = deferred<void>();
    let loads = 0;
    const a = items.getOrSet('a', () => (loads++, single.promise));
    const many = items.getOrSetMany(['a', 'b'], async (ids) => {
      loads++;
      await batch.promise;
      return new Map(ids.map((id) => [id, `many ${id}`]));
    });
    const b = items.getOrSet('b', () => (loads++, 'single b'));
    await settle();
    single.resolve('single a');
    batch.resolve();
    expect(await a).toBe('single a');
    expect(await b).toBe('many b');
    expect(Object.fromEntries(await many)).toEqual({ a: 'single a', b: 'many b' });
    expect(loads).toBe(2);
  });

  it('works without the shared tier, in one call', async () => {
    const { nodes, hub } = await fleet();
    hub.down();
    const { calls, loader } = loaderOf({ a: 1, b: 2 });
    expect(Object.fromEntries(await nodes[0]!.namespace('items').getOrSetMany(['a', 'b'], loader))).toEqual({
      a: 1,
      b: 2,
    });
    expect(calls.length).toBe(1);
  });

  it('an invalidation during the load keeps exactly that id out of every tier', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const gate = deferred<void>();
    const many = nodes[0]!.namespace('items').getOrSetMany(['a', 'b'], async (ids) => {
      await gate.promise;
      return new Map(ids.map((id) => [id, 'old']));
    });
    await settle();
    await nodes[1]!.delete('items', 'a');
    gate.resolve();
    await many;
    await clock.pass(10);
    for (const node of nodes) {
      expect(await node.get('items', 'a')).toBeUndefined();
      expect(await node.get('items', 'b')).toBe('old');
    }
  });

  it('a bypassed tag costs the other nodes no lease', async () => {
    const { nodes, clock, hub, tiers } = await fleet({ nodes: 2 });
    const lift = hub.inject({ at: 'request', how: 'lost', commands: ['invalidate'], tier: tiers[0]! });
    const unanswered = nodes[0]!.deleteByTag('t');
    await clock.pass(300);
    await unanswered;
    await clock.until(() => nodes[0]!.health().circuit === 'closed');
    await nodes[0]!
      .namespace('items')
      .getOrSetMany(['a', 'b'], (ids) => new Map(ids.map((id) => [id, 1])), { tags: ['t'] });
    let value: unknown;
    void nodes[1]!.getOrSet('items', 'a', () => 'mine').then((v) => (value = v));
    expect(await clock.until(() => value === 'mine')).toBeLessThan(50);
    lift();
  });
});

describe('setMany', () => {
  it('stores all with their types, and tells the other nodes', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const entries = Array.from({ length: 20 }, (_, i) => [`k${i}`, { n: i }] as const);
    await nodes[1]!.namespace('items').getOrSetMany(
      entries.map(([id]) => id),
      (ids) => new Map(ids.map((id) => [id, 'old'])),
    );
    expect(await nodes[0]!.namespace('items').setMany(entries)).toMatchObject({ acknowledged: true });
    await clock.pass(10);
    for (const node of nodes)
      expect(Object.fromEntries(await node.namespace('items').getMany(entries.map(([id]) => id)))).toEqual(
        Object.fromEntries(entries),
      );
  });

  it('stores nothing at all when one value cannot be stored', async () => {
    const { nodes } = await fleet();
    const items = nodes[0]!.namespace('items');
    await items.set('a', 'before');
    await expect(
      items.setMany([
        ['a', 'after'],
        ['b', () => 1],
      ]),
    ).rejects.toMatchObject({ code: 'STRATA_UNSERIALISABLE' });
    expect(await items.get('a')).toBe('before');
  });

  it('keeps the last of two values for one id', async () => {
    const { nodes } = await fleet();
    const items = nodes[0]!.namespace('items');
    await items.setMany([
      ['a', 1],
      ['a', 2],
    ]);
    expect(await items.get('a')).toBe(2);
  });
});
