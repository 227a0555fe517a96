import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { LRUCache } from 'lru-cache';
import { InvalidOptionsError } from '../errors.js';
import { Delivery } from '../loading/delivery.js';
import type { L1Node } from './node.js';
import { SecondChanceStore, SWEEP_LIMIT } from './second-chance-store.js';

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));

function node(bytes = 10, staleUntil = Infinity): L1Node {
  return {
    value: 1,
    promise: null,
    attentionTick: 0,
    epoch: 0,
    used: 0,
    delivery: Delivery.same(1),
    bytes,
    attentionAt: 0,
    expiresAt: 0,
    refreshAt: 0,
    slideAt: 0,
    staleUntil,
    slidingMs: 0,
    created: 0,
    loadMs: 0,
    tags: [],
    versions: [],
    key: '',
    size: 0,
    older: null,
    newer: null,
    hot: null,
    rawId: '',
    caller: null,
  };
}

/** Reads of `ids` keys by Zipf's law (exponent 0.9), the same every time. */
function skewedReads(count: number, ids: number): string[] {
  const sums: number[] = [];
  for (let i = 0, sum = 0; i < ids; i++) sums.push((sum += 1 / (i + 1) ** 0.9));
  let state = 1;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const wanted = (state / 2 ** 32) * sums.at(-1)!;
    let low = 0;
    for (let high = ids - 1; low < high;) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return `k${low}`;
  });
}

function storeOf(maxEntries: number, maxBytes = 1_000_000) {
  const removed: [string, string][] = [];
  const nodes: L1Node[] = [];
  const store = new SecondChanceStore({
    maxEntries,
    maxBytes,
    onRemoval: (key, gone, reason) => {
      removed.push([key, reason]);
      nodes.push(gone);
    },
  });
  return { store, removed, nodes };
}

describe('capacity', () => {
  it('keeps at most maxEntries, dropping the oldest that was not used since', () => {
    const { store, removed, nodes } = storeOf(2);
    const a = node();
    store.set('a', a);
    store.set('b', node());
    store.set('c', node());
    expect([store.size, removed]).toEqual([2, [['a', 'evict']]]);
    expect(nodes[0]).toBe(a);
    store.get('b');
    store.set('d', node());
    expect(removed.at(-1)).toEqual(['c', 'evict']);
    expect([...store.entries()].map(([key]) => key).sort()).toEqual(['b', 'd']);
  });

  it('a touch counts as a use, and spares once', () => {
    const { store, removed } = storeOf(2);
    const a = node();
    store.set('a', a);
    store.set('b', node());
    store.touch(a);
    store.set('c', node());
    store.set('d', node());
    expect(removed.map(([key]) => key)).toEqual(['b', 'a']);
  });

  it('looks at few for each that goes, also where all are in use', () => {
    const { store } = storeOf(100_000);
    const all = Array.from({ length: 100_000 }, () => node());
    for (const [i, one] of all.entries()) store.set(`k${i}`, one);
    for (const one of all) store.touch(one);
    store.set('new', node());
    expect(all.filter((one) => one.used === 0).length).toBeLessThan(200);
    expect(store.size).toBe(100_000);
  });

  it('hits as often as the least recently used on skewed reads', () => {
    const skewed = skewedReads(200_000, 20_000);
    for (const capacity of [200, 2_000]) {
      const { store } = storeOf(capacity);
      const lru = new LRUCache<string, number>({ max: capacity });
      const hits = { store: 0, lru: 0 };
      for (const key of skewed) {
        if (store.get(key) !== undefined) hits.store++;
        else store.set(key, node());
        if (lru.get(key) !== undefined) hits.lru++;
        else lru.set(key, 1);
      }
      expect(hits.store / skewed.length).toBeGreaterThan(hits.lru / skewed.length - 0.01);
    }
  });

  it('lets go of every node that leaves, at once', () => {
    const { store } = storeOf(1);
    const left = [
      (one: L1Node) => (store.set('a', one), store.delete('a')),
      (one: L1Node) => (store.set('a', one), store.set('a', node())),
      (one: L1Node) => (store.set('a', one), store.set('b', node())),
      (one: L1Node) => (store.set('a', one), store.clear()),
      (one: L1Node) => (store.set('a', one), store.set('a', node(Infinity))),
      (one: L1Node) => ((one.staleUntil = 1_000), store.set('a', one), store.sweep(1e6)),
    ];
    for (const leaves of left) {
      const one = node();
      const hot = new Map([['id', one]]);
      const caller = { id: 'id', loader: () => 1, options: undefined, node: one as L1Node | null };
      Object.assign(one, { hot, rawId: 'id', caller, promise: Promise.resolve(1) });
      leaves(one);
      expect([hot.size, caller.node, one.promise, one.value, one.epoch]).toEqual([
        0,
        null,
        null,
        undefined,
        -1,
      ]);
    }
  });

  it('peek does not count as a use', () => {
    const { store, removed } = storeOf(2);
    store.set('a', node());
    store.set('b', node());
    expect(store.peek('a')).toBeDefined();
    store.set('c', node());
    expect(removed).toEqual([['a', 'evict']]);
  });

  it('keeps at most maxBytes, dropping as many as needed', () => {
    const { store, removed } = storeOf(100, 100);
    for (const key of ['a', 'b', 'c', 'd']) store.set(key, node(25));
    expect([store.size, store.bytes]).toEqual([4, 100]);
    store.set('e', node(60));
    expect(removed.map(([key]) => key)).toEqual(['a', 'b', 'c']);
    expect(store.bytes).toBe(85);
  });

  it('refuses a node above the budget, and keeps nothing older under its key', () => {
    const { store, removed } = storeOf(10, 100);
    store.set('other', node(50));
    store.set('a', node(10));
    expect(store.set('a', node(101))).toBe(false);
    expect(store.set('b', node(Infinity))).toBe(false);
    expect([store.get('a'), store.get('b'), store.size, store.bytes]).toEqual([undefined, undefined, 1, 50]);
    expect(removed).toEqual([]);
    expect(store.set('a', node(100))).toBe(true);
    expect(removed).toEqual([['other', 'evict']]);
  });

  it('counts a replaced node anew, the same object too', () => {
    const { store, removed } = storeOf(10, 100);
    const same = node(10);
    store.set('a', same);
    same.bytes = 70;
    store.set('a', same);
    expect(store.bytes).toBe(70);
    store.set('a', node(5));
    expect([store.bytes, store.size, removed]).toEqual([5, 1, []]);
  });

  it('takes sizes of zero and fractions', () => {
    const { store } = storeOf(10, 100);
    expect([store.set('a', node(0)), store.set('b', node(1.5))]).toEqual([true, true]);
    expect(store.bytes).toBe(3);
  });

  it('both budgets hold after any sequence', () => {
    const step = fc.record({
      key: fc.constantFrom(...Array.from('abcdefgh')),
      bytes: fc.nat(60),
      drop: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { store } = storeOf(5, 100);
        for (const { key, bytes, drop } of steps) {
          if (drop) store.delete(key);
          else expect(store.set(key, node(bytes))).toBe(true);
          const held = [...store.entries()];
          expect(held.length).toBeLessThanOrEqual(5);
          expect(store.size).toBe(held.length);
          expect(store.bytes).toBe(held.reduce((sum, [, { bytes }]) => sum + Math.max(bytes, 1), 0));
          expect(store.bytes).toBeLessThanOrEqual(100);
        }
      }),
      { seed },
    );
  });

  it('says nothing of deletes, clears and replacements', () => {
    const { store, removed } = storeOf(5);
    store.set('a', node());
    store.set('a', node());
    expect([store.delete('a'), store.delete('a')]).toEqual([true, false]);
    store.set('b', node(10, 1_000));
    store.clear();
    expect([store.size, store.bytes, store.sweep(1e9), removed]).toEqual([0, 0, 0, []]);
  });

  it('lets the listener use the store', () => {
    const kept: string[] = [];
    const store = new SecondChanceStore({
      maxEntries: 2,
      maxBytes: 100,
      onRemoval: (key) => {
        kept.push(key);
        if (kept.length < 3) store.set(`again-${key}`, node(10, 1_000));
      },
    });
    for (const key of ['a', 'b', 'c']) store.set(key, node());
    expect(store.size).toBe(2);
    expect(store.sweep(5_000)).toBeGreaterThan(0);
  });

  it.each([0, -1, 1.5, NaN, Infinity])('refuses a budget of %s', (wrong) => {
    expect(() => new SecondChanceStore({ maxEntries: wrong, maxBytes: 1 })).toThrow(InvalidOptionsError);
    expect(() => new SecondChanceStore({ maxEntries: 1, maxBytes: wrong })).toThrow(InvalidOptionsError);
  });
});

describe('time', () => {
  it('removes what is past staleUntil without a read, within a second, and never before', () => {
    const { store, removed } = storeOf(10);
    store.set('a', node(10, 10_500));
    store.set('b', node(10, 12_000));
    store.set('forever', node());
    expect(store.sweep(10_500)).toBe(0);
    expect(store.get('a')).toBeDefined();
    expect(store.sweep(11_000)).toBe(1);
    expect(store.sweep(11_999)).toBe(0);
    expect(store.sweep(13_000)).toBe(1);
    expect(removed).toEqual([['a', 'expire'], ['b', 'expire']]); // prettier-ignore
    expect([store.sweep(1e12), store.size, store.bytes]).toEqual([0, 1, 10]);
  });

  it('follows a time that moved later, and one that moved earlier', () => {
    const { store } = storeOf(10);
    const later = node(10, 5_000);
    const earlier = node(10, 60_000);
    store.set('later', later);
    store.set('earlier', earlier);
    later.staleUntil = 20_000;
    store.reschedule('later', later);
    earlier.staleUntil = 2_000;
    store.reschedule('earlier', earlier);
    expect(store.sweep(3_000)).toBe(1);
    expect(store.peek('earlier')).toBeUndefined();
    expect(store.sweep(19_999)).toBe(0);
    expect(store.sweep(21_000)).toBe(1);
  });

  it('follows a time that moved later without being told', () => {
    const { store } = storeOf(10);
    const sliding = node(10, 5_000);
    store.set('a', sliding);
    sliding.staleUntil = 9_000;
    expect(store.sweep(6_000)).toBe(0);
    expect(store.sweep(10_000)).toBe(1);
  });

  it('follows a time that became, or ceased to be, for ever', () => {
    const { store } = storeOf(10);
    const a = node(10, 5_000);
    const b = node(10, Infinity);
    store.set('a', a);
    store.set('b', b);
    a.staleUntil = Infinity;
    store.reschedule('a', a);
    b.staleUntil = 5_000;
    store.reschedule('b', b);
    expect(store.sweep(10_000)).toBe(1);
    expect([store.peek('a'), store.peek('b')]).toEqual([a, undefined]);
  });

  it('goes by the node that is there, not by one it replaced', () => {
    const { store } = storeOf(10);
    const old = node(10, 2_000);
    store.set('a', old);
    store.set('a', node(10, 50_000));
    store.reschedule('a', old);
    expect(store.sweep(10_000)).toBe(0);
    store.set('a', node(10, 12_000));
    expect(store.sweep(13_000)).toBe(1);
    store.set('b', node(10, 20_000));
    store.set('b', node());
    expect(store.sweep(30_000)).toBe(0);
    store.reschedule('gone', node(10, 1));
    expect(store.sweep(31_000)).toBe(0);
  });

  it('does bounded work per sweep and finishes over several', () => {
    const { store } = storeOf(10_000);
    for (let i = 0; i < 2 * SWEEP_LIMIT + 5; i++) store.set(`k${i}`, node(1, 1_000 + (i % 3_000)));
    expect([store.sweep(10_000), store.sweep(10_000), store.sweep(10_000), store.sweep(10_000)]).toEqual([
      SWEEP_LIMIT,
      SWEEP_LIMIT,
      5,
      0,
    ]);
  });

  it('takes a node whose time is over already', () => {
    const { store } = storeOf(10);
    store.sweep(100_000);
    store.set('late', node(10, 50_000));
    expect(store.sweep(101_000)).toBe(1);
  });

  it('survives pauses of any length and clocks that start anywhere', () => {
    const { store } = storeOf(10);
    store.set('a', node(10, -5_000));
    store.set('b', node(10, 1e9));
    expect(store.sweep(-3_000)).toBe(1);
    expect(store.sweep(1e9 + 2_000)).toBe(1);
    expect(store.sweep(0)).toBe(0);
  });

  it('spends no work of a sweep on what was evicted, deleted or never there', () => {
    const { store } = storeOf(1);
    const gone = node(10, 1_000);
    for (let i = 0; i < SWEEP_LIMIT; i++) {
      store.set(`evicted${i}`, node(10, 1_000));
      store.set(`deleted${i}`, node(10, 1_000));
      store.delete(`deleted${i}`);
      store.reschedule(`absent${i}`, gone);
    }
    store.set('last', node(10, 1_000));
    expect(store.sweep(3_000)).toBe(1);
  });

  it('forgets the times of what was evicted and deleted, and keeps those of what came after', () => {
    const { store, removed } = storeOf(1);
    store.set('a', node(10, 5_000));
    store.set('b', node(10, 5_000));
    store.delete('b');
    store.set('b', node(10, 8_000));
    expect(store.sweep(6_000)).toBe(0);
    expect(store.sweep(9_000)).toBe(1);
    expect(removed).toEqual([['a', 'evict'], ['b', 'expire']]); // prettier-ignore
  });
});
