import {
  closeFleets,
  deferred,
  embedded,
  fleet,
  type Fleet,
  Source,
} from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';
import type { InvalidationSelector, TieredCache } from '../index.js';
import type { HubFault } from '../remote/in-process/hub-faults.js';

afterEach(closeFleets);

const ID = 'a';
const TAGS = ['t', 'group:1'];

/** Everything that ends the entry `items:a` with the tags above. */
const WAYS: [string, InvalidationSelector][] = [
  ['key', { keys: [{ namespace: 'items', id: ID }] }],
  ['tag', { tags: ['t'] }],
  ['namespace', { namespaces: ['items'] }],
  ['pattern', { patterns: ['items:*'] }],
  ['all', { all: true }],
];

/** The moments of a load, by the message that is held back there; the load itself is held by its source. */
const MOMENTS: [string, HubFault | 'load'][] = [
  ['before its GET', { at: 'request', how: 'held', commands: ['get'], times: 1 }],
  ['between GET and its answer', { at: 'answer', how: 'held', commands: ['get'], times: 1 }],
  ['before its ACQUIRE', { at: 'request', how: 'held', commands: ['acquire'], times: 1 }],
  ['between ACQUIRE and the load', { at: 'answer', how: 'held', commands: ['acquire'], times: 1 }],
  ['before its NONCE', { at: 'request', how: 'held', commands: ['nonces'], times: 1 }],
  ['between NONCE and the load', { at: 'answer', how: 'held', commands: ['nonces'], times: 1 }],
  ['during the load', 'load'],
  ['before FILL', { at: 'request', how: 'held', commands: ['fill'], times: 1 }],
  ['between FILL and L1', { at: 'answer', how: 'held', commands: ['fill'], times: 1 }],
];

async function expectNewEverywhere({ nodes, clock }: Fleet, source: Source<string>): Promise<void> {
  await clock.pass(50);
  for (const node of nodes) {
    expect(node.namespace('items').peek(ID)).not.toBe('old');
    expect(await node.get('items', ID)).not.toBe('old');
  }
  for (const node of nodes) expect(await node.getOrSet('items', ID, source.load, { tags: TAGS })).toBe('new');
}

describe.each(['bounded', 'strict', 'local'] as const)(
  'an invalidation during a load (%s)',
  (consistency) => {
    const namespaces = { items: { ttl: '10m', consistency } } as const;

    describe.each(WAYS)('by %s', (_way, selector) => {
      it.each(MOMENTS)('%s leaves the old value in no tier of any node', async (_moment, where) => {
        for (const by of ['itself', 'another node']) {
          const made = await fleet({ nodes: 3, namespaces });
          const { nodes, hub, tiers, clock } = made;
          const source = new Source({ [ID]: 'old' });
          const release = where === 'load' ? source.hold() : hub.inject({ ...where, tier: tiers[0]! });
          const read = nodes[0]!.getOrSet('items', ID, source.load, { tags: TAGS });
          await settle();
          source.values.set(ID, 'new');
          const writer = by === 'itself' ? nodes[0]! : nodes[1]!;
          expect(await writer.invalidate(selector)).toMatchObject({ acknowledged: true });
          release();
          await clock.pass(100);
          expect(['old', 'new']).toContain(await read);
          // A local namespace hears of other nodes' writes by the log alone, which the passing of time above read.
          await expectNewEverywhere(made, source);
          await closeFleets();
        }
      });
    });

    it('is not joined by reads that begin after it', async () => {
      const { nodes, clock } = await fleet({ namespaces });
      const source = new Source({ [ID]: 'old' });
      const release = source.hold();
      const before = nodes[0]!.getOrSet('items', ID, source.load);
      await settle();
      source.values.set(ID, 'new');
      await nodes[0]!.delete('items', ID);
      const after = nodes[0]!.getOrSet('items', ID, source.load);
      await settle();
      release();
      await clock.pass(100);
      expect(await before).toBe('old');
      expect(await after).toBe('new');
      expect(await nodes[0]!.get('items', ID)).toBe('new');
    });
  },
);

describe('an invalidation without a shared tier', () => {
  it.each(WAYS)('by %s during a load leaves the old value nowhere', async (_way, selector) => {
    const { cache } = embedded();
    const source = new Source({ [ID]: 'old' });
    const release = source.hold();
    const read = cache.getOrSet('items', ID, source.load, { tags: TAGS });
    await settle();
    source.values.set(ID, 'new');
    await cache.invalidate(selector);
    release();
    await read;
    expect(cache.namespace('items').peek(ID)).toBeUndefined();
    expect(await cache.getOrSet('items', ID, source.load, { tags: TAGS })).toBe('new');
  });
});

describe('a tag met only in the result', () => {
  const tagsOf = (value: string) => [`owner:${value}`];

  async function load(node: TieredCache, value: string, wait?: Promise<unknown>): Promise<string> {
    return node.getOrSet('items', ID, async () => (await wait, value), { tagsOf });
  }

  it('lets the first load be returned but not stored, and the second be stored', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    expect(await load(nodes[0]!, 'x')).toBe('x');
    expect(nodes[0]!.namespace('items').peek(ID)).toBeUndefined();
    await clock.pass(10);
    expect(await nodes[1]!.get('items', ID)).toBeUndefined();
    expect(await load(nodes[0]!, 'x')).toBe('x');
    expect(nodes[0]!.namespace('items').peek(ID)).toBe('x');
    await nodes[1]!.deleteByTag('owner:x');
    await clock.pass(10);
    for (const node of nodes) expect(await node.get('items', ID)).toBeUndefined();
  });

  it('gives the lease back, so that others need not wait', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    await load(nodes[0]!, 'x');
    let done = false;
    void load(nodes[1]!, 'x').then(() => (done = true));
    expect(await clock.until(() => done)).toBeLessThan(50);
  });

  it.each(['known', 'unknown'])(
    'is honoured when it is invalidated during the load (%s before)',
    async (known) => {
      for (const by of [0, 1]) {
        const { nodes, clock } = await fleet({ nodes: 2 });
        if (known === 'known') {
          await load(nodes[0]!, 'x');
          await clock.pass(10);
        }
        const gate = deferred<void>();
        const read = load(nodes[0]!, 'x', gate.promise);
        await settle();
        await nodes[by]!.deleteByTag('owner:x');
        await clock.pass(10);
        gate.resolve();
        await read;
        await clock.pass(10);
        for (const node of nodes) expect(await node.get('items', ID)).toBeUndefined();
      }
    },
  );

  it('is stored at once without a shared tier, and honoured', async () => {
    const { cache } = embedded();
    await load(cache, 'x');
    expect(cache.namespace('items').peek(ID)).toBe('x');
    const gate = deferred<void>();
    const read = cache.getOrSet('items', 'b', async () => (await gate.promise, 'x'), { tagsOf });
    await settle();
    await cache.deleteByTag('owner:x');
    expect(cache.namespace('items').peek(ID)).toBeUndefined();
    gate.resolve();
    await read;
    expect(cache.namespace('items').peek('b')).toBeUndefined();
  });
});

describe('coherence', () => {
  it('a tag’s nonce that was lost and made anew revives nothing', async () => {
    const { nodes, clock, hub } = await fleet({ nodes: 2 });
    await nodes[0]!.set('items', ID, 'old', { tags: ['t'] });
    await nodes[1]!.get('items', ID);
    // The shared tier loses everything; the value comes back (as after a restore), the nonces are new.
    const raw = await tierOf(hub, (tier) => tier.get('items:a'));
    hub.flush();
    await tierOf(hub, async (tier) => {
      await tier.acquire({ key: 'items:a', token: 'x', leaseMs: 1_000 });
      await tier.fill({ key: 'items:a', token: 'x', value: raw!, ttlMs: 60_000 });
    });
    await clock.pass(500);
    for (const node of nodes) expect(await node.get('items', ID)).toBeUndefined();
  });

  it('a nonce that was asked before an invalidation and answered after it is not learnt', async () => {
    const { nodes, clock, hub, tiers } = await fleet({ nodes: 3 });
    const source = new Source({ a: 'old' });
    const release = source.hold();
    const loading = nodes[0]!.getOrSet('items', 'a', source.load, { tags: ['t'] });
    await settle();
    // The loading node does not hear of the invalidation, so that it fills.
    hub.inject({ at: 'request', how: 'held', commands: ['poll'], tier: tiers[0]! });
    const lift = hub.inject({ at: 'answer', how: 'held', commands: ['nonces'], tier: tiers[1]! });
    const asking = nodes[1]!.getOrSet('items', 'b', () => 1, { tags: ['t'] });
    await settle();
    await nodes[2]!.deleteByTag('t');
    await clock.pass(10);
    lift();
    await asking;
    // Its lease still stands, so this fill is accepted; only the vector tells that it is old.
    release();
    await loading;
    await clock.pass(1);
    expect(await nodes[1]!.get('items', 'a')).toBeUndefined();
    hub.liftFaults();
    await clock.pass(1);
  });

  it('an invalidation while another node promotes leaves nothing in its L1', async () => {
    for (const selector of [WAYS[0]![1], WAYS[1]![1], WAYS[2]![1], WAYS[3]![1]]) {
      const { nodes, hub, tiers, clock } = await fleet({ nodes: 2 });
      await nodes[0]!.set('items', ID, 'old', { tags: TAGS });
      await clock.pass(10);
      const release = hub.inject({ at: 'answer', how: 'held', commands: ['get'], tier: tiers[1]! });
      const promoting = nodes[1]!.get('items', ID);
      await settle();
      await nodes[0]!.invalidate(selector);
      await clock.pass(10);
      release();
      await promoting;
      expect(nodes[1]!.namespace('items').peek(ID)).toBeUndefined();
      await closeFleets();
    }
  });

  it('an own record is not applied twice: what was set is still in L1 after the log was read', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const items = nodes[0]!.namespace('items');
    const heard: unknown[] = [];
    nodes[0]!.on('invalidation', ({ origin }) => heard.push(origin));
    await items.set(ID, 1);
    await clock.pass(1_000);
    expect(items.peek(ID)).toBe(1);
    expect(heard).toEqual(['local']);
  });

  it('another node’s record is applied: what it changed leaves this L1 within the bound', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    for (const node of nodes) await node.getOrSet('items', ID, () => 'old');
    expect(nodes[1]!.namespace('items').peek(ID)).toBe('old');
    await nodes[0]!.set('items', ID, 'new');
    await clock.pass(10);
    expect(nodes[1]!.namespace('items').peek(ID)).toBeUndefined();
    expect(await nodes[1]!.get('items', ID)).toBe('new');
  });

  it('a lost wake-up costs at most the bound', async () => {
    const { nodes, clock, hub } = await fleet({ nodes: 2 });
    hub.inject({ at: 'answer', how: 'lost', commands: ['wake'] });
    for (const node of nodes) await node.getOrSet('items', ID, () => 'old');
    await nodes[0]!.set('items', ID, 'new');
    await clock.pass(500);
    expect(nodes[1]!.namespace('items').peek(ID)).not.toBe('old');
    expect(await nodes[1]!.get('items', ID)).toBe('new');
  });

  it('a set that races with a load wins over it, whichever comes first', async () => {
    for (const setter of [0, 1]) {
      const { nodes, clock } = await fleet({ nodes: 2 });
      const source = new Source({ [ID]: 'old' });
      const release = source.hold();
      const read = nodes[0]!.getOrSet('items', ID, source.load);
      await settle();
      await nodes[setter]!.set('items', ID, 'new');
      release();
      await read;
      await clock.pass(10);
      for (const node of nodes) expect(await node.get('items', ID)).toBe('new');
      await closeFleets();
    }
  });

  it('two sets at once leave the same one of both values in every tier of every node', async () => {
    for (const [one, two] of [
      [0, 1],
      [0, 0],
    ] as const) {
      const { nodes, clock } = await fleet({ nodes: 2 });
      await Promise.all([nodes[one]!.set('items', ID, 'v1'), nodes[two]!.set('items', ID, 'v2')]);
      await clock.pass(50);
      const seen = await Promise.all(nodes.map((node) => node.get('items', ID)));
      expect(seen[0]).toBe(seen[1]);
      expect(['v1', 'v2', undefined]).toContain(seen[0]);
      await closeFleets();
    }
  });

  it.each([
    ['key', (node: TieredCache) => node.delete('items', ID)],
    ['tag', (node: TieredCache) => node.deleteByTag('t')],
    ['namespace', (node: TieredCache) => node.clear('items')],
  ])('an invalidation of this node by %s that overtakes a set wins over it', async (_way, end) => {
    for (const command of ['invalidate', 'acquire', 'nonces'] as const) {
      const { nodes, clock, hub } = await fleet({ nodes: 2 });
      const lift = hub.inject({ at: 'request', how: 'held', commands: [command] });
      const set = nodes[0]!.set('items', ID, 'old', { tags: ['t'] });
      await settle();
      const ended = end(nodes[0]!);
      await clock.pass(10);
      lift();
      await Promise.all([set, ended]);
      await clock.pass(10);
      for (const node of nodes) expect(await node.get('items', ID)).toBeUndefined();
      await closeFleets();
    }
  });

  it('another node’s invalidation by tag that overtakes a set wins over it', async () => {
    const { nodes, clock, hub, tiers } = await fleet({ nodes: 2 });
    await nodes[0]!.set('items', ID, 'first', { tags: ['t'] });
    const lift = hub.inject({
      at: 'request',
      how: 'held',
      tier: tiers[0]!,
      commands: ['invalidate', 'poll'],
    });
    const set = nodes[0]!.set('items', ID, 'old', { tags: ['t'] });
    await settle();
    await nodes[1]!.deleteByTag('t');
    lift();
    await set;
    await clock.pass(10);
    for (const node of nodes) expect(await node.get('items', ID)).toBeUndefined();
  });

  it('the sets of one node that follow each other end with the last', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    for (let i = 1; i <= 20; i++) await nodes[i % 2]!.set('items', ID, i);
    await clock.pass(10);
    for (const node of nodes) expect(await node.get('items', ID)).toBe(20);
  });

  it('a fill that arrives after its caller gave up, and after an invalidation, is refused', async () => {
    const { nodes, clock, hub } = await fleet({ nodes: 2 });
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['fill'] });
    const read = nodes[0]!.getOrSet('items', ID, () => 'old');
    await clock.pass(300);
    expect(await read).toBe('old');
    await clock.until(() => nodes[0]!.health().circuit === 'closed');
    await nodes[1]!.delete('items', ID);
    lift();
    await clock.pass(10);
    for (const node of nodes) expect(await node.get('items', ID)).toBeUndefined();
  });
});

async function tierOf<R>(
  hub: Fleet['hub'],
  use: (tier: ReturnType<typeof import('../index.js').createInProcessTier>) => Promise<R>,
): Promise<R> {
  const { createInProcessTier } = await import('../index.js');
  const tier = createInProcessTier(hub);
  tier.start({ wake: () => undefined, stateChanged: () => undefined });
  await settle();
  try {
    return await use(tier);
  } finally {
    await tier.stop();
  }
}

describe('a set that another node overtakes', () => {
  it.each(['set', 'delete'] as const)(
    'between its INVALIDATE and its FILL, by %s, stores nothing',
    async (how) => {
      const { nodes, hub, clock, tiers } = await fleet({ nodes: 2 });
      const [mine, other] = nodes.map((node) => node.namespace('items'));
      const lift = hub.inject({ at: 'request', how: 'held', commands: ['fill', 'acquire'], tier: tiers[0]! });
      const set = mine!.set('a', 'older');
      await clock.pass(5);
      await (how === 'set' ? other!.set('a', 'newer') : other!.delete('a'));
      lift();
      await set;
      await clock.pass(50);
      expect(await mine!.get('a')).toBe(how === 'set' ? 'newer' : undefined);
      expect(await other!.get('a')).toBe(how === 'set' ? 'newer' : undefined);
    },
  );
});

describe('a load whose value decides on its tags', () => {
  it.each(['getOrSet', 'getOrSetMany'] as const)(
    'is not joined by %s after any tag was invalidated',
    async (way) => {
      const { nodes, clock } = await fleet({ nodes: 2 });
      const source = new Source<string>({ [ID]: 'old' });
      const options = { tagsOf: () => ['group:9'] };
      const release = source.hold();
      const slow = nodes[1]!.getOrSet('items', ID, source.load, options);
      await clock.pass(1);
      source.values.set(ID, 'new');
      await nodes[0]!.deleteByTag('group:9');
      await clock.pass(1);
      const items = nodes[1]!.namespace<string>('items');
      const later =
        way === 'getOrSet'
          ? items.getOrSet(ID, source.load, options)
          : items
              .getOrSetMany([ID], async ([id]) => new Map([[id!, await source.load({ id: id! })]]), options)
              .then((found) => found.get(ID));
      release();
      await clock.pass(100);
      expect(await slow).toBe('old');
      expect(await later).toBe('new');
    },
  );
});
