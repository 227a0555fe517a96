import { Redis } from 'ioredis';
import { freePort, startReplicated, type ReplicatedHandle } from '../../apps/services/index.mjs';
import { createRedisTier, TieredCache, type RedisTierOptions } from '../../libs/tiered-cache/src/index.js';
import { until } from '../conformance/until.js';
import { describeWithRedis } from '../support/services.js';

const DOWN_AFTER = 500;
/** Detection, election, promotion, and our own backoff; seen: 2 s. */
const FAILOVER = 15_000;
/** What a business call may cost while Redis is away: a command's deadline, the load, and what a busy machine adds. */
const CALL = 2_000;

describeWithRedis('the cache through Sentinel', () => {
  let group: ReplicatedHandle;
  const cleanups: (() => unknown)[] = [];

  beforeEach(async () => {
    group = await startReplicated({ replicas: 1, sentinels: 3, downAfterMs: DOWN_AFTER });
    cleanups.push(() => group.stop());
  }, 40_000);
  afterEach(async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  }, 30_000);

  function bySentinel(options: Partial<RedisTierOptions> = {}): Omit<RedisTierOptions, 'prefix'> {
    return {
      sentinels: group.sentinels.map(({ host, port }) => ({ host, port })),
      sentinelName: group.name,
      commandTimeout: 250,
      ...options,
    };
  }

  async function node(options?: Partial<RedisTierOptions>): Promise<TieredCache> {
    const cache = new TieredCache({
      prefix: 'sentinel',
      remote: createRedisTier({ prefix: 'sentinel', ...bySentinel(options) }),
      namespaces: { items: { ttl: '1m' }, shared: { ttl: '1m', tiers: ['l2'] } },
    });
    cleanups.push(() => cache.close());
    cache.start();
    await serving(cache);
    return cache;
  }

  async function serving(cache: TieredCache, withinMs = 5_000): Promise<void> {
    await until(() => cache.health().state === 'up' && cache.health().l1.serving, withinMs);
  }

  /** Business that never stops: writes through one node, reads through both. Nothing may fail or hang. */
  function business(writer: TieredCache, reader: TieredCache) {
    const database = new Map<string, number>();
    const failures: unknown[] = [];
    let slowest = 0;
    let running = true;
    let rounds = 0;
    const timed = async <T>(call: () => Promise<T>): Promise<T | undefined> => {
      const start = performance.now();
      try {
        return await call();
      } catch (error) {
        failures.push(error);
        return undefined;
      } finally {
        slowest = Math.max(slowest, performance.now() - start);
      }
    };
    const read = (cache: TieredCache, id: string): Promise<number> =>
      cache.getOrSet('items', id, async () => database.get(id) ?? 0);
    const ended = (async () => {
      for (; running; rounds++) {
        const id = `i${rounds % 7}`;
        database.set(id, rounds);
        await timed(() => writer.delete('items', id));
        await timed(() => read(writer, id));
        await timed(() => read(reader, id));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    return {
      rounds: () => rounds,
      /** Ends it; everything read now must be what the database holds, on both nodes. */
      async settle() {
        running = false;
        await ended;
        for (const [id, version] of database)
          for (const cache of [writer, reader])
            await until(async () => (await read(cache, id)) === version, 2_000);
        return { failures, slowest };
      },
    };
  }

  async function works(one: TieredCache, two: TieredCache, master: number): Promise<void> {
    const id = `w${Math.random()}`;
    await one.set('shared', id, 'written');
    expect(await two.get('shared', id)).toBe('written');
    const client = new Redis({ port: master, host: '127.0.0.1' });
    cleanups.push(() => client.disconnect());
    expect(await client.exists(`{sentinel:shared:${id}}:v`)).toBe(1);
  }

  it('finds the master by the first sentinel that answers, and says where it is', async () => {
    const away = { host: '127.0.0.1', port: await freePort() };
    const cache = await node({ sentinels: [away, ...bySentinel().sentinels!] });
    await works(cache, await node(), group.master.port);
    expect(await cache.describeRemote()).toMatchObject({ state: 'ready', endpoint: 'sentinel strata' });
  });

  it('kill -9 of the master: back on the promoted replica; no call fails or hangs meanwhile', async () => {
    const [one, two] = [await node(), await node()];
    const work = business(one, two);
    await until(() => work.rounds() > 20);
    group.master.kill();
    await until(() => one.health().state !== 'up', 2_000);
    await until(async () => (await group.currentMaster()) === group.replicas[0], FAILOVER);
    await Promise.all([serving(one, FAILOVER), serving(two, FAILOVER)]);
    const { failures, slowest } = await work.settle();
    expect(failures).toEqual([]);
    expect(slowest).toBeLessThan(CALL);
    await works(one, two, group.replicas[0]!.port);
  }, 60_000);

  it('a master that hangs is left for the promoted one, and does not come back into play when it goes on', async () => {
    const [one, two] = [await node(), await node()];
    const work = business(one, two);
    await until(() => work.rounds() > 20);
    group.master.kill('SIGSTOP');
    await until(async () => (await group.currentMaster()) === group.replicas[0], FAILOVER);
    await Promise.all([serving(one, FAILOVER), serving(two, FAILOVER)]);
    group.master.kill('SIGCONT');
    await works(one, two, group.replicas[0]!.port);
    await group.inSync(); // the former master follows the new one by now
    await works(one, two, group.replicas[0]!.port);
    const { failures, slowest } = await work.settle();
    expect(failures).toEqual([]);
    expect(slowest).toBeLessThan(CALL);
  }, 60_000);

  it('a failover asked for by an operator loses nothing that was acknowledged', async () => {
    const [one, two] = [await node(), await node()];
    const work = business(one, two);
    await until(() => work.rounds() > 20);
    const sentinel = new Redis({ port: group.sentinels[0]!.port, host: '127.0.0.1' });
    cleanups.push(() => sentinel.disconnect());
    await sentinel.call('SENTINEL', 'FAILOVER', group.name);
    await until(async () => (await group.currentMaster()) === group.replicas[0], FAILOVER);
    await until(async () => {
      await one.set('shared', 'probe', Math.random());
      const client = new Redis({ port: group.replicas[0]!.port, host: '127.0.0.1' });
      const found = await client.exists('{sentinel:shared:probe}:v');
      client.disconnect();
      return found === 1;
    }, FAILOVER);
    await Promise.all([serving(one, FAILOVER), serving(two, FAILOVER)]);
    const { failures, slowest } = await work.settle();
    expect(failures).toEqual([]);
    expect(slowest).toBeLessThan(CALL);
  }, 60_000);

  it('lives on while no sentinel answers; without a master either it is down, says why, and joins when they return', async () => {
    const [one, two] = [await node(), await node()];
    let reason = '';
    one.on('remote', (event) => (reason = event.reason ?? reason));
    for (const sentinel of group.sentinels) sentinel.kill();
    await works(one, two, group.master.port);
    group.master.kill();
    await until(() => reason.includes('All sentinels are unreachable'), 5_000);
    expect(one.health()).toMatchObject({ state: 'degraded', remote: { state: 'down' } });
    expect(await one.getOrSet('items', 'x', async () => 'from the source')).toBe('from the source');
    await group.master.restart();
    await Promise.all(group.sentinels.map((sentinel) => sentinel.restart()));
    await Promise.all([serving(one, FAILOVER), serving(two, FAILOVER)]);
    await until(async () => (await group.currentMaster()) !== undefined, FAILOVER);
    await works(one, two, (await group.currentMaster())!.port);
  }, 60_000);

  it('a sentinel that hangs does not keep the next from being asked', async () => {
    group.sentinels[0]!.kill('SIGSTOP');
    cleanups.push(() => group.sentinels[0]!.kill('SIGCONT'));
    const start = performance.now();
    const cache = await node({ connectTimeout: 300 });
    expect(performance.now() - start).toBeLessThan(3_000);
    await works(cache, await node(), group.master.port);
  });

  it('a name that the sentinels do not know is said', async () => {
    const tier = createRedisTier({ prefix: 'sentinel', ...bySentinel({ sentinelName: 'another' }) });
    cleanups.push(() => tier.stop());
    let why: string | undefined;
    tier.start({ wake: () => undefined, stateChanged: (_state, reason) => (why = reason) });
    await until(() => tier.state === 'down');
    expect(why).toContain('sentinel');
  });

  it('sentinels may want a user of their own, who needs three commands and one channel', async () => {
    for (const { port } of group.sentinels) {
      const admin = new Redis({ port, host: '127.0.0.1' });
      const rights = '+sentinel|get-master-addr-by-name +sentinel|sentinels +subscribe &+switch-master';
      await admin.call('ACL', 'SETUSER', 'watch', 'on', '>hunter2', 'resetchannels', ...rights.split(' '));
      admin.disconnect();
    }
    const cache = await node({ sentinelUsername: 'watch', sentinelPassword: 'hunter2' });
    await works(cache, cache, group.master.port);
    for (const { port } of group.sentinels) {
      const admin = new Redis({ port, host: '127.0.0.1' });
      const log = (await admin.acl('LOG')) as unknown[][];
      admin.disconnect();
      expect(log.map((entry) => entry[5])).toEqual([]);
    }
    const wrong = createRedisTier({
      prefix: 'sentinel',
      ...bySentinel({ sentinelUsername: 'watch', sentinelPassword: 'wrong-one' }),
    });
    cleanups.push(() => wrong.stop());
    let why = '';
    wrong.start({ wake: () => undefined, stateChanged: (_state, reason) => (why = reason ?? why) });
    await until(() => wrong.state === 'down');
    expect(why).toContain('WRONGPASS');
    expect(why).not.toContain('wrong-one');
  });
});
