import { type AmbientTransaction, ambient, type DeferredSender, useAmbient } from './ambient.js';
import { joinSelectors } from './join-selectors.js';
import type { InvalidationSelector } from './options.js';
import { closeFleets, embedded, fleet, Source } from '../../../test/support/fleet.js';

/** A transaction as a provider tells of it. */
class Fake implements AmbientTransaction {
  open = true;
  bypasses = false;
  readonly waiting: { send: DeferredSender; selector: InvalidationSelector }[] = [];

  afterCommit(send: DeferredSender, selector: InvalidationSelector): void {
    this.waiting.push({ send, selector });
  }

  outside<R>(fn: () => R): R {
    useAmbient(undefined);
    try {
      return fn();
    } finally {
      useAmbient(() => this);
    }
  }
}

describe('inside a transaction', () => {
  let transaction: Fake;

  beforeEach(() => {
    transaction = new Fake();
  });
  afterEach(async () => {
    useAmbient(undefined);
    await closeFleets();
  });

  const inside = () => useAmbient(() => transaction);

  it('a load concerns its caller alone: no tier keeps it, nobody joins it', async () => {
    const { nodes } = await fleet({ nodes: 2 });
    const source = new Source({ a: 1 });
    const items = nodes[0]!.namespace<number>('items');
    inside();
    const release = source.hold();
    const both = Promise.all([items.getOrSet('a', source.load), items.getOrSet('a', source.load)]);
    release();
    expect(await both).toEqual([1, 1]);
    const many = await items.getOrSetMany(['a', 'b'], async (ids) => new Map(ids.map((id) => [id, 2])));
    expect(Object.fromEntries(many)).toEqual({ a: 2, b: 2 });
    useAmbient(undefined);
    expect(source.loads).toBe(2);
    expect(await nodes[1]!.namespace('items').getMany(['a', 'b'])).toEqual(new Map());
    expect(items.peek('a')).toBe(undefined);
  });

  it('what is handed out has the shape that a hit would have', async () => {
    const { cache } = embedded();
    const items = cache.namespace<{ at: Date; list: number[] }>('items');
    inside();
    const loaded = { at: new Date(5), list: [1] };
    const value = await items.getOrSet('a', () => loaded);
    expect(value).toEqual(loaded);
    value.list.push(2);
    expect(loaded.list).toEqual([1]);
  });

  it('the cache answers while it may, also for many, and refreshes nothing', async () => {
    const { cache, clock } = embedded({ namespaces: { items: { ttl: '10m', refreshAhead: 0.1 } } });
    const items = cache.namespace<number>('items');
    const source = new Source<number>({ a: 1 });
    await items.getOrSet('a', source.load);
    await clock.pass(300_000);
    inside();
    expect(await items.getOrSet('a', source.load)).toBe(1);
    expect(await items.getOrSetMany(['a'], async () => new Map())).toEqual(new Map([['a', 1]]));
    expect([items.peek('a'), await items.get('a'), await items.has('a')]).toEqual([1, 1, true]);
    await clock.pass(1);
    expect(source.loads).toBe(1);
    transaction.bypasses = true;
    source.values.set('a', 2);
    expect(await items.getOrSet('a', source.load)).toBe(2);
    expect([items.peek('a'), await items.get('a'), await items.has('a')]).toEqual([
      undefined,
      undefined,
      false,
    ]);
  });

  it('once its function has ended, reads are as anywhere; invalidations still wait', async () => {
    const { cache } = embedded();
    const items = cache.namespace<number>('items');
    transaction.bypasses = true;
    transaction.open = false;
    inside();
    expect(await items.getOrSet('a', () => 1)).toBe(1);
    expect(items.peek('a')).toBe(1);
    await items.delete('a');
    expect(items.peek('a')).toBe(1);
    expect(transaction.waiting).toHaveLength(1);
  });

  it('invalidations and values wait, and are then sent as one', async () => {
    const { nodes } = await fleet({ nodes: 1 });
    const cache = nodes[0]!;
    const items = cache.namespace<number>('items');
    await items.set('a', 1);
    await items.set('b', 1);
    inside();
    for (const answer of [await items.delete('a'), await items.set('b', 2), await cache.deleteByTag('t')])
      expect(answer).toEqual({ acknowledged: false, position: null });
    expect([items.peek('a'), items.peek('b')]).toEqual([1, 1]);
    useAmbient(undefined);
    const { send } = transaction.waiting[0]!;
    expect(transaction.waiting.every((one) => one.send === send)).toBe(true);
    await send(transaction.waiting.map(({ selector }) => selector));
    expect([items.peek('a'), items.peek('b'), await items.get('b')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    await cache.close();
    await send([{ tags: ['t'] }]);
  });

  it('a loader may be called with no more than its hard timeout', async () => {
    const { cache, clock } = embedded();
    inside();
    const read = cache.namespace('items').getOrSet('a', () => new Promise(() => {}), { hardTimeout: 50 });
    const failed = expect(read).rejects.toMatchObject({ code: 'STRATA_LOADER_TIMEOUT' });
    await clock.pass(51);
    await failed;
  });

  it('selectors are joined without losing a part', () => {
    const key = { namespace: 'items', id: 'a' };
    expect(
      joinSelectors([
        { keys: [key], tags: ['t'], user: '5' },
        { keys: [key, { namespace: 'items', id: 'b' }], tags: ['t'], symbol: 'btc' },
        { namespaces: ['items'], patterns: ['items:*'] },
        { all: true, patterns: ['items:*'] },
      ]),
    ).toEqual({
      keys: [key, { namespace: 'items', id: 'b' }],
      tags: ['t', 'user:5', 'symbol:BTC'],
      namespaces: ['items'],
      patterns: ['items:*'],
      all: true,
    });
  });

  it('a tracked load that reads in there is handed out, and not stored', async () => {
    const { cache } = embedded();
    const items = cache.namespace<number>('items');
    await items.getOrSet('part', () => 1);
    const whole = () =>
      items.getOrSet(
        'whole',
        async () => {
          await cache.trackedLoad?.reads(['row:1']);
          inside();
          const part = await items.getOrSet('part', () => 1);
          useAmbient(undefined);
          return part + 1;
        },
        { track: true },
      );
    expect(await whole()).toBe(2);
    expect(items.peek('whole')).toBe(undefined);
  });

  it('nobody is asked unless somebody runs transactions', () => expect(ambient).toBe(undefined));
});
