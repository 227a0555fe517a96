import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startRedis } from '../../apps/services/index.mjs';
import { createRedisTier, type NamespaceOptions, TieredCache } from '../../libs/tiered-cache/src/index.js';
import { until } from '../conformance/until.js';
import { deferred, Source } from '../support/fleet.js';
import { describeWithRedis, keyPrefix, redisUrl } from '../support/services.js';

/** Several nodes over a real Redis. Real time is involved: waits poll with a deadline, nothing sleeps for luck. */
describeWithRedis('the engine over Redis', () => {
  const open: TieredCache[] = [];
  const prefixes = new Set<string>();

  async function nodes(
    count: number,
    items: NamespaceOptions = {},
    { url = redisUrl(), prefix = keyPrefix() }: { url?: string; prefix?: string } = {},
  ): Promise<TieredCache[]> {
    prefixes.add(prefix);
    const made = Array.from({ length: count }, () =>
      new TieredCache({
        prefix,
        remote: createRedisTier({ url, prefix, commandTimeout: url === redisUrl() ? 1_000 : 250 }),
        namespaces: { items: { ttl: '1m', ...items } },
      }).start(),
    );
    open.push(...made);
    await until(() => made.every((cache) => cache.health().l1.serving));
    return made;
  }

  afterEach(async () => {
    await Promise.all(open.splice(0).map((cache) => cache.close()));
    const admin = new Redis(redisUrl());
    for (const prefix of prefixes) {
      let cursor = '0';
      do {
        const [next, keys] = await admin.scan(
          cursor,
          'MATCH',
          `{${prefix.replaceAll(':', '?')}*`,
          'COUNT',
          1_000,
        );
        if (keys.length > 0) await admin.unlink(keys);
        cursor = next;
      } while (cursor !== '0');
    }
    prefixes.clear();
    admin.disconnect();
  });

  it('200 writes on one node: the others answer the new value within the bound, every time', async () => {
    const [one, two, three] = (await nodes(3)) as [TieredCache, TieredCache, TieredCache];
    const source = new Source<number>({ a: 0 });
    let worst = 0;
    for (let version = 1; version <= 200; version++) {
      for (const node of [two, three]) await node.getOrSet('items', 'a', source.load);
      source.values.set('a', version);
      expect(await one.delete('items', 'a')).toMatchObject({ acknowledged: true });
      for (const node of [two, three])
        worst = Math.max(
          worst,
          await until(async () => (await node.getOrSet('items', 'a', source.load)) === version, 500),
        );
    }
    expect(worst).toBeLessThan(500);
    // The cache did serve: far fewer loads than reads.
    expect(source.loads).toBeLessThanOrEqual(3 * 201);
  });

  it('strict: the first read after an acknowledged write is the new value, on every node', async () => {
    const all = await nodes(3, { consistency: 'strict' });
    const source = new Source<number>({ a: 0 });
    for (let version = 1; version <= 100; version++) {
      await Promise.all(all.map((node) => node.getOrSet('items', 'a', source.load, { tags: ['t'] })));
      source.values.set('a', version);
      if (version % 2 === 0) await all[0]!.delete('items', 'a');
      else await all[0]!.deleteByTag('t');
      for (const node of all)
        expect(await node.getOrSet('items', 'a', source.load, { tags: ['t'] })).toBe(version);
    }
  });

  it('1,000 concurrent cold reads over three nodes are one load', async () => {
    const all = await nodes(3);
    const gate = deferred<void>();
    let loads = 0;
    const loader = async () => {
      loads++;
      await gate.promise;
      return { n: 1 };
    };
    const reads = Array.from({ length: 1_000 }, (_, i) => all[i % 3]!.getOrSet('items', 'a', loader));
    await until(() => loads > 0);
    gate.resolve();
    for (const value of await Promise.all(reads)) expect(value.n).toBe(1);
    expect(loads).toBe(1);
  });

  it('an invalidation during a load leaves the old value nowhere, by key, tag, namespace and pattern', async () => {
    const all = await nodes(2);
    for (const selector of [
      { keys: [{ namespace: 'items', id: 'a' }] },
      { tags: ['t'] },
      { namespaces: ['items'] },
      { patterns: ['items:*'] },
    ]) {
      const gate = deferred<string>();
      let loading = false;
      const read = all[0]!.getOrSet('items', 'a', () => ((loading = true), gate.promise), {
        tags: ['t'],
        fresh: true,
      });
      await until(() => loading);
      expect(await all[1]!.invalidate(selector)).toMatchObject({ acknowledged: true });
      gate.resolve('old');
      expect(await read).toBe('old');
      expect(await all[1]!.get('items', 'a')).toBeUndefined();
      await until(async () => (await all[0]!.get('items', 'a')) === undefined, 500);
    }
  });

  it('promotes with the remaining TTL, and what Redis holds expires by itself', async () => {
    const [one, two] = (await nodes(2, { ttl: '1500ms' })) as [TieredCache, TieredCache];
    await one.set('items', 'a', 1);
    await sleep(600);
    expect(await two.get('items', 'a')).toBe(1);
    const left = await two.namespace('items').ttl('a');
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(900);
    await until(async () => !(await two.namespace('items').has('a')), 2_000);
  });

  it('keeps every type and sliding, touch, expire and grace across nodes', async () => {
    const [one, two] = (await nodes(2, { grace: '1m' })) as [TieredCache, TieredCache];
    const value = {
      date: new Date(5),
      map: new Map([[1, new Set([2n])]]),
      nothing: undefined,
      buffer: Buffer.from('x'),
    };
    await one.set('items', 'a', value);
    expect(await two.get('items', 'a')).toEqual(value);
    expect(await two.namespace('items').touch('a', '1h')).toBe(true);
    await until(async () => ((await one.namespace('items').ttl('a')) ?? 0) > 3_000_000, 500);
    expect(await one.namespace('items').expire('a')).toBe(true);
    await until(async () => (await two.get('items', 'a')) === undefined, 500);
    expect(await two.getOrSet('items', 'a', () => Promise.reject(new Error('down')))).toEqual(value);
    await one.delete('items', 'a');
    await until(async () => {
      const caught = await two
        .getOrSet('items', 'a', () => Promise.reject(new Error('down')))
        .catch((e: unknown) => e);
      return caught instanceof Error;
    }, 500);
  });

  it('counts and invalidates by pattern and tag without touching another prefix', async () => {
    const [mine] = await nodes(1);
    const [theirs] = await nodes(1);
    const entries = Array.from({ length: 1_200 }, (_, i) => [`BTC/USD ${i}`, i] as const);
    await mine!.namespace('items').setMany(entries, { tags: ['t'] });
    await theirs!.namespace('items').setMany(entries.slice(0, 10), { tags: ['t'] });
    expect(
      await mine!.invalidateWithReport({ patterns: ['items:BTC/USD 1*'] }, { dryRun: true }),
    ).toMatchObject({
      counts: { items: 311 },
    });
    expect((await mine!.invalidateWithReport({ patterns: ['items:BTC/USD 1*'] })).total).toBe(311);
    expect(await mine!.get('items', 'BTC/USD 11')).toBeUndefined();
    expect((await mine!.invalidateWithReport({ tags: ['t'] })).total).toBe(1_200 - 311);
    expect((await mine!.invalidateWithReport({ all: true }, { dryRun: true })).total).toBe(0);
    expect((await theirs!.namespace('items').getMany(entries.map(([id]) => id))).size).toBe(10);
  });

  it('setMany stores more keys than one script takes', async () => {
    const [one] = await nodes(1);
    const entries = Array.from({ length: 600 }, (_, i) => [`k${i}`, i] as const);
    await one!.namespace('items').setMany(entries);
    expect((await one!.namespace('items').getMany(entries.map(([id]) => id))).size).toBe(600);
    // Its own records are no news to it, however many they are.
    await sleep(300);
    expect(entries.filter(([id]) => one!.namespace('items').peek(id) !== undefined).length).toBe(600);
  });

  it('exclusive() runs once among many nodes', async () => {
    const all = await nodes(4);
    let ran = 0;
    await Promise.all(all.map((node) => node.exclusive('job', { holdMs: 2_000 }, async () => void ran++)));
    expect(ran).toBe(1);
  });

  describe('with a Redis of its own', () => {
    it('killed and restarted under load: no read fails, and everything comes back by itself', async () => {
      const redis = await startRedis({ restartAfterMs: 700 });
      try {
        const all = await nodes(2, {}, { url: redis.url });
        const source = new Source<number>({ a: 0, b: 0, c: 0 });
        const failures: unknown[] = [];
        let running = true;
        let reads = 0;
        const load = async (node: TieredCache) => {
          while (running) {
            for (const id of ['a', 'b', 'c']) {
              await node.getOrSet('items', id, source.load).catch((error: unknown) => failures.push(error));
              reads++;
            }
            await sleep(1);
          }
        };
        const loops = all.map(load);
        await until(() => reads > 100);
        redis.kill('SIGKILL');
        await until(() => all.every((node) => node.health().state === 'degraded'), 3_000);
        // A write while it is away: kept, and honoured when it is back.
        source.values.set('a', 1);
        expect(await all[0]!.delete('items', 'a')).toMatchObject({ acknowledged: false });
        await until(
          () => all.every((node) => node.health().state === 'up' && node.health().l1.serving),
          10_000,
        );
        await until(() => all[0]!.health().pendingInvalidations === 0, 3_000);
        for (const node of all)
          await until(async () => (await node.getOrSet('items', 'a', source.load)) === 1, 1_000);
        running = false;
        await Promise.all(loops);
        expect(failures).toEqual([]);
      } finally {
        await Promise.all(open.splice(0).map((cache) => cache.close()));
        await redis.stop();
      }
    });

    it('stopped (hung) by SIGSTOP: one command timeout, then the circuit; L1 stops within the bound', async () => {
      const redis = await startRedis();
      try {
        const [one] = await nodes(1, {}, { url: redis.url });
        await one!.getOrSet('items', 'a', () => 'old');
        process.kill(redis.pid, 'SIGSTOP');
        try {
          await until(() => one!.namespace('items').peek('a') === undefined, 600);
          const first = performance.now();
          await Promise.all(['x', 'y', 'z'].map((id) => one!.getOrSet('items', id, () => id)));
          expect(performance.now() - first).toBeLessThan(600);
          await until(() => one!.health().circuit === 'open', 1_000);
          const second = performance.now();
          for (let i = 0; i < 50; i++) await one!.getOrSet('items', `q${i}`, () => i);
          expect(performance.now() - second).toBeLessThan(100);
        } finally {
          process.kill(redis.pid, 'SIGCONT');
        }
        await until(() => one!.health().state === 'up' && one!.health().l1.serving, 3_000);
      } finally {
        await Promise.all(open.splice(0).map((cache) => cache.close()));
        await redis.stop();
      }
    });

    it('flushed: L1 is cleared, nothing old comes back', async () => {
      const redis = await startRedis();
      const admin = new Redis(redis.url);
      try {
        const all = await nodes(2, {}, { url: redis.url });
        for (const node of all) await node.getOrSet('items', 'a', () => 'old');
        await admin.flushall();
        await until(() => all.every((node) => node.namespace('items').peek('a') === undefined), 1_000);
        for (const node of all) expect(await node.getOrSet('items', 'a', () => 'new')).toBe('new');
      } finally {
        admin.disconnect();
        await Promise.all(open.splice(0).map((cache) => cache.close()));
        await redis.stop();
      }
    });
  });
});
