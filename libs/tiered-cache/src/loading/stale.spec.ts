import { closeFleets, deferred, embedded, fleet } from '../../../../test/support/fleet.js';
import { settle, type VirtualClock } from '../../../../test/support/virtual-clock.js';
import type { NamespaceOptions, TieredCache } from '../index.js';

afterEach(closeFleets);

type Subject = { cache: TieredCache; clock: VirtualClock };
const SUBJECTS: [string, (options: NamespaceOptions) => Promise<Subject>][] = [
  ['embedded', async (items) => embedded({ namespaces: { items } })],
  ...(['bounded', 'strict', 'local'] as const).map((consistency): (typeof SUBJECTS)[number] => [
    consistency,
    async (items) => {
      const { nodes, clock } = await fleet({ namespaces: { items: { ...items, consistency } } });
      return { cache: nodes[0]!, clock };
    },
  ]),
];

const failing = () => Promise.reject(new Error('source down'));

describe('stale serving', () => {
  it('grace survives a change of the entry’s time that is heard of during the load', async () => {
    const { nodes, clock, hub, tiers } = await fleet({
      nodes: 2,
      namespaces: { items: { ttl: '1m', grace: '1m' } },
    });
    await nodes[0]!.set('items', 'a', 'old');
    await clock.pass(10);
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['poll'], tier: tiers[1]! });
    await nodes[0]!.namespace('items').expire('a');
    const gate = deferred<unknown>();
    const read = nodes[1]!.getOrSet('items', 'a', () => gate.promise);
    await settle();
    lift();
    await clock.pass(10);
    gate.reject(new Error('source down'));
    await clock.pass(10);
    expect(await read).toBe('old');
  });
});

describe.each(SUBJECTS)('stale serving (%s)', (_kind, subject) => {
  it('grace: when the loader fails, what expired is served so long and no longer', async () => {
    const { cache, clock } = await subject({ ttl: '1s', grace: '5s' });
    const items = cache.namespace('items');
    const failed: unknown[] = [];
    cache.on('refresh-failed', (event) => failed.push(event));
    await items.set('a', 'old');
    await clock.pass(5_900);
    expect(await items.getOrSet('a', failing)).toBe('old');
    expect(failed.length).toBe(1);
    expect(cache.stats().staleServed).toBe(1);
    await clock.pass(200);
    await expect(items.getOrSet('a', failing)).rejects.toThrow('source down');
  });

  it('grace: the loader is handed the stale value, and wins when it answers', async () => {
    const { cache, clock } = await subject({ ttl: '1s', grace: '5s' });
    const items = cache.namespace('items');
    await items.set('a', 'old');
    await clock.pass(2_000);
    expect(await items.getOrSet('a', ({ stale }) => `${String(stale)}+new`)).toBe('old+new');
    expect(await items.get('a')).toBe('old+new');
  });

  it.each([
    ['key', (cache: TieredCache) => cache.delete('items', 'a')],
    ['tag', (cache: TieredCache) => cache.deleteByTag('t')],
    ['namespace', (cache: TieredCache) => cache.clear('items')],
    ['pattern', (cache: TieredCache) => cache.invalidate({ patterns: ['items:*'] })],
  ])(
    'I7: what was invalidated by %s is never served stale, neither before nor during the load',
    async (_how, end) => {
      const { cache, clock } = await subject({ ttl: '1s', grace: '1m', staleWhileRevalidate: 0 });
      const items = cache.namespace('items');
      await items.set('a', 'old', { tags: ['t'] });
      await end(cache);
      await expect(items.getOrSet('a', failing)).rejects.toThrow('source down');

      await items.set('b', 'old', { tags: ['t'] });
      await items.set('a', 'old', { tags: ['t'] });
      await clock.pass(2_000);
      const gate = deferred<unknown>();
      const read = items.getOrSet('a', () => gate.promise);
      const caught = read.catch((error: unknown) => error);
      await settle();
      await end(cache);
      await clock.pass(10);
      gate.reject(new Error('source down'));
      expect(await caught).toMatchObject({ message: 'source down' });
    },
  );

  it('stale-while-revalidate: answers at once and renews once in the background', async () => {
    const { cache, clock } = await subject({ ttl: '1s', staleWhileRevalidate: '5s' });
    const items = cache.namespace('items');
    await items.set('a', 'old');
    await clock.pass(2_000);
    const gate = deferred<string>();
    let loads = 0;
    const loader = () => (loads++, gate.promise);
    for (let i = 0; i < 10; i++) {
      let value: unknown;
      void items.getOrSet('a', loader).then((v) => (value = v));
      await settle();
      expect(value).toBe('old');
    }
    gate.resolve('new');
    await clock.pass(50);
    expect(loads).toBe(1);
    expect(await items.getOrSet('a', loader)).toBe('new');
    await clock.pass(6_100);
    expect(await items.getOrSet('a', () => 'newer')).toBe('newer');
  });

  it('soft timeout: with a stale value in hand nobody waits longer, and the load goes on', async () => {
    const { cache, clock } = await subject({ ttl: '1s', grace: '1m', softTimeout: 100 });
    const items = cache.namespace('items');
    await items.set('a', 'old');
    await clock.pass(2_000);
    const gate = deferred<string>();
    let value: unknown;
    void items.getOrSet('a', () => gate.promise).then((v) => (value = v));
    await clock.pass(99);
    expect(value).toBeUndefined();
    await clock.pass(2);
    expect(value).toBe('old');
    gate.resolve('new');
    await clock.pass(50);
    expect(await items.get('a')).toBe('new');
  });

  it('soft timeout: without a stale value everybody waits', async () => {
    const { cache, clock } = await subject({ ttl: '1s', grace: '1m', softTimeout: 100 });
    const gate = deferred<string>();
    let value: unknown;
    void cache.getOrSet('items', 'a', () => gate.promise).then((v) => (value = v));
    await clock.pass(1_000);
    expect(value).toBeUndefined();
    gate.resolve('new');
    await clock.pass(10);
    expect(value).toBe('new');
  });

  it('hard timeout: LoaderTimeoutError and an aborted signal, or the stale value', async () => {
    const { cache, clock } = await subject({ ttl: '1s', grace: '1m', hardTimeout: 200 });
    const items = cache.namespace('items');
    let aborted = 0;
    const hanging = ({ signal }: { signal: AbortSignal }) => {
      signal.addEventListener('abort', () => aborted++);
      return new Promise<never>(() => undefined);
    };
    let caught: unknown;
    items.getOrSet('a', hanging).catch((error: unknown) => (caught = error));
    await clock.pass(201);
    expect(caught).toMatchObject({
      code: 'STRATA_LOADER_TIMEOUT',
      details: { namespace: 'items', id: 'a', ms: 200 },
    });
    expect(aborted).toBe(1);
    await items.set('a', 'old');
    await clock.pass(2_000);
    let value: unknown;
    void items.getOrSet('a', hanging).then((v) => (value = v));
    await clock.pass(201);
    expect(value).toBe('old');
    expect(aborted).toBe(2);
  });

  it('hard timeout: who looks at the signal later finds it aborted, for the same reason', async () => {
    const { cache, clock } = await subject({ ttl: '1m', hardTimeout: 200 });
    let late: AbortSignal | undefined;
    let copied: { signal?: AbortSignal } = {};
    const gate = deferred<void>();
    const slow = async (context: { signal: AbortSignal }) => {
      await gate.promise;
      late = context.signal;
      copied = { ...context };
    };
    let caught: unknown;
    cache.getOrSet('items', 'a', slow).catch((error: unknown) => (caught = error));
    await clock.pass(201);
    gate.resolve();
    await clock.pass(1);
    expect(late).toMatchObject({ aborted: true, reason: caught });
    expect(copied.signal).toBe(late);
  });

  it('hard timeout: what the loader answers later is stored nowhere', async () => {
    const { cache, clock } = await subject({ ttl: '1m', hardTimeout: 200 });
    const gate = deferred<string>();
    cache.getOrSet('items', 'a', () => gate.promise).catch(() => undefined);
    await clock.pass(201);
    gate.resolve('late');
    await clock.pass(50);
    expect(await cache.get('items', 'a')).toBeUndefined();
  });

  it('per call: grace of the call wins over the namespace’s', async () => {
    const { cache, clock } = await subject({ ttl: '1s' });
    const items = cache.namespace('items');
    await items.getOrSet('a', () => 'old', { grace: '5s' });
    await clock.pass(2_000);
    expect(await items.getOrSet('a', failing, { grace: '5s' })).toBe('old');
    await expect(items.getOrSet('a', failing)).rejects.toThrow('source down');
  });
});
