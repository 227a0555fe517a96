import { closeFleets, embedded, fleet, type FleetOptions } from '../../../../test/support/fleet.js';
import type { VirtualClock } from '../../../../test/support/virtual-clock.js';
import type { CacheNamespace, NamespaceOptions } from '../index.js';

afterEach(closeFleets);

interface Subject {
  items: CacheNamespace;
  clock: VirtualClock;
}

/** Each tier alone must keep time as both together do. */
const SUBJECTS: [string, (options: NamespaceOptions, more?: FleetOptions) => Promise<Subject>][] = [
  [
    'embedded',
    async (options, more) => {
      const { cache, clock } = embedded({ ...more, namespaces: { items: options } });
      return { items: cache.namespace('items'), clock };
    },
  ],
  ...(['l1+l2', 'l2', 'strict', 'local'] as const).map((kind): (typeof SUBJECTS)[number] => [
    kind,
    async (options, more) => {
      const own: NamespaceOptions =
        kind === 'l2' ? { tiers: ['l2'] } : kind === 'l1+l2' ? {} : { consistency: kind };
      const { nodes, clock } = await fleet({ ...more, namespaces: { items: { ...options, ...own } } });
      return { items: nodes[0]!.namespace('items'), clock };
    },
  ]),
];

describe.each(SUBJECTS)('lifetimes (%s)', (_kind, subject) => {
  it('absolute: an entry is gone at its TTL and not before', async () => {
    const { items, clock } = await subject({ ttl: '10s' });
    await items.getOrSet('a', () => 1);
    expect(await items.ttl('a')).toBe(10_000);
    await clock.pass(9_999);
    expect(await items.get('a')).toBe(1);
    expect(await items.has('a')).toBe(true);
    await clock.pass(1);
    expect(await items.has('a')).toBe(false);
    expect(await items.ttl('a')).toBeNull();
    expect(await items.getOrSet('a', () => 2)).toBe(2);
  });

  it('absolute: reads do not lengthen it', async () => {
    const { items, clock } = await subject({ ttl: '1s' });
    await items.getOrSet('a', () => 1);
    for (let i = 0; i < 10; i++) {
      await clock.pass(99);
      expect(await items.getOrSet('a', () => 2)).toBe(1);
    }
    await clock.pass(11);
    expect(await items.getOrSet('a', () => 2)).toBe(2);
  });

  it('per call: a TTL of the call wins over the namespace’s', async () => {
    const { items, clock } = await subject({ ttl: '10s' });
    await items.getOrSet('a', () => 1, { ttl: '1s' });
    await items.set('b', 1, { ttl: 20_000 });
    expect(await items.ttl('a')).toBe(1_000);
    await clock.pass(10_001);
    expect(await items.has('a')).toBe(false);
    expect(await items.has('b')).toBe(true);
  });

  it('adaptive: a function of the value decides', async () => {
    const { items, clock } = await subject({ ttl: '10s' });
    const ttl = (value: unknown) => (value === 'open' ? '1s' : 'forever');
    await items.getOrSet('open', () => 'open', { ttl });
    await items.getOrSet('closed', () => 'closed', { ttl });
    expect(await items.ttl('open')).toBe(1_000);
    expect(await items.ttl('closed')).toBe(Infinity);
    await clock.pass(1_000);
    expect(await items.has('open')).toBe(false);
  });

  it('expiresAt: a date ends it, as a Date or in milliseconds; one that has passed stores nothing', async () => {
    const { items, clock } = await subject({ ttl: '1h', jitter: 0.5 });
    await items.getOrSet('date', () => 1, { expiresAt: new Date(clock.now() + 5_000) });
    await items.set('ms', 1, { expiresAt: clock.now() + 6_000, ttl: '1s' });
    await items.getOrSet('past', () => 1, { expiresAt: clock.now() });
    expect(await items.ttl('date')).toBe(5_000);
    expect(await items.ttl('ms')).toBe(6_000);
    expect(await items.has('past')).toBe(false);
  });

  it('forever: stays', async () => {
    const { items, clock } = await subject({ ttl: 'forever' });
    await items.set('a', 1);
    clock.jump(400 * 86_400_000);
    await clock.pass(1_000);
    expect(await items.get('a')).toBe(1);
    expect(await items.ttl('a')).toBe(Infinity);
  });

  it('jitter: takes off at most its fraction, and nothing at zero', async () => {
    for (const [random, ttl] of [
      [0, 10_000],
      [0.5, 9_000],
      [0.999_999, 8_000.002],
    ] as const) {
      const { items } = await subject({ ttl: '10s', jitter: 0.2 }, { random: () => random });
      await items.getOrSet('a', () => 1);
      expect(await items.ttl('a')).toBeCloseTo(ttl, 1);
    }
  });

  it('negative: null and undefined live for their own time', async () => {
    const { items, clock } = await subject({ ttl: '1h', negativeTtl: '2s' });
    for (const [id, value] of [
      ['null', null],
      ['undefined', undefined],
    ] as const) {
      let loads = 0;
      const read = () => items.getOrSet(id, () => (loads++, value));
      expect(await read()).toBe(value);
      await clock.pass(1_999);
      expect(await read()).toBe(value);
      expect(loads).toBe(1);
      await clock.pass(1);
      await read();
      expect(loads).toBe(2);
    }
  });

  it('negative: false stores none, and 60 s is the longest by itself', async () => {
    const off = await subject({ ttl: '1h', negativeTtl: false });
    await off.items.getOrSet('a', () => null);
    expect(await off.items.has('a')).toBe(false);
    const usual = await subject({ ttl: '1h' });
    await usual.items.getOrSet('a', () => null);
    expect(await usual.items.ttl('a')).toBe(60_000);
  });

  it('negative: a TTL per call shortens the time of an absence, and never lengthens it', async () => {
    const { items } = await subject({ ttl: '1h', negativeTtl: '30s' });
    await items.getOrSet('long', () => null, { ttl: '1h' });
    expect(await items.ttl('long')).toBeLessThanOrEqual(30_000);
    await items.getOrSet('short', () => null, { ttl: '2s' });
    expect(await items.ttl('short')).toBeLessThanOrEqual(2_000);
    await items.getOrSet('decided', () => null, { ttl: () => '10m' });
    expect(await items.ttl('decided')).toBeGreaterThan(30_000);
    const off = await subject({ ttl: '1h', negativeTtl: false });
    await off.items.getOrSet('off', () => null, { ttl: '1h' });
    expect(await off.items.has('off')).toBe(false);
  });

  it('negative: an invalidation ends it', async () => {
    const { items } = await subject({ ttl: '1h' });
    await items.getOrSet('a', () => null);
    await items.delete('a');
    expect(await items.getOrSet('a', () => 'inserted')).toBe('inserted');
  });

  it.each(['getOrSet', 'get', 'getMany', 'getOrSetMany'] as const)(
    'sliding: reads by %s renew it; without them it ends',
    async (how) => {
      const { items, clock } = await subject({ ttl: '10s', sliding: true });
      await items.set('a', 1);
      const read: Record<typeof how, () => Promise<unknown>> = {
        get: () => items.get('a'),
        getMany: async () => (await items.getMany(['a'])).get('a'),
        getOrSet: () => items.getOrSet('a', () => 2),
        getOrSetMany: async () => (await items.getOrSetMany(['a'], () => new Map([['a', 2]]))).get('a'),
      };
      for (let i = 0; i < 10; i++) {
        await clock.pass(6_000);
        expect(await read[how]()).toBe(1);
      }
      await clock.pass(10_001);
      expect(await items.get('a')).toBeUndefined();
    },
  );

  it('touch: gives a new life from now, or answers false', async () => {
    const { items, clock } = await subject({ ttl: '10s' });
    await items.set('a', 1);
    await clock.pass(9_000);
    expect(await items.touch('a')).toBe(true);
    expect(await items.ttl('a')).toBe(10_000);
    expect(await items.touch('a', '1h')).toBe(true);
    expect(await items.ttl('a')).toBe(3_600_000);
    expect(await items.touch('a', 'forever')).toBe(true);
    expect(await items.ttl('a')).toBe(Infinity);
    expect(await items.touch('a', 500)).toBe(true);
    await clock.pass(500);
    expect(await items.touch('a')).toBe(false);
    expect(await items.touch('unknown')).toBe(false);
    expect(await items.get('a')).toBeUndefined();
  });

  it('touch: does not bring an invalidated entry back', async () => {
    const { items } = await subject({ ttl: '10s' });
    await items.set('a', 1, { tags: ['t'] });
    await items.clear();
    expect(await items.touch('a')).toBe(false);
    expect(await items.get('a')).toBeUndefined();
  });

  it('expire: ends the time now, and the value may still be served as stale; delete may not', async () => {
    const { items, clock } = await subject({ ttl: '10s', grace: '1m' });
    const failing = () => Promise.reject(new Error('source down'));
    await items.set('a', 'old');
    expect(await items.expire('a')).toBe(true);
    expect(await items.get('a')).toBeUndefined();
    expect(await items.has('a')).toBe(false);
    expect(await items.getOrSet('a', failing)).toBe('old');
    expect(await items.expire('a')).toBe(false);
    await items.delete('a');
    await expect(items.getOrSet('a', failing)).rejects.toThrow('source down');
    await clock.pass(1);
  });

  it('storeIf: what it refuses is returned and not stored', async () => {
    const { items } = await subject({ ttl: '10s' });
    const storeIf = (value: unknown) => value !== 'partial';
    expect(await items.getOrSet('a', () => 'partial', { storeIf })).toBe('partial');
    expect(await items.has('a')).toBe(false);
    expect(await items.getOrSet('a', () => 'whole', { storeIf })).toBe('whole');
    expect(await items.get('a')).toBe('whole');
  });

  it('fresh: loads in spite of what is stored, and stores anew', async () => {
    const { items } = await subject({ ttl: '10s' });
    await items.set('a', 'old');
    expect(await items.getOrSet('a', () => 'new', { fresh: true })).toBe('new');
    expect(await items.get('a')).toBe('new');
  });
});

describe('lifetimes', () => {
  it('an expired entry leaves L1 without being read', async () => {
    const { cache, clock } = embedded({ namespaces: { items: { ttl: '5s' } } });
    for (let i = 0; i < 100; i++) await cache.set('items', `k${i}`, i);
    expect(cache.stats().tiers.l1.entries).toBe(100);
    await clock.pass(7_000);
    expect(cache.stats().tiers.l1).toMatchObject({ entries: 0, bytes: 0, expirations: 100 });
  });

  it('a wall clock that is set back keeps an entry in L1 no longer than its TTL', async () => {
    const { nodes, clock } = await fleet({ nodes: 2, namespaces: { items: { ttl: '10s' } } });
    await nodes[0]!.set('items', 'a', 1);
    clock.setWallBack(3_600_000);
    expect(await nodes[1]!.get('items', 'a')).toBe(1);
    await clock.pass(10_001);
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
    expect(nodes[0]!.namespace('items').peek('a')).toBeUndefined();
  });

  it('refresh-ahead: renews in the background after its fraction of the life, once, and no reader waits', async () => {
    const { nodes, clock } = await fleet({
      nodes: 2,
      namespaces: { items: { ttl: '10s', refreshAhead: 0.8 } },
    });
    const items = nodes[0]!.namespace('items');
    let loads = 0;
    const loader = () => Promise.resolve(++loads);
    expect(await items.getOrSet('a', loader)).toBe(1);
    await clock.pass(7_999);
    expect(await items.getOrSet('a', loader)).toBe(1);
    await clock.pass(10);
    expect(loads).toBe(1);
    expect(await items.getOrSet('a', loader)).toBe(1);
    await clock.pass(10);
    expect(loads).toBe(2);
    expect(await items.getOrSet('a', loader)).toBe(2);
    expect(await nodes[1]!.getOrSet('items', 'a', loader)).toBe(2);
    expect(await items.ttl('a')).toBeGreaterThan(9_900);
  });

  it('refresh-ahead: two nodes renew once between them', async () => {
    const { nodes, clock } = await fleet({
      nodes: 2,
      namespaces: { items: { ttl: '10s', refreshAhead: 0.5 } },
    });
    let loads = 0;
    const loader = () => Promise.resolve(++loads);
    for (const node of nodes) await node.getOrSet('items', 'a', loader);
    await clock.pass(5_001);
    for (const node of nodes) await node.getOrSet('items', 'a', loader);
    await clock.pass(100);
    expect(loads).toBe(2);
  });

  it('refresh-ahead: a failure is told by an event, tried again at most once a second, and harms no reader', async () => {
    const { nodes, clock } = await fleet({ namespaces: { items: { ttl: '10s', refreshAhead: 0.5 } } });
    const items = nodes[0]!.namespace('items');
    await items.set('a', 1);
    const failed: unknown[] = [];
    nodes[0]!.on('refresh-failed', (event) => failed.push(event));
    let loads = 0;
    const failing = () => Promise.reject(new Error(`no ${++loads}`));
    await clock.pass(5_001);
    for (let i = 0; i < 40; i++) {
      expect(await items.getOrSet('a', failing)).toBe(1);
      await clock.pass(100);
    }
    expect(loads).toBeGreaterThanOrEqual(4);
    expect(loads).toBeLessThanOrEqual(5);
    expect(failed.length).toBe(loads);
    expect(failed[0]).toMatchObject({ namespace: 'items', id: 'a', error: { message: 'no 1' } });
  });

  it('xfetch: slow loads are renewed earlier than fast ones, by -loadMs * ln(u)', async () => {
    const { nodes, clock } = await fleet({
      random: () => 1 - Math.exp(-3),
      namespaces: { items: { ttl: '10s', refreshAhead: 'xfetch' } },
    });
    const items = nodes[0]!.namespace('items');
    const loader = (loadMs: number, count: { loads: number }) => () =>
      new Promise((resolve) => void clock.setTimer(loadMs, () => resolve(++count.loads)));
    const slow = { loads: 0 };
    const fast = { loads: 0 };
    const first = [items.getOrSet('slow', loader(1_000, slow)), items.getOrSet('fast', loader(10, fast))];
    await clock.pass(1_000);
    await Promise.all(first);
    // The slow one is due 3 s before its end at 11 s, the fast one 30 ms before its end at 10.01 s.
    await clock.pass(7_100);
    await items.getOrSet('slow', loader(1_000, slow));
    await items.getOrSet('fast', loader(10, fast));
    await clock.pass(1_100);
    expect(slow.loads).toBe(2);
    expect(fast.loads).toBe(1);
  });
});
