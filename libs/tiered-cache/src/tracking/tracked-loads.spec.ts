import {
  BOUND,
  closeFleets,
  deferred,
  embedded,
  fleet,
  type Fleet,
  Source,
} from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';
import { dependsOn, type RemoteTier, TieredCache, UntrackedReadError } from '../index.js';
import type { HubFault } from '../remote/in-process/hub-faults.js';
import { trackedLoads } from './tracked-context.js';

afterEach(closeFleets);

/** As a database client that reports: what follows from the question before it is sent, the rows afterwards. */
function reading(cache: TieredCache, source: Source<string>, { asked = ['list'], rows = ['row:1'] } = {}) {
  return async ({ id }: { id: string }): Promise<string> => {
    await cache.trackedLoad?.reads(asked);
    const value = await source.load({ id });
    cache.trackedLoad?.found(rows);
    return value;
  };
}

const read = (cache: TieredCache, source: Source<string>) =>
  cache.getOrSet('items', 'a', reading(cache, source), { track: true });

describe('what is tracked', () => {
  it.each(['list', 'row:1'])('is stored by the first load, and ends with %s on every node', async (tag) => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const source = new Source({ a: 'old' });
    expect(await read(nodes[0]!, source)).toBe('old');
    expect(await read(nodes[1]!, source)).toBe('old');
    expect(source.loads).toBe(1);
    source.values.set('a', 'new');
    await nodes[1]!.deleteByTag('other');
    await clock.pass(50);
    for (const node of nodes) expect(await read(node, source)).toBe('old');
    await nodes[1]!.deleteByTag(tag);
    await clock.pass(50);
    for (const node of nodes) expect(await read(node, source)).toBe('new');
    expect(source.loads).toBe(2);
  });

  it('is kept without a shared tier as well', async () => {
    const { cache } = embedded();
    const source = new Source({ a: 'old' });
    await read(cache, source);
    source.values.set('a', 'new');
    expect(await read(cache, source)).toBe('old');
    await cache.deleteByTag('row:1');
    expect(await read(cache, source)).toBe('new');
  });

  it('asks the shared tier once more on the first load, and not again', async () => {
    const { nodes, hub } = await fleet();
    const source = new Source({ a: 'old', b: 'old' });
    const asked: string[] = [];
    hub.inject({
      at: 'request',
      commands: ['nonces', 'poll'],
      how: (message) => {
        asked.push(message.command);
        message.arrive();
      },
    });
    await nodes[0]!.getOrSet('items', 'a', reading(nodes[0]!, source), { track: true });
    // The namespace's own, and those that were met.
    expect(asked).toEqual(['nonces', 'nonces']);
    await nodes[0]!.getOrSet('items', 'b', reading(nodes[0]!, source), { track: true });
    expect(asked).toEqual(['nonces', 'nonces']);
    expect(nodes[0]!.namespace('items').peek('b')).toBe('old');
  });

  it('belongs to all entries of a batch', async () => {
    const { nodes } = await fleet();
    const node = nodes[0]!;
    let loads = 0;
    const load = (ids: string[]) => {
      loads++;
      node.trackedLoad?.found(ids.map((id) => `row:${id}`));
      return new Map(ids.map((id) => [id, id]));
    };
    const many = () => node.namespace('items').getOrSetMany(['a', 'b'], load, { track: true });
    await many();
    await many();
    expect(loads).toBe(1);
    await node.deleteByTag('row:b');
    expect(node.namespace('items').peek('a')).toBeUndefined();
  });

  it('is renewed by a background load, with what that one reads', async () => {
    const { nodes, clock } = await fleet({
      namespaces: { items: { ttl: '10s', staleWhileRevalidate: '1m' } },
    });
    const node = nodes[0]!;
    const source = new Source({ a: 'old' });
    await read(node, source);
    await clock.pass(11_000);
    const second = reading(node, source, { rows: ['row:2'] });
    source.values.set('a', 'new');
    expect(await node.getOrSet('items', 'a', second, { track: true })).toBe('old');
    await clock.pass(50);
    expect(node.namespace('items').peek('a')).toBe('new');
    await node.deleteByTag('row:1');
    expect(node.namespace('items').peek('a')).toBe('new');
    await node.deleteByTag('row:2');
    expect(node.namespace('items').peek('a')).toBeUndefined();
  });
});

/** The moments of a tracked load, by the message that is held back there. */
const MOMENTS: [string, HubFault | 'load'][] = [
  ['before the load', { at: 'answer', how: 'held', commands: ['acquire'], times: 1 }],
  ['during the load', 'load'],
  ['before FILL', { at: 'request', how: 'held', commands: ['fill'], times: 1 }],
  ['between FILL and L1', { at: 'answer', how: 'held', commands: ['fill'], times: 1 }],
];

describe.each(['bounded', 'strict', 'local'] as const)(
  'a write during a tracked load (%s)',
  (consistency) => {
    const namespaces = { items: { ttl: '10m', consistency } } as const;

    async function expectNew({ nodes, clock }: Fleet, source: Source<string>): Promise<void> {
      await clock.pass(BOUND);
      for (const node of nodes) expect(await read(node, source)).toBe('new');
    }

    describe.each(['list', 'row:1'])('of what ends by %s', (tag) => {
      it.each(MOMENTS)('%s leaves the old value in no tier of any node', async (_moment, where) => {
        for (const by of [0, 1]) {
          const made = await fleet({ nodes: 2, namespaces });
          const { nodes, hub, tiers, clock } = made;
          const source = new Source({ a: 'old' });
          const release = where === 'load' ? source.hold() : hub.inject({ ...where, tier: tiers[0]! });
          const reader = read(nodes[0]!, source);
          await settle();
          source.values.set('a', 'new');
          await nodes[by]!.deleteByTag(tag);
          release();
          await clock.pass(100);
          await reader;
          await expectNew(made, source);
          await closeFleets();
        }
      });

      it.each([
        ['before NONCE is executed', 'request'],
        ['between NONCE and its answer', 'answer'],
      ] as const)('%s leaves the old value in no tier of any node', async (_moment, at) => {
        const made = await fleet({ nodes: 2, namespaces });
        const { nodes, hub, tiers, clock } = made;
        const source = new Source({ a: 'old' });
        // The first NONCE is the namespace's; the second one comes after the load.
        const release = source.hold();
        const reader = read(nodes[0]!, source);
        await clock.pass(1);
        const lift = hub.inject({ at, how: 'held', commands: ['nonces'], tier: tiers[0]! });
        release();
        await settle();
        source.values.set('a', 'new');
        await nodes[1]!.deleteByTag(tag);
        lift();
        await clock.pass(100);
        await reader;
        await expectNew(made, source);
      });

      it('that this node has not heard of yet is found by the log before anything is stored', async () => {
        const made = await fleet({ nodes: 2, namespaces });
        const { nodes, hub, tiers, clock } = made;
        const source = new Source({ a: 'old' });
        hub.inject({ at: 'request', how: 'lost', commands: ['wake'] });
        hub.inject({ at: 'answer', how: 'lost', commands: ['wake'] });
        const release = source.hold();
        const reader = read(nodes[0]!, source);
        await settle();
        source.values.set('a', 'new');
        await nodes[1]!.deleteByTag(tag);
        const lift = hub.inject({ at: 'answer', how: 'held', commands: ['poll'], tier: tiers[0]! });
        release();
        await settle();
        lift();
        await clock.pass(1);
        await reader;
        await expectNew(made, source);
      });
    });

    it('stores nothing that the log cannot prove', async () => {
      if (consistency === 'local') return;
      const { nodes, hub, tiers, clock } = await fleet({ nodes: 2, namespaces });
      const source = new Source({ a: 'old' });
      const release = source.hold();
      const reader = read(nodes[0]!, source);
      await settle();
      hub.inject({ at: 'request', how: 'lost', commands: ['poll'], tier: tiers[0]! });
      await nodes[1]!.deleteByTag('other');
      release();
      await clock.pass(1_000);
      expect(await reader).toBe('old');
      expect(await tiers[1]!.get('items:a')).toBeNull();
    });

    it('stores nothing across a failover that loses the invalidation', async () => {
      const made = await fleet({ nodes: 2, namespaces });
      const { nodes, hub, clock } = made;
      const source = new Source({ a: 'old' });
      const release = source.hold();
      const reader = read(nodes[0]!, source);
      await settle();
      const promote = hub.replica();
      source.values.set('a', 'new');
      await nodes[1]!.deleteByTag('row:1');
      promote({ silently: true });
      release();
      await clock.pass(100);
      await reader;
      await expectNew(made, source);
    });
  },
);

describe('where BUMP and its record are two steps', () => {
  /** As on a cluster: the record comes after the nonce. */
  async function clustered(): Promise<Fleet> {
    const made = await fleet({ nodes: 2 });
    for (const tier of made.tiers) {
      const nonces = tier.nonces.bind(tier);
      Object.assign(tier, {
        atomicLog: false,
        noncesAt: async (tags: readonly string[]) => ({ nonces: await nonces(tags), at: null }),
      } satisfies Partial<RemoteTier>);
    }
    return made;
  }

  it('stores what was known before its question was sent', async () => {
    const { nodes } = await clustered();
    const source = new Source({ a: 'old' });
    const load = reading(nodes[0]!, source, { rows: ['list'] });
    await nodes[0]!.getOrSet('items', 'a', load, { track: true });
    expect(nodes[0]!.namespace('items').peek('a')).toBe('old');
  });

  it('does not store what was met only in the answer, but the next time', async () => {
    const { nodes } = await clustered();
    const source = new Source({ a: 'old' });
    await read(nodes[0]!, source);
    expect(nodes[0]!.namespace('items').peek('a')).toBeUndefined();
    await read(nodes[0]!, source);
    expect(nodes[0]!.namespace('items').peek('a')).toBe('old');
  });

  it.each([true, false])('a write after the question ends what is stored (fresh: %s)', async (fresh) => {
    const { nodes, clock } = await clustered();
    const source = new Source({ a: 'old' });
    const release = source.hold();
    const load = async ({ id }: { id: string }) => {
      await nodes[0]!.trackedLoad?.reads(['list'], { fresh });
      return source.load({ id });
    };
    const reader = nodes[0]!.getOrSet('items', 'a', load, { track: true });
    await clock.pass(1);
    source.values.set('a', 'new');
    // The nonce has changed, and nobody has been told yet.
    await nodes[1]!.deleteByTag('list');
    release();
    await reader;
    await clock.pass(BOUND);
    for (const node of nodes)
      expect(await node.getOrSet('items', 'a', reading(node, source), { track: true })).toBe('new');
  });
});

describe('what cannot be tracked', () => {
  it.each<[string, (cache: TieredCache) => unknown, string]>([
    ['what somebody refuses', (cache) => cache.trackedLoad?.refuse('raw SQL'), 'raw SQL'],
    ['what nobody has seen anything of', () => undefined, 'nothing that it read was seen'],
    [
      'more tags than a vector should have',
      (cache) => cache.trackedLoad?.found(Array.from({ length: 2_001 }, (_, i) => `row:${i}`)),
      'more than 2000 tags',
    ],
  ])('is returned and not stored: %s', async (_what, report, why) => {
    const { nodes } = await fleet();
    const node = nodes[0]!;
    const told: unknown[] = [];
    node.on('not-stored', ({ error }) => told.push(error));
    const load = () => {
      report(node);
      return 'value';
    };
    expect(await node.getOrSet('items', 'a', load, { track: true })).toBe('value');
    expect(node.namespace('items').peek('a')).toBeUndefined();
    expect(await node.namespace('items').has('a')).toBe(false);
    expect(told).toEqual([expect.any(UntrackedReadError)]);
    expect(String(told[0])).toContain(why);
    expect(node.stats().notStored).toBe(1);
  });

  it('is declared', async () => {
    const { nodes } = await fleet();
    const node = nodes[0]!;
    const load = () =>
      dependsOn(['report'], () => {
        node.trackedLoad?.refuse('raw SQL');
        return 'value';
      });
    expect(await node.getOrSet('items', 'a', load, { track: true })).toBe('value');
    expect(node.namespace('items').peek('a')).toBe('value');
    await node.deleteByTag('report');
    expect(node.namespace('items').peek('a')).toBeUndefined();
    expect(await dependsOn(['report'], () => 'outside')).toBe('outside');
  });

  it('is no value of another cache', async () => {
    const [one, two] = [await fleet(), await fleet()];
    const load = () => two.nodes[0]!.getOrSet('items', 'b', () => 'inner');
    await one.nodes[0]!.getOrSet('items', 'a', load, { track: true });
    expect(one.nodes[0]!.namespace('items').peek('a')).toBeUndefined();
  });

  it('refuses an option that is no boolean', async () => {
    const { cache } = embedded();
    const wrong = cache.getOrSet('items', 'a', () => 1, { track: 'yes' as never });
    await expect(wrong).rejects.toMatchObject({ code: 'STRATA_INVALID_OPTIONS' });
  });
});

describe('an entry that is made of another entry', () => {
  const namespaces = { items: { ttl: '10m' }, parts: { ttl: '10m' } } as const;
  const INNER: [string, { track?: boolean; tags?: string[] }][] = [
    ['tracked', { track: true }],
    ['with tags', { tags: ['part'] }],
    ['with nothing', {}],
  ];
  const WHERE = ['L1', 'L2', 'nowhere', 'under way'] as const;
  const ENDS: [string, (cache: TieredCache) => Promise<unknown>][] = [
    ['delete', (cache) => cache.delete('parts', 'p')],
    ['set', (cache) => cache.set('parts', 'p', 'set')],
    ['clear', (cache) => cache.clear('parts')],
    ['pattern', (cache) => cache.invalidate({ patterns: ['parts:*'] })],
    ['tag', (cache) => cache.deleteByTag('part')],
  ];

  describe.each(INNER)('%s', (kind, options) => {
    describe.each(WHERE)('found in %s', (where) => {
      it.each(ENDS)('ends with it, by %s', async (end, finish) => {
        if (end === 'tag' && kind === 'with nothing') return;
        const { nodes, clock } = await fleet({ nodes: 2, namespaces });
        const [node, other] = [nodes[0]!, nodes[1]!];
        const part = (cache: TieredCache) =>
          cache.getOrSet(
            'parts',
            'p',
            async () => {
              cache.trackedLoad?.found(['part']);
              await clock.pass(0);
              return 'part';
            },
            options,
          );
        const whole = (cache: TieredCache) =>
          cache.getOrSet('items', 'a', async () => `made of ${await part(cache)}`, { track: true });
        if (where === 'L1') await part(node);
        if (where === 'L2') await part(other);
        const running = where === 'under way' ? part(node) : undefined;
        expect(await whole(node)).toBe('made of part');
        await running;
        expect(node.namespace('items').peek('a')).toBe('made of part');
        expect(await whole(other)).toBe('made of part');
        await finish(other);
        await clock.pass(50);
        expect(node.namespace('items').peek('a')).toBeUndefined();
        expect(other.namespace('items').peek('a')).toBeUndefined();
        expect(await node.namespace('items').has('a')).toBe(false);
      });
    });
  });

  it('depends on the entry, not on what its loader happens to do now', async () => {
    const { nodes } = await fleet({ namespaces });
    const node = nodes[0]!;
    const part = () =>
      node.getOrSet('parts', 'p', () => {
        node.trackedLoad?.refuse('raw SQL');
        return 'part';
      });
    await node.getOrSet('items', 'a', part, { track: true });
    expect(node.namespace('items').peek('a')).toBe('part');
  });

  it('is not stored where the other could not be tracked', async () => {
    const { nodes } = await fleet({ namespaces });
    const node = nodes[0]!;
    const refused = () => {
      node.trackedLoad?.refuse('raw SQL');
      return 'part';
    };
    const part = () => node.getOrSet('parts', 'p', refused, { track: true });
    await node.getOrSet('items', 'a', part, { track: true });
    expect(node.namespace('items').peek('a')).toBeUndefined();
  });

  it('is not stored where the other had expired', async () => {
    const { nodes, clock } = await fleet({
      namespaces: { items: { ttl: '10m' }, parts: { ttl: '1s', staleWhileRevalidate: '1m' } },
    });
    const node = nodes[0]!;
    const part = () => node.getOrSet('parts', 'p', () => 'part');
    await part();
    await clock.pass(2_000);
    await node.getOrSet('items', 'a', part, { track: true });
    expect(node.namespace('items').peek('a')).toBeUndefined();
  });

  it('ends by an invalidation between the two loads', async () => {
    const { nodes, clock } = await fleet({ nodes: 2, namespaces });
    const node = nodes[0]!;
    const gate = deferred<void>();
    const source = new Source({ p: 'old' });
    const part = () => node.getOrSet('parts', 'p', source.load);
    const whole = async () => {
      const value = await part();
      await gate.promise;
      return value;
    };
    const reader = node.getOrSet('items', 'a', whole, { track: true });
    await settle();
    source.values.set('p', 'new');
    await nodes[1]!.delete('parts', 'p');
    gate.resolve();
    await clock.pass(50);
    expect(await reader).toBe('old');
    expect(await node.getOrSet('items', 'a', whole, { track: true })).toBe('new');
  });

  it('counts what get and getMany answered, and what they did not', async () => {
    const { nodes } = await fleet({ namespaces });
    const node = nodes[0]!;
    const parts = node.namespace<string>('parts');
    await parts.set('p', 'part');
    const load = async () => [...(await parts.getMany(['p', 'q'])).keys()].join();
    const whole = () => node.getOrSet('items', 'a', load, { track: true });
    expect(await whole()).toBe('p');
    expect(node.namespace('items').peek('a')).toBe('p');
    await parts.set('q', 'more');
    expect(await whole()).toBe('p,q');
  });
});

describe('the context of a load', () => {
  it('ends with the loader, also with one that failed or that nobody waits for any longer', async () => {
    const { nodes, clock } = await fleet();
    const node = nodes[0]!;
    const failing = node.getOrSet('items', 'a', () => Promise.reject(new Error('no')), { track: true });
    await expect(failing).rejects.toThrow('no');
    expect(trackedLoads).toBe(0);
    const hanging = node.getOrSet('items', 'a', () => new Promise(() => undefined), {
      track: true,
      hardTimeout: 100,
    });
    const failed = expect(hanging).rejects.toMatchObject({ code: 'STRATA_LOADER_TIMEOUT' });
    await clock.pass(50);
    expect(trackedLoads).toBe(1);
    await clock.pass(200);
    await failed;
    expect(trackedLoads).toBe(0);
  });

  it('is not left to what runs on after it', async () => {
    const { nodes } = await fleet();
    const node = nodes[0]!;
    const gate = deferred<void>();
    let late: Promise<unknown> | undefined;
    const load = () => {
      node.trackedLoad?.found(['row:1']);
      late = gate.promise.then(() => node.trackedLoad);
      return 'value';
    };
    await node.getOrSet('items', 'a', load, { track: true });
    gate.resolve();
    expect(await late).toBeNull();
    expect(node.trackedLoad).toBeNull();
  });

  it('tells loads that run side by side apart', async () => {
    const { nodes } = await fleet();
    const node = nodes[0]!;
    const load = (tag: string) => async () => {
      await settle();
      node.trackedLoad?.found([tag]);
      await settle();
      return tag;
    };
    await Promise.all(['a', 'b'].map((id) => node.getOrSet('items', id, load(`row:${id}`), { track: true })));
    await node.deleteByTag('row:a');
    expect(node.namespace('items').peek('a')).toBeUndefined();
    expect(node.namespace('items').peek('b')).toBe('row:b');
  });
});
