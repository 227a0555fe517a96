import { types } from 'node:util';
import { closeFleets, deferred, embedded, fleet } from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';
import type { CacheNamespace, NamespaceOptions, ValueSafety } from '../index.js';

afterEach(closeFleets);

interface Row {
  n: number;
  list: number[];
  when?: Date;
}

const KINDS: [string, (options: NamespaceOptions) => Promise<CacheNamespace<any>[]>][] = [
  ['embedded', async (options) => [embedded({ namespaces: { items: options } }).cache.namespace('items')]],
  [
    'shared',
    async (options) =>
      (await fleet({ nodes: 2, namespaces: { items: options } })).nodes.map((node) =>
        node.namespace('items'),
      ),
  ],
  [
    'strict',
    async (options) =>
      (await fleet({ nodes: 2, namespaces: { items: { ...options, consistency: 'strict' } } })).nodes.map(
        (node) => node.namespace('items'),
      ),
  ],
];

describe.each(KINDS)('values (%s)', (kind, make) => {
  it.each([undefined, null, 0, -0, '', Number.NaN, false, 0n])('%p is a hit', async (value) => {
    const all = await make({ ttl: '1m' });
    let loads = 0;
    for (const items of [...all, ...all]) {
      expect(await items.getOrSet('a', () => (loads++, value))).toBe(value);
      expect((await items.getMany(['a'])).has('a')).toBe(true);
      expect(await items.has('a')).toBe(true);
    }
    expect(loads).toBe(1);
  });

  it.each(['frozen', 'cloned'] as ValueSafety[])(
    '%s: no caller’s change reaches another, first, joined or later',
    async (values) => {
      for (const when of [undefined, new Date(0)]) {
        const all = await make({ ttl: '1m', values });
        const own: Row = { n: 1, list: [1], ...(when && { when }) };
        const gate = deferred<Row>();
        const first = [all[0]!.getOrSet('a', () => gate.promise), all[0]!.getOrSet('a', () => gate.promise)];
        await settle();
        gate.resolve(own);
        const seen: Row[] = await Promise.all(first);
        for (const items of [...all, ...all]) {
          seen.push(await items.getOrSet('a', () => own));
          seen.push((await items.getMany(['a'])).get('a'));
          seen.push((await items.getOrSetMany(['a'], () => new Map())).get('a'));
        }
        for (const row of seen) {
          try {
            row.n = 99;
            row.list.push(99);
            row.when?.setTime(99);
          } catch {
            // Frozen: just as well.
          }
        }
        const later: Row = await all[0]!.getOrSet('a', () => own);
        expect(later.n).toBe(1);
        expect([...later.list]).toEqual([1]);
        if (when) expect(later.when!.getTime()).toBe(0);
        // The loader's own object is nobody's but the loader's.
        expect(own).toMatchObject({ n: 1, list: [1] });
        expect(Object.isFrozen(own)).toBe(false);
        own.n = 2;
        expect((await all[0]!.getOrSet('a', () => own)).n).toBe(1);
      }
    },
  );

  it('frozen: the first caller and the later ones see the same shape', async () => {
    const all = await make({ ttl: '1m' });
    const own = { n: 1, nested: { m: new Map([[1, new Date(5)]]) }, none: undefined };
    const first = await all[0]!.getOrSet('a', () => own);
    for (const value of [first, ...(await Promise.all(all.map((items) => items.getOrSet('a', () => own))))]) {
      expect(Object.keys(value)).toEqual(['n', 'nested', 'none']);
      expect(types.isMap(value.nested.m)).toBe(true);
      expect(types.isDate(value.nested.m.get(1))).toBe(true);
    }
  });

  it('what storeIf refuses is not shared either: two who joined get no common object', async () => {
    const all = await make({ ttl: '1m' });
    const gate = deferred<Row>();
    const reads = [1, 2].map(() => all[0]!.getOrSet('a', () => gate.promise, { storeIf: () => false }));
    await settle();
    gate.resolve({ n: 1, list: [1] });
    await settle();
    const [one, two] = (
      kind === 'strict' ? [await reads[0]!, { n: 1, list: [1] }] : await Promise.all(reads)
    ) as [Row, Row];
    try {
      one.n = 99;
    } catch {
      // Frozen.
    }
    expect(two.n).toBe(1);
  });

  it.each([
    ['a function', () => () => 1],
    ['a class instance that is not registered', () => new (class Foo {})()],
    ['a symbol', () => Symbol('x')],
  ])(
    '%s cannot be stored: returned and counted by getOrSet, refused by set, nothing changed',
    async (_what, makeValue) => {
      const all = await make({ ttl: '1m' });
      const items = all[0]!;
      const value: unknown = makeValue();
      let loads = 0;
      for (let i = 0; i < 2; i++) expect(await items.getOrSet('a', () => (loads++, value))).toBe(value);
      expect(loads).toBe(2);
      expect(await items.has('a')).toBe(false);
      await items.set('b', 'before');
      await expect(items.set('b', value)).rejects.toMatchObject({ code: 'STRATA_UNSERIALISABLE' });
      expect(await items.get('b')).toBe('before');
    },
  );

  it('an entry above the limit: returned and counted by getOrSet, refused by set, nothing changed', async () => {
    const all = await make({ ttl: '1m', maxEntryBytes: 1_000 });
    const items = all[0]!;
    const big = 'x'.repeat(2_000);
    expect(await items.getOrSet('a', () => big)).toBe(big);
    expect(await items.has('a')).toBe(false);
    await items.set('b', 'before');
    await expect(items.set('b', big)).rejects.toMatchObject({ code: 'STRATA_ENTRY_TOO_LARGE' });
    expect(await items.get('b')).toBe('before');
    await items.set('b', 'y'.repeat(250));
  });

  it('what could not be stored keeps nobody waiting', async () => {
    const all = await make({ ttl: '1m' });
    for (const items of [...all, ...all])
      expect(typeof (await items.getOrSet('a', () => () => 1))).toBe('function');
  });
});

describe('values', () => {
  it('an L1 hit is the very same settled promise for everybody', async () => {
    const { nodes } = await fleet();
    const items = nodes[0]!.namespace('items');
    await items.getOrSet('a', () => ({ n: 1 }));
    const promise = items.getOrSet('a', () => ({ n: 2 }));
    expect(items.getOrSet('a', () => ({ n: 2 }))).toBe(promise);
    expect(await promise).toBe(await items.getOrSet('a', () => ({ n: 2 })));
  });

  it('frozen: plain data is deeply frozen', async () => {
    const { cache } = embedded();
    const value = await cache.getOrSet('items', 'a', () => ({ list: [{ n: 1 }] }));
    expect(Object.isFrozen(value)).toBe(true);
    expect(Object.isFrozen(value.list[0])).toBe(true);
  });

  it('cloned: every reader gets an object of his own, which he may change', async () => {
    const { cache } = embedded({ namespaces: { items: { ttl: '1m', values: 'cloned' } } });
    const items = cache.namespace<{ n: number }>('items');
    const one = await items.getOrSet('a', () => ({ n: 1 }));
    const two = await items.getOrSet('a', () => ({ n: 1 }));
    expect(one).not.toBe(two);
    one.n = 5;
    expect(two.n).toBe(1);
  });

  it('shared: the loader’s own object, by reference, and functions too', async () => {
    const { cache } = embedded({ namespaces: { items: { ttl: '1m', values: 'shared' } } });
    const own = { call: () => 1 };
    expect(await cache.getOrSet('items', 'a', () => own)).toBe(own);
    expect(await cache.getOrSet('items', 'a', () => ({}))).toBe(own);
    expect(Object.isFrozen(own)).toBe(false);
  });

  it('registered classes keep their type through the shared tier', async () => {
    class Money {
      constructor(
        readonly units: bigint,
        readonly currency: string,
      ) {}
    }
    const { nodes } = await fleet({ nodes: 2, classes: [{ name: 'Money', type: Money }] });
    await nodes[0]!.set('items', 'a', new Money(5n, 'EUR'));
    for (const node of nodes) {
      const value = await node.get<Money>('items', 'a');
      expect(value).toBeInstanceOf(Money);
      expect(value!.units).toBe(5n);
    }
  });

  it('bytes that are damaged, foreign or of another schema are misses, counted, deleted, and no error', async () => {
    const { nodes, clock, hub } = await fleet({ nodes: 2 });
    const { createInProcessTier } = await import('../index.js');
    const tier = createInProcessTier(hub);
    tier.start({ wake: () => undefined, stateChanged: () => undefined });
    await settle();
    await nodes[1]!.set('items', 'real', 1);
    const real = (await tier.get('items:real'))!;
    const damaged = Buffer.from(real);
    damaged[damaged.length - 1]! ^= 0xff;
    for (const [i, value] of [
      Buffer.alloc(0),
      Buffer.from('{"json":true}'),
      damaged,
      real.subarray(0, 70),
    ].entries()) {
      await tier.acquire({ key: `items:k${i}`, token: 'x', leaseMs: 1_000 });
      await tier.fill({ key: `items:k${i}`, token: 'x', value, ttlMs: null });
      const before = nodes[0]!.stats().errors;
      expect(await nodes[0]!.get('items', `k${i}`)).toBeUndefined();
      let value_: unknown;
      void nodes[0]!.getOrSet('items', `k${i}`, () => 'loaded').then((v) => (value_ = v));
      await clock.pass(10);
      expect(value_).toBe('loaded');
      expect(nodes[0]!.stats().errors).toBeGreaterThan(before);
      expect(await nodes[1]!.get('items', `k${i}`)).toBe('loaded');
    }
    await tier.stop();
  });
});

describe('classes registered later', () => {
  class Money {
    constructor(
      readonly amount: string,
      readonly currency: string,
    ) {}
    get text(): string {
      return `${this.amount} ${this.currency}`;
    }
  }

  it('are stored from then on, and keep their type; before, the value is handed out, not stored, and told of', async () => {
    const { cache } = embedded();
    const items = cache.namespace<Money>('items');
    const told: unknown[] = [];
    cache.on('not-stored', (event) => told.push(event));
    const load = () => new Money('1.50', 'EUR');
    expect((await items.getOrSet('a', load)).text).toBe('1.50 EUR');
    expect(await items.has('a')).toBe(false);
    expect(told).toMatchObject([{ namespace: 'items', id: 'a', error: { code: 'STRATA_UNSERIALISABLE' } }]);
    expect(cache.registerClass({ name: 'money', type: Money })).toBe(true);
    expect(cache.registerClass({ name: 'again', type: Money })).toBe(false);
    expect(() => cache.registerClass({ name: 'money', type: class Other {} })).toThrow('a name used once');
    await items.getOrSet('a', load);
    expect((await items.get('a'))!.text).toBe('1.50 EUR');
    expect(told).toHaveLength(1);
  });
});
