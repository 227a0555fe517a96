import { jest } from '@jest/globals';
import { closeFleets, embedded, fleet } from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';
import type { ReadOutcome } from '../index.js';

afterEach(closeFleets);

describe('stats', () => {
  it('add up: operations are hits and misses, errors apart, rates in percent', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const items = nodes[0]!.namespace('items');
    await nodes[1]!.set('items', 'l2', 1);
    await clock.pass(10);
    await items.getOrSet('a', () => 1); // miss
    await items.getOrSet('a', () => 1); // L1
    await items.getOrSet('l2', () => 1); // L2
    await items.get('l2'); // L1
    await items.get('nowhere'); // miss
    await items.getOrSet('bad', () => Promise.reject(new Error('x'))).catch(() => undefined); // miss
    const stats = nodes[0]!.stats();
    expect(stats).toMatchObject({
      hits: 3,
      misses: 3,
      totalOperations: 6,
      hitRate: 50,
      errors: 0,
      errorRate: 0,
      sourceLoads: 2,
      sourceErrors: 1,
      writes: 0,
    });
    expect(stats.tiers.l1).toMatchObject({ hits: 2, entries: 2 });
    expect(stats.tiers.l2).toMatchObject({ hits: 1, state: 'ready' });
    expect(stats.tiers.source).toMatchObject({ hits: 1, errors: 1 });
    expect(stats.namespaces['items']).toMatchObject({ hits: 3, misses: 3, hitRate: 50, sourceLoads: 2 });
    expect(stats.tiers.source.latencyMs.count).toBe(2);
  });

  it('reset to nothing, and say since when', async () => {
    const { cache, clock } = embedded();
    await cache.getOrSet('items', 'a', () => 1);
    await clock.pass(1_000);
    cache.resetStats();
    expect(cache.stats()).toMatchObject({
      totalOperations: 0,
      sourceLoads: 0,
      hitRate: 0,
      since: clock.now(),
    });
    expect(cache.stats().windows['60m']).toMatchObject({ hits: 0, misses: 0 });
    await cache.getOrSet('items', 'a', () => 1);
    expect(cache.stats()).toMatchObject({ hits: 1, misses: 0, hitRate: 100 });
  });

  it('roll: a window forgets what is older than it', async () => {
    const { cache, clock } = embedded({ namespaces: { items: { ttl: '1s' } } });
    for (let minute = 0; minute < 10; minute++) {
      await cache.getOrSet('items', 'a', () => 1);
      await clock.pass(60_000);
    }
    const { windows } = cache.stats();
    expect(windows['1m'].misses).toBeLessThanOrEqual(2);
    expect(windows['1m'].misses).toBeGreaterThanOrEqual(1);
    expect(windows['5m'].misses).toBeGreaterThanOrEqual(5);
    expect(windows['5m'].misses).toBeLessThanOrEqual(6);
    expect(windows['60m'].misses).toBe(10);
  });

  it('count evictions, expirations, writes and refused fills', async () => {
    const { cache, clock } = embedded({ l1: { maxEntries: 2 }, namespaces: { items: { ttl: '1s' } } });
    for (const id of ['a', 'b', 'c']) await cache.set('items', id, 1);
    expect(cache.stats()).toMatchObject({
      writes: 3,
      tiers: { l1: { evictions: 1, entries: 2, maxEntries: 2 } },
    });
    await clock.pass(3_000);
    expect(cache.stats().tiers.l1.expirations).toBe(2);
    let finish!: () => void;
    const read = cache.getOrSet('items', 'x', () => new Promise<void>((resolve) => (finish = resolve)));
    await settle();
    await cache.delete('items', 'x');
    finish();
    await read;
    expect(cache.stats().fillsRejected).toBe(1);
  });
});

describe('events', () => {
  it('tell of every read where it was answered', async () => {
    const { nodes, clock } = await fleet({
      nodes: 2,
      namespaces: { items: { ttl: '10s', staleWhileRevalidate: '1m' } },
    });
    const outcomes: ReadOutcome[] = [];
    nodes[0]!.on('read', ({ outcome, namespace, id, ms }) => {
      expect([namespace, id]).toEqual(['items', 'a']);
      expect(ms).toBeGreaterThanOrEqual(0);
      outcomes.push(outcome);
    });
    await nodes[1]!.set('items', 'a', 1);
    await clock.pass(10);
    await nodes[0]!.getOrSet('items', 'a', () => 2);
    await nodes[0]!.getOrSet('items', 'a', () => 2);
    await clock.pass(11_000);
    await nodes[0]!.getOrSet('items', 'a', () => 2);
    await clock.pass(100);
    await nodes[0]!.delete('items', 'a');
    await nodes[0]!.getOrSet('items', 'a', () => 2);
    expect(outcomes).toEqual(['l2-hit', 'l1-hit', 'stale', 'miss']);
  });

  it('tell of invalidations, here and from the log, and stop when asked', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const heard: unknown[] = [];
    const listener = (event: object) => heard.push(event);
    nodes[1]!.on('invalidation', listener);
    await nodes[0]!.invalidate({ keys: [{ namespace: 'items', id: 'a' }], tags: ['t'] });
    await clock.pass(10);
    await nodes[1]!.deleteByTag('u');
    await clock.pass(10);
    expect(heard).toMatchObject([
      { keys: ['items:a'], tags: ['t'], origin: 'log' },
      { keys: [], tags: ['u'], origin: 'local' },
    ]);
    nodes[1]!.off('invalidation', listener);
    await nodes[1]!.deleteByTag('u');
    expect(heard.length).toBe(2);
  });

  it('tell of the shared tier going and coming', async () => {
    const { nodes, clock, hub } = await fleet();
    const states: string[] = [];
    nodes[0]!.on('remote', ({ state }) => states.push(state));
    hub.down();
    await clock.pass(10);
    hub.up();
    await clock.pass(1_000);
    expect(states[0]).toBe('down');
    expect(states.at(-1)).toBe('ready');
  });

  it('a listener that throws or rejects disturbs nobody', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const unhandled: unknown[] = [];
    const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      let reached = 0;
      for (const event of [
        'read',
        'invalidation',
        'remote',
        'gap',
        'refresh-failed',
        'invalidation-failed',
      ] as const) {
        nodes[1]!.on(event, () => {
          throw new Error('listener');
        });
        // oxlint-disable-next-line typescript/no-misused-promises -- what a user may do all the same
        nodes[1]!.on(event, async () => Promise.reject(new Error('async listener')));
        nodes[1]!.on(event, () => reached++);
      }
      expect(await nodes[1]!.getOrSet('items', 'a', () => 1)).toBe(1);
      expect(await nodes[1]!.getOrSet('items', 'a', () => 2)).toBe(1);
      await nodes[0]!.set('items', 'a', 2);
      await clock.pass(10);
      expect(await nodes[1]!.getOrSet('items', 'a', () => 3)).toBe(2);
      expect(await nodes[1]!.delete('items', 'a')).toMatchObject({ acknowledged: true });
      await clock.pass(10);
      expect(reached).toBe(5);
      expect(unhandled).toEqual([]);
      expect(warnings).toHaveBeenCalledWith(
        expect.stringContaining('async listener'),
        'StrataListenerWarning',
      );
    } finally {
      process.off('unhandledRejection', note);
      warnings.mockRestore();
    }
  });
});
