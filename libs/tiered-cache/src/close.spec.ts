import { BOUND, closeFleets, deferred, embedded, fleet } from '../../../test/support/fleet.js';
import { settle } from '../../../test/support/virtual-clock.js';
import type { CacheNamespace, TieredCache } from './index.js';

afterEach(closeFleets);

const CALLS: [string, (cache: TieredCache, items: CacheNamespace) => Promise<unknown>][] = [
  ['get', (_c, items) => items.get('a')],
  ['getMany', (_c, items) => items.getMany(['a'])],
  ['getOrSet', (_c, items) => items.getOrSet('a', () => 1)],
  ['getOrSetMany', (_c, items) => items.getOrSetMany(['a'], () => new Map())],
  ['set', (_c, items) => items.set('a', 1)],
  ['setMany', (_c, items) => items.setMany([['a', 1]])],
  ['has', (_c, items) => items.has('a')],
  ['ttl', (_c, items) => items.ttl('a')],
  ['touch', (_c, items) => items.touch('a')],
  ['expire', (_c, items) => items.expire('a')],
  ['delete', (_c, items) => items.delete('a')],
  ['clear', (_c, items) => items.clear()],
  ['invalidate', (cache) => cache.invalidate({ all: true })],
  ['invalidateWithReport', (cache) => cache.invalidateWithReport({ all: true })],
  ['deleteByTag', (cache) => cache.deleteByTag('t')],
  ['exclusive', (cache) => cache.exclusive('x', {}, async () => 1)],
];

describe('close', () => {
  it('leaves no timer behind, with and without a shared tier', async () => {
    const one = await fleet({ nodes: 2 });
    for (const node of one.nodes) {
      await node.getOrSet('items', 'a', () => 1);
      await node.close();
    }
    expect(one.clock.timersLeft).toBe(0);
    const two = embedded();
    await two.cache.close();
    expect(two.clock.timersLeft).toBe(0);
  });

  it('waits for loads under way, whose callers get their values, and which are stored', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const gate = deferred<string>();
    const read = nodes[0]!.getOrSet('items', 'a', () => gate.promise);
    await settle();
    let closed = false;
    const closing = nodes[0]!.close().then(() => (closed = true));
    await clock.pass(1_000);
    expect(closed).toBe(false);
    gate.resolve('value');
    expect(await read).toBe('value');
    await clock.pass(10);
    await closing;
    expect(await nodes[1]!.get('items', 'a')).toBe('value');
  });

  it('waits for an invalidation under way', async () => {
    const { nodes, clock, hub } = await fleet({ nodes: 2 });
    await nodes[1]!.set('items', 'a', 'old');
    const lift = hub.inject({ at: 'request', how: 100, commands: ['invalidate'] });
    const deleting = nodes[0]!.delete('items', 'a');
    const closing = nodes[0]!.close();
    await clock.pass(200);
    expect(await deleting).toMatchObject({ acknowledged: true });
    await closing;
    lift();
    await clock.pass(10);
    expect(await nodes[1]!.get('items', 'a')).toBeUndefined();
  });

  it('waits five seconds at most, and then aborts the loads that remain', async () => {
    const { nodes, clock } = await fleet();
    let aborted = false;
    void nodes[0]!.getOrSet('items', 'a', ({ signal }) => {
      signal.addEventListener('abort', () => (aborted = true));
      return new Promise(() => undefined);
    });
    await settle();
    let closed = false;
    void nodes[0]!.close().then(() => (closed = true));
    await clock.pass(4_900);
    expect([closed, aborted]).toEqual([false, false]);
    await clock.pass(200);
    expect([closed, aborted]).toEqual([true, true]);
  });

  it('is idempotent: every call ends when the closing has ended', async () => {
    const { nodes, clock } = await fleet();
    const gate = deferred<number>();
    const read = nodes[0]!.getOrSet('items', 'a', () => gate.promise);
    await settle();
    const ended: number[] = [];
    void nodes[0]!.close().then(() => ended.push(1));
    void nodes[0]!.close().then(() => ended.push(2));
    await clock.pass(100);
    expect(ended).toEqual([]);
    gate.resolve(1);
    await read;
    await clock.pass(100);
    expect(new Set(ended)).toEqual(new Set([1, 2]));
    await nodes[0]!.close();
  });

  it.each(CALLS)('%s rejects with CacheClosedError from then on', async (_name, call) => {
    for (const cache of [(await fleet()).nodes[0]!, embedded().cache]) {
      await cache.set('items', 'a', 1);
      const closing = cache.close();
      for (let i = 0; i < 2; i++) {
        await expect(call(cache, cache.namespace('items'))).rejects.toMatchObject({ code: 'STRATA_CLOSED' });
        await closing;
      }
    }
  });

  it('a load that outlives it does not put its value into L1', async () => {
    const { cache, clock } = embedded();
    const gate = deferred<number>();
    const read = cache.getOrSet('items', 'a', () => gate.promise);
    const closing = cache.close();
    await clock.pass(6_000);
    await closing;
    gate.resolve(1);
    expect(await read).toBe(1);
    expect(cache.namespace('items').peek('a')).toBeUndefined();
    expect(cache.stats().tiers.l1.entries).toBe(0);
    expect(cache.health().state).toBe('down');
  });

  it('before start, and a start after it, open nothing', async () => {
    const { nodes, clock } = await fleet({ idle: true });
    expect(clock.timersLeft).toBe(0);
    expect(await nodes[0]!.getOrSet('items', 'a', () => 1)).toBe(1);
    await nodes[0]!.close();
    nodes[0]!.start();
    await clock.pass(BOUND);
    expect(clock.timersLeft).toBe(0);
    expect(nodes[0]!.health().state).toBe('down');
  });

  it('start is idempotent: twice the call, the same timers', async () => {
    const { nodes, clock } = await fleet();
    const before = clock.timersLeft;
    nodes[0]!.start();
    await clock.pass(1);
    expect(clock.timersLeft).toBe(before);
  });
});
