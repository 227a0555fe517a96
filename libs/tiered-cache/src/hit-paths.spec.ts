import { type AmbientTransaction, useAmbient } from './ambient.js';
import type { CacheNamespace, RememberedRead } from './index.js';
import type { NamespaceOptions } from './options.js';
import { BOUND, closeFleets, embedded, fleet, TIMEOUT } from '../../../test/support/fleet.js';
import { settle } from '../../../test/support/virtual-clock.js';

afterEach(async () => {
  useAmbient(undefined);
  await closeFleets();
});

const LOADED = 'loaded';
type Read = (items: CacheNamespace) => unknown;

/** Every way in which L1 answers. What is not there any more is loaded anew, or undefined. */
const WAYS: [name: string, way: () => Read][] = [
  ['peek', () => (items) => items.peek('a')],
  ['get', () => (items) => items.get('a')],
  ['getMany', () => async (items) => (await items.getMany(['a'])).get('a')],
  ['getOrSet', () => (items) => items.getOrSet('a', () => LOADED)],
  ['getOrSet with options', () => (items) => items.getOrSet('a', () => LOADED, { tags: ['t'] })],
  [
    'getOrSetAgain',
    () => {
      const call: RememberedRead = {
        id: 'a',
        loader: () => LOADED,
        options: undefined,
        slot: -1,
        generation: -1,
      };
      return (items) => items.getOrSetAgain(call);
    },
  ],
];

/** As the first reads leave it: the id is known, the node remembered, the hits that are timed are far away. */
async function warm(items: CacheNamespace, read: Read, value: unknown = 'old'): Promise<void> {
  await items.getOrSet('a', () => value, { tags: ['t'] });
  for (let i = 0; i < 3; i++) expect(await read(items)).toEqual(value);
}

describe.each(WAYS)('%s', (name, way) => {
  const isRead = name.startsWith('getOrSet');
  const gone = async (items: CacheNamespace, read: Read) =>
    expect(await read(items)).toBe(isRead ? LOADED : undefined);

  it('answers everybody with the same object', async () => {
    const items = embedded().cache.namespace('items');
    const read = way();
    await warm(items, read, { n: 1 });
    expect(await read(items)).toBe(await read(items));
  });

  it.each([
    ['its key', (items: CacheNamespace) => items.delete('a')],
    ['its namespace', (items: CacheNamespace) => items.clear()],
  ])('serves nothing after an invalidation of %s', async (_, invalidate) => {
    const items = embedded().cache.namespace('items');
    const read = way();
    await warm(items, read);
    await invalidate(items);
    await gone(items, read);
  });

  it('serves nothing after an invalidation of its tag, and goes on after that of another', async () => {
    const { cache } = embedded();
    const items = cache.namespace('items');
    const read = way();
    await warm(items, read);
    await items.getOrSet('b', () => 1, { tags: ['u'] });
    await cache.deleteByTag('u');
    for (let i = 0; i < 3; i++) expect(await read(items)).toBe('old');
    await cache.deleteByTag('t');
    await gone(items, read);
  });

  it('serves what was set, not what was there before', async () => {
    const items = embedded().cache.namespace('items');
    const read = way();
    await warm(items, read);
    await items.set('a', 'new');
    for (let i = 0; i < 3; i++) expect(await read(items)).toBe('new');
  });

  it('serves nothing past its time, also where the loop was held up', async () => {
    const { cache, clock } = embedded();
    const items = cache.namespace('items');
    const read = way();
    await warm(items, read);
    clock.jump(600_000);
    await gone(items, read);
  });

  it('serves nothing that was evicted', async () => {
    const items = embedded({ l1: { maxEntries: 1 } }).cache.namespace('items');
    const read = way();
    await warm(items, read);
    await items.set('b', 1);
    await items.set('c', 1);
    await gone(items, read);
  });

  it('serves nothing once the validity clock has stopped, in the very callback in which it did', async () => {
    const { nodes, clock, hub, tiers } = await fleet();
    const items = nodes[0]!.namespace('items');
    const read = way();
    await warm(items, read);
    hub.cut(tiers[0]!);
    clock.jump(BOUND - 50);
    const before = read(items);
    clock.jump(50);
    const after = read(items);
    expect(await before).toBe('old');
    await clock.pass(TIMEOUT + 5);
    expect(await after).toBe(isRead ? LOADED : undefined);
  });

  it('bypasses it inside a transaction that has written', async () => {
    const { cache } = embedded();
    const items = cache.namespace('items');
    const read = way();
    await warm(items, read);
    const transaction: AmbientTransaction = {
      open: true,
      bypasses: true,
      afterCommit: () => undefined,
      outside: (fn) => fn(),
    };
    useAmbient(() => transaction);
    await gone(items, read);
    useAmbient(undefined);
    expect(await read(items)).toBe('old');
  });

  it('a tracked load that reads it depends on it', async () => {
    const { cache } = embedded();
    const items = cache.namespace('items');
    const read = way();
    await warm(items, read);
    const load = async () => `made of ${String(await read(items))}`;
    const page = () => items.getOrSet('page', load, { track: true });
    expect(await page()).toBe('made of old');
    await items.set('a', 'new');
    expect(await page()).toBe('made of new');
  });

  it('counts as a use: what is read stays where others have to go', async () => {
    const items = embedded({ l1: { maxEntries: 2 } }).cache.namespace('items');
    const read = way();
    await warm(items, read);
    for (let i = 0; i < 20; i++) {
      await items.set(`other${i}`, i);
      expect(await read(items)).toBe('old');
    }
  });

  it('serves nothing of a closed cache', async () => {
    const { cache } = embedded();
    const items = cache.namespace('items');
    const read = way();
    await warm(items, read);
    void cache.close();
    if (name === 'peek') expect(await read(items)).toBeUndefined();
    else await expect(read(items) as Promise<unknown>).rejects.toThrow('closed');
  });

  it('goes by a sliding time', async () => {
    const { cache, clock } = embedded({ namespaces: { items: { ttl: '10s', sliding: true } } });
    const items = cache.namespace('items');
    const read = way();
    await warm(items, read);
    for (let i = 0; i < 10; i++) {
      await clock.pass(5_000);
      const value = await read(items);
      // peek is no use that would renew it.
      if (name === 'peek') {
        if (i > 0) expect(value).toBeUndefined();
      } else expect(value).toBe('old');
    }
  });

  if (name !== 'peek')
    it('counts every hit', async () => {
      const { cache } = embedded();
      const items = cache.namespace('items');
      const read = way();
      await warm(items, read);
      const before = cache.stats().tiers.l1.hits;
      for (let i = 0; i < 300; i++) await read(items);
      expect(cache.stats().tiers.l1.hits - before).toBe(300);
      expect(cache.stats().tiers.l1.latencyMs.count).toBeGreaterThanOrEqual(2);
    });

  if (isRead) {
    it('renews it ahead of its time', async () => {
      const { cache, clock } = embedded({ namespaces: { items: { ttl: '10s', refreshAhead: 0.5 } } });
      const items = cache.namespace('items');
      const read = way();
      await warm(items, read);
      await clock.pass(4_000);
      expect(await read(items)).toBe('old');
      await settle();
      expect(items.peek('a')).toBe('old');
      await clock.pass(2_000);
      expect(await read(items)).toBe('old');
      await settle();
      expect(await read(items)).toBe(LOADED);
    });

    it('tells who listens', async () => {
      const { cache } = embedded();
      const items = cache.namespace('items');
      const read = way();
      await warm(items, read);
      const outcomes: string[] = [];
      cache.on('read', ({ outcome }) => outcomes.push(outcome));
      for (let i = 0; i < 3; i++) await read(items);
      expect(outcomes).toEqual(['l1-hit', 'l1-hit', 'l1-hit']);
    });
  }
});

describe('what is not handed out at once', () => {
  const errorTtl: NamespaceOptions = { ttl: '10m', errorTtl: '1m' };

  it('a cached error: getOrSet rejects with it, get and peek do not know it', async () => {
    const items = embedded({ namespaces: { items: errorTtl } }).cache.namespace('items');
    const failing = () => Promise.reject(new Error('no'));
    const read = () => items.getOrSet('a', failing);
    for (let i = 0; i < 3; i++) await expect(read()).rejects.toThrow('no');
    expect(await items.get('a')).toBeUndefined();
    expect((await items.getMany(['a'])).has('a')).toBe(false);
    expect(items.peek('a')).toBeUndefined();
  });

  it('values that are copied: everybody has one of its own', async () => {
    const items = embedded().cache.namespace<Map<string, number>>('items');
    const call: RememberedRead = {
      id: 'a',
      loader: () => new Map(),
      options: undefined,
      slot: -1,
      generation: -1,
    };
    await items.getOrSet('a', () => new Map([['n', 1]]));
    const reads = [
      () => items.peek('a'),
      () => items.get('a'),
      () => items.getOrSet('a', () => new Map()),
      () => items.getOrSetAgain(call) as Promise<Map<string, number>>,
    ];
    for (const read of [...reads, ...reads]) {
      const mine = (await read())!;
      expect(mine).toEqual(new Map([['n', 1]]));
      mine.clear();
    }
  });

  it('a fresh read loads, whatever is there', async () => {
    const items = embedded().cache.namespace('items');
    await warm(items, (it) => it.getOrSet('a', () => LOADED));
    expect(await items.getOrSet('a', () => LOADED, { fresh: true })).toBe(LOADED);
  });

  it('a position that was not applied here yet', async () => {
    const { nodes, hub, tiers } = await fleet({ nodes: 2 });
    const items = nodes[1]!.namespace('items');
    await warm(items, (it) => it.get('a'));
    hub.inject({ at: 'request', how: 'held', commands: ['poll'], tier: tiers[1]! });
    const { position } = await nodes[0]!.set('items', 'a', 'new');
    const minPosition = position!;
    expect(await items.get('a', { minPosition })).toBe('new');
    expect(await items.getOrSet('a', () => LOADED, { minPosition })).toBe('new');
    expect((await items.getMany(['a'], { minPosition })).get('a')).toBe('new');
  });

  it('two that remember one entry: each is told when it goes', async () => {
    const items = embedded().cache.namespace('items');
    const calls = ['one', 'two'].map((loader): RememberedRead => ({
      id: 'a',
      loader: () => loader,
      options: undefined,
      slot: -1,
      generation: -1,
    }));
    for (let i = 0; i < 3; i++) for (const call of calls) expect(await items.getOrSetAgain(call)).toBe('one');
    await items.delete('a');
    expect(await items.getOrSetAgain(calls[1]!)).toBe('two');
    expect(await items.getOrSetAgain(calls[0]!)).toBe('two');
  });

  it('several spellings of an id: an invalidation of one ends all', async () => {
    const items = embedded({
      namespaces: { items: { ttl: '10m', normalizeId: (id) => id.toLowerCase() } },
    }).cache.namespace('items');
    for (const id of ['a', 'A', 'a', 'A']) expect(await items.getOrSet(id, () => 'old')).toBe('old');
    await items.delete('A');
    expect([items.peek('a'), items.peek('A')]).toEqual([undefined, undefined]);
    expect(await items.getOrSet('A', () => 'new')).toBe('new');
    expect(await items.getOrSet('a', () => 'newer')).toBe('new');
  });
});
