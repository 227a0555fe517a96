import { BOUND, closeFleets, fleet, type Fleet, Source, TIMEOUT } from '../../../../test/support/fleet.js';
import { settle, VirtualClock } from '../../../../test/support/virtual-clock.js';
import { createInProcessTier, InProcessHub, TieredCache } from '../index.js';

afterEach(closeFleets);

const NAMESPACES = {
  items: { ttl: '10m' },
  served: { ttl: '10m', onRemoteLoss: 'serve-local' },
  notes: { ttl: '10m', consistency: 'local' },
} as const;

/** The hub as the given node sees it: invalidations vanish, before or after they are executed. */
async function unanswered(
  made: Fleet,
  how: 'request' | 'answer',
  change: () => Promise<{ acknowledged: boolean }>,
): Promise<() => Promise<void>> {
  const { hub, clock, tiers, nodes } = made;
  const lift = hub.inject({ at: how, how: 'lost', commands: ['invalidate'], tier: tiers[0]! });
  const result = change();
  await clock.pass(TIMEOUT + 1);
  expect((await result).acknowledged).toBe(false);
  await clock.until(() => nodes[0]!.health().circuit === 'closed');
  return async () => {
    lift();
    await clock.until(() => nodes[0]!.health().pendingInvalidations === 0, 5_000);
    await clock.pass(50);
  };
}

describe('while the shared tier is away', () => {
  it('the source serves, one load at a time, and nothing rejects', async () => {
    const { nodes, hub, clock } = await fleet({ namespaces: NAMESPACES });
    hub.down();
    await clock.pass(BOUND);
    const items = nodes[0]!.namespace('items');
    const source = new Source({ a: 1 });
    const release = source.hold();
    const reads = Array.from({ length: 100 }, () => items.getOrSet('a', source.load));
    await settle();
    release();
    expect(new Set(await Promise.all(reads))).toEqual(new Set([1]));
    expect(source.loads).toBe(1);
    expect(await items.get('a')).toBeUndefined();
    expect(await items.set('a', 1)).toEqual({ acknowledged: false, position: null });
    expect(await items.delete('a')).toEqual({ acknowledged: false, position: null });
    expect(await items.touch('a')).toBe(false);
    expect(await items.has('a')).toBe(false);
    expect(await nodes[0]!.describeRemote()).toMatchObject({ state: 'down' });
    expect(nodes[0]!.health()).toMatchObject({
      state: 'degraded',
      remote: { configured: true, state: 'down' },
    });
  });

  it('everything comes back by itself', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2, namespaces: NAMESPACES });
    hub.down();
    await clock.pass(10_000);
    hub.up();
    await clock.pass(2 * BOUND);
    for (const node of nodes)
      expect(node.health()).toMatchObject({ state: 'up', circuit: 'closed', l1: { serving: true } });
    await nodes[0]!.set('items', 'a', 1);
    expect(await nodes[1]!.get('items', 'a')).toBe(1);
    expect(nodes[1]!.namespace('items').peek('a')).toBe(1);
  });

  it('a cache that was booted without it works, and joins it when it comes', async () => {
    const clock = new VirtualClock();
    const hub = new InProcessHub({ clock, commandTimeoutMs: TIMEOUT });
    hub.down();
    const cache = new TieredCache({
      clock,
      remote: createInProcessTier(hub),
      namespaces: NAMESPACES,
    }).start();
    const source = new Source({ a: 1 });
    expect(await cache.getOrSet('items', 'a', source.load)).toBe(1);
    expect(cache.health().state).toBe('degraded');
    hub.up();
    await clock.pass(2 * BOUND);
    expect(cache.health().state).toBe('up');
    await cache.getOrSet('items', 'a', source.load);
    await cache.getOrSet('items', 'a', source.load);
    expect(source.loads).toBe(2);
    await cache.close();
  });

  it('serve-local: L1 goes on serving up to its TTL, and takes what is loaded', async () => {
    const { nodes, hub, clock } = await fleet({ namespaces: NAMESPACES });
    const served = nodes[0]!.namespace('served');
    await served.getOrSet('a', () => 'before');
    hub.down();
    await clock.pass(60_000);
    expect(await served.getOrSet('a', () => 'again')).toBe('before');
    const source = new Source({ b: 'during' });
    await served.getOrSet('b', source.load);
    await served.getOrSet('b', source.load);
    expect(source.loads).toBe(1);
    await clock.pass(600_000);
    expect(await served.getOrSet('a', () => 'again')).toBe('again');
  });

  it('serve-local: an invalidation of this node is honoured here', async () => {
    const { nodes, hub } = await fleet({ namespaces: NAMESPACES });
    const served = nodes[0]!.namespace('served');
    for (const end of [
      () => served.delete('a'),
      () => nodes[0]!.deleteByTag('t'),
      () => served.clear(),
      () => nodes[0]!.invalidate({ patterns: ['served:*'] }),
    ]) {
      hub.up();
      await settle();
      await served.getOrSet('a', () => 'old', { tags: ['t'], fresh: true });
      hub.down();
      await end();
      expect(served.peek('a')).toBeUndefined();
      expect(await served.getOrSet('a', () => 'new', { tags: ['t'] })).toBe('new');
    }
  });

  it('serve-local: what other nodes changed meanwhile is dropped when it is back', async () => {
    const { nodes, hub, clock, tiers } = await fleet({ nodes: 2, namespaces: NAMESPACES });
    for (const node of nodes) await node.getOrSet('served', 'a', () => 'old');
    hub.cut(tiers[1]!);
    await nodes[0]!.set('served', 'a', 'new');
    await clock.pass(5_000);
    expect(nodes[1]!.namespace('served').peek('a')).toBe('old');
    hub.mend(tiers[1]!);
    await clock.pass(BOUND);
    expect(nodes[1]!.namespace('served').peek('a')).toBeUndefined();
    expect(await nodes[1]!.get('served', 'a')).toBe('new');
  });

  it('local: get, set and delete work on as ever', async () => {
    const { nodes, hub, clock } = await fleet({ namespaces: NAMESPACES });
    const notes = nodes[0]!.namespace('notes');
    await notes.set('a', 1);
    hub.down();
    await clock.pass(5_000);
    expect(await notes.get('a')).toBe(1);
    await notes.set('a', 2);
    expect(await notes.get('a')).toBe(2);
    await notes.delete('a');
    expect(await notes.get('a')).toBeUndefined();
    const source = new Source({ a: 3 });
    await notes.getOrSet('a', source.load);
    await notes.getOrSet('a', source.load);
    expect(source.loads).toBe(1);
  });
});

describe('an invalidation that is not answered', () => {
  const WAYS = {
    key: (node: TieredCache) => node.delete('items', 'a'),
    tag: (node: TieredCache) => node.deleteByTag('t'),
    namespace: (node: TieredCache) => node.clear('items'),
  };

  it.each(Object.keys(WAYS) as (keyof typeof WAYS)[])(
    'by %s is bypassed and not filled here until it is answered, then honoured everywhere',
    async (way) => {
      const made = await fleet({ nodes: 2, namespaces: NAMESPACES });
      const { nodes } = made;
      const source = new Source({ a: 'old' });
      for (const node of nodes) await node.getOrSet('items', 'a', source.load, { tags: ['t'] });
      source.values.set('a', 'new');
      const answer = await unanswered(made, 'request', () => WAYS[way](nodes[0]!));
      // The old value still lies in the shared tier, which answers again; this node must not read it.
      const before = source.loads;
      expect(nodes[0]!.health().pendingInvalidations).toBe(1);
      expect(await nodes[0]!.get('items', 'a')).toBeUndefined();
      expect(await nodes[0]!.getOrSet('items', 'a', source.load, { tags: ['t'] })).toBe('new');
      expect(
        (
          await nodes[0]!
            .namespace('items')
            .getOrSetMany(['a'], () => new Map([['a', 'new']]), { tags: ['t'] })
        ).get('a'),
      ).toBe('new');
      expect(nodes[0]!.namespace('items').peek('a')).toBeUndefined();
      expect(source.loads).toBe(before + 1);
      await answer();
      for (const node of nodes)
        expect(await node.getOrSet('items', 'a', source.load, { tags: ['t'] })).toBe('new');
      expect(nodes[0]!.namespace('items').peek('a')).toBe('new');
    },
  );

  it('is told by an event and by health', async () => {
    const { nodes, hub } = await fleet({ namespaces: NAMESPACES });
    const failed: unknown[] = [];
    nodes[0]!.on('invalidation-failed', ({ keys, tags }) => failed.push({ keys, tags }));
    hub.down();
    await nodes[0]!.invalidate({ keys: [{ namespace: 'items', id: 'a' }], tags: ['t'] });
    expect(failed).toEqual([{ keys: ['items:a'], tags: ['t'] }]);
    expect(nodes[0]!.health().pendingInvalidations).toBe(2);
  });

  it('but executed, reaches the others by the log and this node again, harmlessly', async () => {
    const made = await fleet({ nodes: 2, namespaces: NAMESPACES });
    const { nodes } = made;
    const source = new Source({ a: 'old' });
    for (const node of nodes) await node.getOrSet('items', 'a', source.load);
    source.values.set('a', 'new');
    const answer = await unanswered(made, 'answer', () => nodes[0]!.delete('items', 'a'));
    expect(await nodes[1]!.getOrSet('items', 'a', source.load)).toBe('new');
    expect(await nodes[0]!.getOrSet('items', 'a', source.load)).toBe('new');
    await answer();
    for (const node of nodes) expect(await node.getOrSet('items', 'a', source.load)).toBe('new');
  });

  it('of a set stores nothing, and the old value is not read again', async () => {
    const made = await fleet({ nodes: 2, namespaces: NAMESPACES });
    const { nodes } = made;
    await nodes[0]!.set('items', 'a', 'old');
    const answer = await unanswered(made, 'request', () => nodes[0]!.set('items', 'a', 'new'));
    expect(await nodes[0]!.get('items', 'a')).toBeUndefined();
    await answer();
    for (const node of nodes) expect(await node.get('items', 'a')).not.toBe('old');
  });

  it('arriving late, after the circuit has closed again, harms nothing', async () => {
    const { nodes, hub, clock, tiers } = await fleet({ nodes: 2, namespaces: NAMESPACES });
    await nodes[0]!.set('items', 'a', 'old');
    const lift = hub.inject({
      at: 'request',
      how: 'held',
      tier: tiers[0]!,
      commands: ['invalidate', 'acquire', 'fill'],
    });
    const set = nodes[0]!.set('items', 'a', 'late');
    await clock.pass(TIMEOUT + 1);
    expect((await set).acknowledged).toBe(false);
    await nodes[1]!.set('items', 'a', 'newest');
    lift();
    await clock.pass(5_000);
    // The late command may end the newer entry; it can bring no older one back.
    for (const node of nodes) expect([undefined, 'newest']).toContain(await node.get('items', 'a'));
    expect(nodes[0]!.health()).toMatchObject({ state: 'up', pendingInvalidations: 0 });
  });

  it('past 10,000 of them the namespaces stand for the single keys, and all are honoured', async () => {
    const made = await fleet({ nodes: 2, namespaces: NAMESPACES });
    const { nodes, hub, clock, tiers } = made;
    await nodes[1]!.set('items', 'k7', 'old');
    await nodes[1]!.set('items', 'untouched', 'kept');
    hub.cut(tiers[0]!);
    for (let i = 0; i <= 10_000; i += 1_000)
      await nodes[0]!.delete(
        'items',
        Array.from({ length: 1_000 }, (_, j) => `k${i + j}`),
      );
    expect(nodes[0]!.health().pendingInvalidations).toBeLessThanOrEqual(10_000);
    hub.mend(tiers[0]!);
    await clock.until(() => nodes[0]!.health().pendingInvalidations === 0, 5_000);
    await clock.pass(50);
    for (const node of nodes) expect(await node.get('items', 'k7')).toBeUndefined();
  });
});

describe('an invalidation that is not answered yet', () => {
  it('is bypassed on its node after 50 ms, and only until it is answered', async () => {
    const { nodes, hub, clock } = await fleet({ namespaces: NAMESPACES });
    const items = nodes[0]!.namespace('items');
    const source = new Source({ a: 1 });
    await items.getOrSet('a', source.load);
    source.values.set('a', 2);
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['invalidate'] });
    const deleted = items.delete('a');
    await clock.pass(49);
    expect(items.peek('a')).toBe(1);
    await clock.pass(2);
    expect(items.peek('a')).toBeUndefined();
    expect(await items.getOrSet('a', source.load)).toBe(2);
    expect(items.peek('a')).toBeUndefined();
    expect(nodes[0]!.health().pendingInvalidations).toBe(1);
    lift();
    expect((await deleted).acknowledged).toBe(true);
    await clock.pass(200);
    expect(nodes[0]!.health().pendingInvalidations).toBe(0);
    expect(await items.getOrSet('a', source.load)).toBe(2);
    expect(items.peek('a')).toBe(2);
  });

  it('is bypassed when its writer goes on earlier than that, who then reads what he wrote', async () => {
    const { nodes, hub, clock } = await fleet({ namespaces: NAMESPACES });
    const source = new Source<number>({ a: 1 });
    const read = () => nodes[0]!.getOrSet('items', 'a', source.load);
    await read();
    const lift = hub.delay(40);
    source.values.set('a', 2);
    const sending = nodes[0]!.invalidate({ keys: [{ namespace: 'items', id: 'a' }] }, { patience: 5 });
    await clock.pass(5);
    lift();
    expect(nodes[0]!.namespace('items').peek('a')).toBeUndefined();
    const after = read();
    await clock.pass(200);
    expect(await after).toBe(2);
    expect((await sending).acknowledged).toBe(true);
  });

  it('does not cost a slow set its value', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2, namespaces: NAMESPACES });
    const [mine, other] = nodes.map((node) => node.namespace('items'));
    const lift = hub.inject({ at: 'request', how: 120, commands: ['invalidate'] });
    const set = mine!.set('a', 7);
    await clock.pass(200);
    lift();
    expect((await set).acknowledged).toBe(true);
    await clock.pass(50);
    expect(await other!.get('a')).toBe(7);
  });

  it('is not sent once more beside itself, which would end what it made room for', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2, namespaces: NAMESPACES });
    const [mine, other] = nodes.map((node) => node.namespace('items'));
    // In two parts: between them the log is read, and whatever is due would be sent.
    const entries = Array.from({ length: 300 }, (_, i) => [`k${i}`, i] as const);
    const lift = hub.inject({ at: 'request', how: 90, commands: ['invalidate'] });
    const set = mine!.setMany(entries);
    await clock.pass(400);
    lift();
    expect((await set).acknowledged).toBe(true);
    await clock.pass(200);
    expect((await other!.getMany(entries.map(([id]) => id))).size).toBe(300);
  });
});
