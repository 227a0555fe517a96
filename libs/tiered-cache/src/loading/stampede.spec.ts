import { closeFleets, embedded, fleet, Source } from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';
import type { NamespaceOptions } from '../index.js';

afterEach(closeFleets);

const CONSISTENCIES = ['bounded', 'strict', 'local'] as const;

function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

describe('stampede', () => {
  it.each(CONSISTENCIES)('1,000 concurrent reads in one node are one load (%s)', async (consistency) => {
    const { nodes, clock } = await fleet({ namespaces: { items: { ttl: '1m', consistency } } });
    const source = new Source({ a: { n: 1 } });
    const release = source.hold();
    const reads = times(1_000, () => nodes[0]!.getOrSet('items', 'a', source.load));
    await settle();
    release();
    await clock.pass(100);
    expect(new Set((await Promise.all(reads)).map((value) => JSON.stringify(value)))).toEqual(
      new Set(['{"n":1}']),
    );
    expect(source.loads).toBe(1);
    expect(nodes[0]!.stats().sourceLoads).toBe(1);
  });

  it.each(CONSISTENCIES)(
    '1,000 concurrent reads are one load without a shared tier (%s)',
    async (consistency) => {
      const options: NamespaceOptions = { ttl: '1m', consistency };
      const { cache } = embedded({ namespaces: { items: options } });
      const source = new Source({ a: 1 });
      const release = source.hold();
      const reads = times(1_000, () => cache.getOrSet('items', 'a', source.load));
      await settle();
      release();
      await Promise.all(reads);
      expect(source.loads).toBe(1);
    },
  );

  it.each(['bounded', 'strict'] as const)(
    '999 concurrent reads over three nodes are one load (%s)',
    async (consistency) => {
      const { nodes, clock } = await fleet({ nodes: 3, namespaces: { items: { ttl: '1m', consistency } } });
      const source = new Source({ a: 1 });
      const release = source.hold();
      const reads = times(999, (i) => nodes[i % 3]!.getOrSet('items', 'a', source.load));
      await clock.pass(1_000);
      release();
      await clock.pass(200);
      expect(new Set(await Promise.all(reads))).toEqual(new Set([1]));
      expect(source.loads).toBe(1);
      expect(nodes.reduce((sum, node) => sum + node.stats().sourceLoads, 0)).toBe(1);
    },
  );

  it.each(['bounded', 'strict'] as const)(
    '1,000 concurrent reads while the shared tier is away are one load, two at most if strict (%s)',
    async (consistency) => {
      const { nodes, hub, clock } = await fleet({ namespaces: { items: { ttl: '1m', consistency } } });
      hub.down();
      const source = new Source({ a: 1 });
      const release = source.hold();
      const reads = times(1_000, () => nodes[0]!.getOrSet('items', 'a', source.load));
      await clock.pass(100);
      release();
      await Promise.all(reads);
      // Those who came while the first was under way may not take its answer, and share the second.
      expect(source.loads).toBe(consistency === 'strict' ? 2 : 1);
    },
  );

  it('reads of different keys do not wait for each other', async () => {
    const { nodes } = await fleet();
    const slow = new Source({ a: 1 });
    const release = slow.hold();
    const first = nodes[0]!.getOrSet('items', 'a', slow.load);
    expect(await nodes[0]!.getOrSet('items', 'b', () => 2)).toBe(2);
    release();
    await first;
  });

  it('a holder that is cut off in mid-load costs the others one lease, and one of them takes over', async () => {
    const { nodes, clock, hub, tiers } = await fleet({
      nodes: 3,
      namespaces: { items: { ttl: '1m', lease: '2s' } },
    });
    const dying = new Source({ a: 'from the dead' });
    dying.hold();
    void nodes[0]!.getOrSet('items', 'a', dying.load);
    await settle();
    hub.cut(tiers[0]!);
    const source = new Source({ a: 'alive' });
    const others = times(100, (i) => nodes[1 + (i % 2)]!.getOrSet('items', 'a', source.load));
    let done = 0;
    for (const read of others) void read.then(() => done++);
    const waited = await clock.until(() => done === 100);
    expect(new Set(await Promise.all(others))).toEqual(new Set(['alive']));
    expect(source.loads).toBe(1);
    expect(waited).toBeGreaterThan(1_800);
    expect(waited).toBeLessThan(2_200);
  });

  it('a lease that is held for ever is waited for twice its time, then the load goes without it and stores nothing', async () => {
    const { nodes, clock, hub } = await fleet({ namespaces: { items: { ttl: '1m', lease: '1s' } } });
    const { createInProcessTier } = await import('../index.js');
    const holder = createInProcessTier(hub);
    holder.start({ wake: () => undefined, stateChanged: () => undefined });
    await settle();
    await holder.acquire({ key: 'items:a', token: 'x', leaseMs: 3_600_000 });
    let value: unknown;
    void nodes[0]!.getOrSet('items', 'a', () => 'loaded').then((v) => (value = v));
    const waited = await clock.until(() => value === 'loaded', 10_000);
    expect(waited).toBeGreaterThan(1_900);
    expect(waited).toBeLessThan(2_200);
    expect(await nodes[0]!.get('items', 'a')).toBeUndefined();
    await holder.stop();
  });

  it('a holder that was cut off and comes back does not store what it loaded', async () => {
    const { nodes, clock, hub, tiers } = await fleet({
      nodes: 2,
      namespaces: { items: { ttl: '1m', lease: '1s' } },
    });
    const slow = new Source({ a: 'old' });
    const release = slow.hold();
    const late = nodes[0]!.getOrSet('items', 'a', slow.load);
    await settle();
    hub.cut(tiers[0]!);
    await clock.pass(1_500);
    expect(await nodes[1]!.getOrSet('items', 'a', () => 'new')).toBe('new');
    hub.mend(tiers[0]!);
    await clock.pass(1_000);
    release();
    expect(await late).toBe('old');
    for (const node of nodes) expect(await node.get('items', 'a')).toBe('new');
  });

  it('a loader’s error reaches every waiting caller of the node as the same object', async () => {
    const { nodes, clock } = await fleet();
    const error = new Error('source down');
    let fail!: () => void;
    const loader = () => new Promise((_, reject) => (fail = () => reject(error)));
    const reads = times(50, () => nodes[0]!.getOrSet('items', 'a', loader));
    const errors = Promise.all(reads.map((read) => read.catch((e: unknown) => e)));
    await settle();
    fail();
    await clock.pass(10);
    for (const caught of await errors) expect(caught).toBe(error);
  });

  it('after a loader’s error the other nodes load themselves, at once', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    let fail!: () => void;
    const failing = nodes[0]!.getOrSet(
      'items',
      'a',
      () => new Promise((_, reject) => (fail = () => reject(new Error('no')))),
    );
    failing.catch(() => undefined);
    await settle();
    const other = nodes[1]!.getOrSet('items', 'a', () => 'mine');
    let done = false;
    void other.then(() => (done = true));
    await clock.pass(20);
    expect(done).toBe(false);
    fail();
    await expect(failing).rejects.toThrow('no');
    expect(await clock.until(() => done)).toBeLessThan(100);
    expect(await other).toBe('mine');
  });

  it('errors are not cached', async () => {
    const { nodes } = await fleet();
    await expect(nodes[0]!.getOrSet('items', 'a', () => Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    );
    expect(await nodes[0]!.getOrSet('items', 'a', () => 'yes')).toBe('yes');
  });

  it('errors are cached for errorTtl, as the same object, in this process only, and are no entries', async () => {
    const { nodes, clock } = await fleet({ nodes: 2, namespaces: { items: { ttl: '1m', errorTtl: '1s' } } });
    const items = nodes[0]!.namespace('items');
    const error = new Error('no');
    const loads = { n: 0 };
    const loader = () => {
      loads.n++;
      throw error;
    };
    await expect(items.getOrSet('a', loader)).rejects.toBe(error);
    await expect(items.getOrSet('a', loader)).rejects.toBe(error);
    expect(loads.n).toBe(1);
    expect(items.peek('a')).toBeUndefined();
    expect(await items.has('a')).toBe(false);
    expect((await items.getMany(['a'])).size).toBe(0);
    expect(await nodes[1]!.getOrSet('items', 'b', () => 1)).toBe(1);
    await clock.pass(1_001);
    expect(await items.getOrSet('a', () => 'yes')).toBe('yes');
  });

  it('an error that is thrown synchronously, or is no Error, arrives unchanged', async () => {
    const { nodes } = await fleet();
    for (const thrown of ['text', 0, null, undefined, { code: 1 }]) {
      const caught: unknown = await nodes[0]!
        .getOrSet('items', 'a', () => {
          throw thrown;
        })
        .then(
          () => 'resolved',
          (error: unknown) => ({ error }),
        );
      expect(caught).toEqual({ error: thrown });
    }
  });
});
