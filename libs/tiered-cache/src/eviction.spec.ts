import { randomInt } from 'node:crypto';
import type { CacheNamespace, NamespaceOptions, RememberedRead } from './index.js';
import { GittinsPolicy } from './memory/policy/gittins-policy.js';
import { KeyHash } from './memory/policy/key-hash.js';
import { Random } from './memory/policy/random.js';
import { settle } from '../../../test/support/virtual-clock.js';
import { closeFleets, embedded, fleet } from '../../../test/support/fleet.js';

afterEach(closeFleets);

const seed = Number(process.env.TRACE_SEED ?? randomInt(2 ** 31));
const CAPACITY = 200;
const REQUESTS = 20_000;

/** By turns skewed reads, and a loop of twice the capacity. */
function trace(): string[] {
  const random = new Random(seed);
  return Array.from({ length: REQUESTS }, (_, i) => {
    if (Math.floor(i / (20 * CAPACITY)) % 2 === 1) return `loop${i % (2 * CAPACITY)}`;
    return `skewed${random.below(1 + random.below(1 + random.below(20 * CAPACITY)))}`;
  });
}

function hitsOfPolicy(ids: readonly string[]): number {
  const policy = new GittinsPolicy({ maxEntries: CAPACITY, maxWeight: Infinity, seed: 1 });
  const hash = new KeyHash([1, 2]);
  const slots = new Map<string, number>();
  const held: string[] = [];
  let hits = 0;
  for (const id of ids) {
    const known = slots.get(id);
    if (known !== undefined) {
      hits++;
      policy.onHit(known);
      continue;
    }
    const slot = policy.admit(hash.of(id), 1);
    for (const gone of policy.evicted) slots.delete(held[gone]!);
    held[slot] = id;
    slots.set(id, slot);
  }
  return hits;
}

function hitsOfLru(ids: readonly string[]): number {
  const recent = new Set<string>();
  let hits = 0;
  for (const id of ids) {
    if (recent.delete(id)) hits++;
    else if (recent.size === CAPACITY) recent.delete(recent.values().next().value!);
    recent.add(id);
  }
  return hits;
}

/** Each reads an id, storing it if it is not there, and answers whether it was. */
const WAYS: Record<string, (items: CacheNamespace, id: string) => Promise<boolean>> = {
  getOrSet: async (items, id) => {
    let hit = true;
    await items.getOrSet(id, () => (hit = false));
    return hit;
  },
  getOrSetAgain: async (items, id) => {
    let hit = true;
    await items.getOrSetAgain({
      id,
      loader: () => (hit = false),
      options: undefined,
      slot: -1,
      generation: -1,
    });
    return hit;
  },
  'get and set': async (items, id) => {
    if ((await items.get(id)) !== undefined) return true;
    await items.set(id, 1);
    return false;
  },
  'peek and set': async (items, id) => {
    if (items.peek(id) !== undefined) return true;
    await items.set(id, 1);
    return false;
  },
  getOrSetMany: async (items, id) => {
    let hit = true;
    await items.getOrSetMany([id], () => {
      hit = false;
      return new Map([[id, 1]]);
    });
    return hit;
  },
};

describe(`what the engine makes of its eviction policy (TRACE_SEED=${seed})`, () => {
  const ids = trace();
  const policy = hitsOfPolicy(ids);

  it.each(Object.entries(WAYS))('%s hits as often as the bare policy', async (_, read) => {
    const items = embedded({ l1: { maxEntries: CAPACITY } }).cache.namespace('items');
    let hits = 0;
    for (const id of ids) if (await read(items, id)) hits++;
    // Hashes of keys are secret, so which of two equals goes is another one each time.
    expect(Math.abs(hits - policy) / REQUESTS).toBeLessThan(0.03);
    expect((hits - hitsOfLru(ids)) / REQUESTS).toBeGreaterThan(0.05);
  });

  it('an entry that was invalidated is remembered as one that left: it comes back as an acquaintance', async () => {
    const items = embedded({ l1: { maxEntries: CAPACITY } }).cache.namespace('items');
    let loads = 0;
    for (let round = 0; round < 60; round++) {
      await items.delete('popular');
      for (let i = 0; i < 20; i++) {
        await items.getOrSet('popular', () => loads++);
        for (let j = 0; j < 10; j++) await items.getOrSet(`once ${round} ${i} ${j}`, () => 1);
      }
    }
    expect(loads).toBe(60);
  });
});

describe('the index by id', () => {
  it('a normaliser that changes what it made: spellings and ids are not mixed up', async () => {
    // a is b, b is c, ...
    const next = (id: string) => String.fromCharCode(id.charCodeAt(0) + 1);
    const items = embedded({ namespaces: { items: { ttl: '10m', normalizeId: next } } }).cache.namespace(
      'items',
    );
    // The first hit of all is counted the long way.
    for (let i = 0; i < 3; i++) await items.getOrSet('x', () => 'of x');
    for (let round = 0; round < 3; round++) {
      for (const id of ['a', 'b', 'c']) expect(await items.getOrSet(id, () => `of ${id}`)).toBe(`of ${id}`);
      for (const id of ['a', 'b', 'c']) {
        expect(items.peek(id)).toBe(`of ${id}`);
        expect(await items.get(id)).toBe(`of ${id}`);
      }
    }
    expect(items.peek('d')).toBeUndefined();
    await items.delete('b');
    expect([items.peek('a'), items.peek('b'), items.peek('c')]).toEqual(['of a', undefined, 'of c']);
  });

  it.each(['x'.repeat(600), 'ü'.repeat(200), '%20', ' ', `~${'0'.repeat(64)}`, 'a:b{c}'])(
    'an id that does not stand in its key as it is: %s',
    async (id) => {
      const { cache } = embedded();
      const items = cache.namespace('items');
      await items.getOrSet(id, () => 'old');
      for (let i = 0; i < 3; i++) {
        expect(items.peek(id)).toBe('old');
        expect(await items.getOrSet(id, () => 'new')).toBe('old');
        expect((await items.getMany([id, 'other'])).get(id)).toBe('old');
      }
      expect(await items.ttl(id)).toBeGreaterThan(0);
      await cache.invalidate({ keys: [{ namespace: 'items', id }] });
      expect(items.peek(id)).toBeUndefined();
      expect(await items.getOrSet(id, () => 'new')).toBe('new');
      await cache.invalidate({ patterns: ['items:*'] });
      expect(items.peek(id)).toBeUndefined();
    },
  );
});

describe('a slot that changed hands meanwhile', () => {
  const idle: NamespaceOptions = { ttl: '10s', sliding: true };
  const short: NamespaceOptions = { ttl: '2s', tiers: ['l1'] };

  it('is not given the life of the entry before', async () => {
    const { nodes, hub, clock } = await fleet({ l1: { maxEntries: 1 }, namespaces: { idle, short } });
    const cache = nodes[0]!;
    await cache.getOrSet('idle', 'a', () => 1);
    await clock.pass(5_000);
    const lift = hub.inject({ at: 'answer', how: 'held', commands: ['replace'] });
    // Begins to renew it, in the background.
    await cache.getOrSet('idle', 'a', () => 2);
    await settle();
    await cache.getOrSet('short', 'b', () => 3);
    expect(cache.namespace('idle').peek('a')).toBeUndefined();
    lift();
    await settle();
    expect(await cache.namespace('short').ttl('b')).toBe(2_000);
    await clock.pass(2_500);
    expect(cache.namespace('short').peek('b')).toBeUndefined();
  });

  it('serves nobody who remembers the entry before', async () => {
    const cache = embedded({ l1: { maxEntries: 1 } }).cache;
    const items = cache.namespace('items');
    const call: RememberedRead = { id: 'a', loader: () => 'a', options: undefined, slot: -1, generation: -1 };
    for (let i = 0; i < 3; i++) expect(await items.getOrSetAgain(call)).toBe('a');
    const { slot } = call;
    expect(slot).toBeGreaterThanOrEqual(0);
    for (let i = 0; i < 3; i++) expect(await items.getOrSet('b', () => 'b')).toBe('b');
    for (let i = 0; i < 3; i++) expect(await items.getOrSetAgain(call)).toBe('a');
    expect(call.slot).toBe(slot);
  });
});
