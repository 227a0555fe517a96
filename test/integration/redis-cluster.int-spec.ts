import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import {
  type ClusterHandle,
  type ClusterNodeHandle,
  type ClusterNodeState,
  startCluster,
} from '../../apps/services/index.mjs';
import { createRedisTier, TieredCache, type RedisTierOptions } from '../../libs/tiered-cache/src/index.js';
import { keySlot } from '../../libs/tiered-cache/src/remote/redis/cluster/key-slot.js';
import { until } from '../conformance/until.js';
import { ACL_COMMANDS } from '../support/redis-acl.js';
import { describeWithRedis, keyPrefix } from '../support/services.js';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.mjs';

/** Detection, election, promotion, and our own backoff; seen: 2 to 3 s. */
const FAILOVER = 15_000;
/** What a business call may cost while a node is away: a command's deadline, the load, and what a busy machine adds. */
const CALL = 2_000;

describeWithRedis('the cache on Redis Cluster', () => {
  let cluster: ClusterHandle;
  let prefix: string;
  const cleanups: (() => unknown)[] = [];

  beforeAll(async () => {
    cluster = await startCluster({ masters: 3, replicasPerMaster: 1, nodeTimeoutMs: 1_000 });
  }, 60_000);
  afterAll(() => cluster?.stop());
  beforeEach(() => {
    prefix = keyPrefix().slice(0, -1);
  });
  afterEach(async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  }, 60_000);

  const seeds = (): { host: string; port: number }[] =>
    cluster.nodes.map(({ host, port }) => ({ host, port }));

  function tierOptions(options: Partial<RedisTierOptions> = {}): RedisTierOptions {
    return { prefix, cluster: { nodes: seeds().slice(0, 2) }, commandTimeout: 250, ...options };
  }

  function start(options?: Partial<RedisTierOptions>): TieredCache {
    const cache = new TieredCache({
      prefix,
      remote: createRedisTier(tierOptions(options)),
      namespaces: { items: { ttl: '1m' }, shared: { ttl: '1m', tiers: ['l2'] } },
    });
    cleanups.push(() => cache.close());
    return cache.start();
  }

  async function node(options?: Partial<RedisTierOptions>): Promise<TieredCache> {
    const cache = start(options);
    await serving(cache);
    return cache;
  }

  async function serving(cache: TieredCache, withinMs = 5_000): Promise<void> {
    await until(() => cache.health().state === 'up' && cache.health().l1.serving, withinMs);
  }

  function client(port: number): Redis {
    const one = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50 });
    one.on('error', () => undefined); // nodes die in these tests
    cleanups.push(() => one.disconnect());
    return one;
  }

  const masters = async (): Promise<ClusterNodeState[]> =>
    (await cluster.topology()).filter(({ role, alive }) => role === 'master' && alive);
  const entryKey = (id: string, namespace = 'shared'): string => `{${prefix}:${namespace}:${id}}:v`;
  const ownerOf = async (key: string): Promise<ClusterNodeState> => {
    const slot = keySlot(key);
    return (await masters()).find(({ slots }) =>
      slots.some(([first, last]) => first <= slot && slot <= last),
    )!;
  };
  /** Ids whose entries stand on this master. */
  const idsOn = async (id: string, count: number, namespace = 'shared'): Promise<string[]> => {
    const { slots } = (await masters()).find((master) => master.id === id)!;
    const found: string[] = [];
    for (let i = 0; found.length < count; i++) {
      const slot = keySlot(entryKey(`k${i}`, namespace));
      if (slots.some(([first, last]) => first <= slot && slot <= last)) found.push(`k${i}`);
    }
    return found;
  };

  async function works(one: TieredCache, two: TieredCache): Promise<void> {
    for (const { id } of await masters()) {
      const [item] = await idsOn(id, 1);
      const value = Math.random();
      await one.set('shared', item!, value);
      expect(await two.get('shared', item!)).toBe(value);
    }
  }

  /** Business that never stops: writes through one node, reads through both. Nothing may fail, hang, or be wrong for long. */
  function business(writer: TieredCache, reader: TieredCache, boundMs = 500) {
    const database = new Map<string, number>();
    /** When the newest version was acknowledged. */
    const acknowledged = new Map<string, { version: number; at: number }>();
    const failures: unknown[] = [];
    const stale: string[] = [];
    let slowest = 0;
    let running = true;
    let rounds = 0;
    const timed = async <T>(call: () => Promise<T>): Promise<T | undefined> => {
      const began = performance.now();
      try {
        return await call();
      } catch (error) {
        failures.push(error);
        return undefined;
      } finally {
        slowest = Math.max(slowest, performance.now() - began);
      }
    };
    const read = (cache: TieredCache, namespace: string, id: string): Promise<number> =>
      cache.getOrSet(namespace, id, async () => database.get(id) ?? 0, { tags: [`tag-${id}`] });
    const judged = async (cache: TieredCache, namespace: string, id: string): Promise<void> => {
      const due = acknowledged.get(id);
      const late = due !== undefined && performance.now() - due.at > boundMs;
      const version = await timed(() => read(cache, namespace, id));
      if (late && version !== undefined && version < due.version)
        stale.push(`${id}: ${version} < ${due.version}`);
    };
    /** By key, by tag, and by namespace now and then. */
    const invalidate = (id: string): Promise<{ acknowledged: boolean }> => {
      if (rounds % 50 === 49) return writer.invalidate({ namespaces: ['items', 'shared'] });
      if (rounds % 2 === 0) return writer.deleteByTag(`tag-${id}`);
      return writer.invalidate({
        keys: ['items', 'shared'].map((namespace) => ({ namespace, id })),
      });
    };
    const ended = (async () => {
      for (; running; rounds++) {
        const id = `i${rounds % 31}`;
        database.set(id, rounds);
        const result = await timed(() => invalidate(id));
        if (result?.acknowledged) acknowledged.set(id, { version: rounds, at: performance.now() });
        for (const cache of [writer, reader])
          for (const namespace of ['items', 'shared']) {
            await judged(cache, namespace, id);
            await judged(cache, namespace, `i${(rounds + 7) % 31}`);
          }
        await sleep(2);
      }
    })();
    return {
      rounds: () => rounds,
      stale: () => stale,
      /** Ends it; everything read now must be what the database holds, on both nodes. */
      async settle() {
        running = false;
        await ended;
        for (const [id, version] of database)
          for (const cache of [writer, reader])
            for (const namespace of ['items', 'shared'])
              await until(async () => (await read(cache, namespace, id)) === version, 2_000);
        return { failures, stale, slowest };
      },
    };
  }

  it('has all keys of an entry in one slot, as the servers count slots', async () => {
    const server = client(cluster.nodes[0]!.port);
    for (const id of ['a', '{b}', 'c}', '', 'ä😀', 'x'.repeat(300)]) {
      const keys = ['v', 'l', 'f'].map((suffix) => `{${prefix}:items:${id}}:${suffix}`);
      const slots = await Promise.all(keys.map((key) => server.cluster('KEYSLOT', key)));
      expect(slots).toEqual(keys.map(keySlot));
    }
    const one = await node();
    await one.set('shared', 'odd {id}:1', 'x');
    const [found] = (
      await Promise.all((await masters()).map(({ port }) => client(port).keys(`*odd*`)))
    ).flat();
    expect(keySlot(found!)).toBe(await server.cluster('KEYSLOT', found!));
    expect(new Set(['v', 'l', 'f'].map((suffix) => keySlot(found!.replace(/v$/, suffix)))).size).toBe(1);
  });

  it('invalidates keys and tags over all slots, for every node', async () => {
    const [one, two] = [await node(), await node()];
    const ids = Array.from({ length: 300 }, (_, i) => `k${i}`);
    const load = (version: number) => (cache: TieredCache) =>
      Promise.all(
        ids.map((id) =>
          cache.getOrSet('items', id, async () => version, { tags: [`tag-${Number(id.slice(1)) % 40}`] }),
        ),
      );
    await load(1)(one);
    expect(await load(2)(two)).toEqual(ids.map(() => 1));
    const byTag = Array.from({ length: 20 }, (_, i) => `tag-${i}`);
    const gone = (id: string): boolean => Number(id.slice(1)) % 40 < 20 || Number(id.slice(1)) >= 200;
    const result = await one.invalidate({
      keys: ids.slice(200).map((id) => ({ namespace: 'items', id })),
      tags: byTag,
    });
    expect(result.acknowledged).toBe(true);
    const expected = ids.map((id) => (gone(id) ? 3 : 1));
    await until(async () => (await load(3)(two)).join() === expected.join(), 500);
    // What `two` loaded while it learnt of the change may have stayed unfilled: then `one` loads it.
    expect((await load(4)(one)).map((version) => version > 1)).toEqual(ids.map(gone));
    await one.clear('items');
    await until(async () => (await load(5)(two)).every((version) => version === 5));
  });

  it('clears by pattern what stands on any master', async () => {
    const one = await node();
    const ids = Array.from({ length: 60 }, (_, i) => `p-${i}`);
    for (const id of [...ids, 'q-1']) await one.set('shared', id, 1);
    await one.invalidate({ patterns: ['shared:p-*'] });
    expect(await Promise.all(ids.map((id) => one.get('shared', id)))).toEqual(ids.map(() => undefined));
    expect(await one.get('shared', 'q-1')).toBe(1);
  });

  it('costs: L2 hit 1 command, miss 2 and the load and 1, invalidation one per entry and tag and 1', async () => {
    const tier = createRedisTier(tierOptions());
    cleanups.push(() => tier.stop());
    tier.start({ wake: () => undefined, stateChanged: () => undefined });
    await until(() => tier.state === 'ready');
    const servers = (await masters()).map(({ port }) => client(port));
    // What the tier asks by itself, whatever is done with it.
    const own = /^cmdstat_(info|cluster\||subscribe|publish|client|hello|command|config|ping|replconf|psync)/;
    const count = async (action: () => Promise<unknown>): Promise<Record<string, number>> => {
      await action(); // scripts are known now
      await Promise.all(servers.map((server) => server.config('RESETSTAT')));
      await action();
      const sum: Record<string, number> = {};
      for (const server of servers)
        for (const [line, name, calls] of (await server.info('commandstats')).matchAll(
          /^cmdstat_([^:]+):calls=(\d+)/gm,
        ))
          if (!own.test(line)) sum[name!] = (sum[name!] ?? 0) + Number(calls);
      // What scripts call inside is counted too; a script is one command on the wire.
      const scripts = (sum['eval'] ?? 0) + (sum['evalsha'] ?? 0);
      return scripts > 0 ? { scripts } : sum;
    };
    const keys = Array.from({ length: 40 }, (_, i) => `items:c${i}`);
    const value = Buffer.alloc(64, 1);
    let token = 0;
    expect(await count(() => tier.get('items:none'))).toEqual({ get: 1 });
    expect(await count(() => Promise.all(keys.map((key) => tier.get(key))))).toEqual({ get: 40 });
    const miss = async (): Promise<void> => {
      const key = `items:miss${++token}`;
      await tier.acquire({ key, token: 't', leaseMs: 5_000 });
      await tier.fill({ key, token: 't', value, ttlMs: null });
    };
    expect(await count(miss)).toEqual({ scripts: 2 });
    // Tags are plain SETs; their count is hidden among what the scripts do, so each alone.
    expect(await count(() => tier.invalidate({ keys, tags: [] }))).toEqual({ scripts: 41 });
    const tags = Array.from({ length: 10 }, (_, i) => `tag${i}`);
    expect(await count(() => tier.invalidate({ keys: [], tags }))).toEqual({ scripts: 1 });
    expect(await count(() => tier.fence(keys, 'f', 100))).toEqual({ scripts: 41 });
  });

  it('costs an invalidation two round trips, and reaches nodes through a natMap', async () => {
    const RTT = 100;
    const proxies = new Map<string, TcpProxy>(
      await Promise.all(
        cluster.nodes.map(async ({ port }) => {
          const proxy = await startProxy({ to: port });
          cleanups.push(() => proxy.stop());
          return [`127.0.0.1:${port}`, proxy] as const;
        }),
      ),
    );
    const nodes = [...proxies.values()].map(({ port }) => ({ host: '127.0.0.1', port }));
    const tier = createRedisTier({
      prefix,
      commandTimeout: '5s',
      cluster: {
        nodes,
        natMap: (announced) => {
          const proxy = proxies.get(announced);
          return proxy && { host: '127.0.0.1', port: proxy.port };
        },
      },
    });
    cleanups.push(() => tier.stop());
    tier.start({ wake: () => undefined, stateChanged: () => undefined });
    await until(() => tier.state === 'ready');
    expect((await tier.describe()).endpoint!.split(',').sort()).toEqual(
      (await masters()).map(({ port }) => `127.0.0.1:${proxies.get(`127.0.0.1:${port}`)!.port}`).sort(),
    );
    const change = {
      keys: Array.from({ length: 50 }, (_, i) => `items:r${i}`),
      tags: ['a', 'b', 'c', 'd', 'e'],
    };
    await tier.invalidate(change);
    for (const proxy of proxies.values()) proxy.delay(RTT / 2);
    const timed = async (action: () => Promise<unknown>): Promise<number> => {
      const began = performance.now();
      await action();
      return (performance.now() - began) / RTT;
    };
    const trips = [
      await timed(() => tier.get('items:r1')),
      await timed(() => tier.getMany(change.keys)),
      await timed(() => tier.invalidate(change)),
      await timed(() => tier.fence(change.keys, 'f', 100)),
    ];
    expect(trips.map(Math.floor)).toEqual([1, 1, 2, 2]);
  });

  it('needs no other rights than the documented ones', async () => {
    const user = 'clusterapp';
    const rules = [
      'on',
      '>secret',
      `~{${prefix}:*`,
      'resetchannels',
      `&{${prefix}:#wake}`,
      '-@all',
      ...ACL_COMMANDS.map((command) => `+${command}`),
      ...['cluster|slots', 'cluster|info', 'cluster|nodes', 'asking'].map((command) => `+${command}`),
      ...['hsetnx', 'publish', 'subscribe'].map((command) => `+${command}`),
    ];
    const servers = cluster.nodes.map(({ port }) => client(port));
    for (const server of servers) {
      await server.call('ACL', 'SETUSER', user, ...rules);
      await server.call('ACL', 'LOG', 'RESET');
      cleanups.push(() => server.call('ACL', 'DELUSER', user));
    }
    const [one, two] = [
      await node({ username: user, password: 'secret' }),
      await node({ username: user, password: 'secret' }),
    ];
    await works(one, two);
    await one.getOrSet('items', 'a', async () => 1, { tags: ['t'] });
    await one.deleteByTag('t');
    await (await one.fence([{ namespace: 'items', id: 'a' }])).lift();
    await one.invalidate({ patterns: ['items:*'] });
    await one.namespace('shared').delete('k1');
    const logs = await Promise.all(servers.map((server) => server.call('ACL', 'LOG')));
    expect((logs.flat() as unknown[][]).map((entry) => [entry[3], entry[7]])).toEqual([]);
  });

  it('stays right while hundreds of slots move, by key, tag and namespace', async () => {
    const [one, two] = [await node(), await node()];
    const reasons: string[] = [];
    for (const cache of [one, two]) cache.on('remote', (event) => reasons.push(event.reason ?? event.state));
    const work = business(one, two);
    await until(() => work.rounds() > 20);
    const [from, to] = await masters();
    const ours = new Set<number>();
    for (let i = 0; i < 31; i++)
      for (const name of [entryKey(`i${i}`), entryKey(`i${i}`, 'items'), `{${prefix}:#tag:tag-i${i}}:n`])
        ours.add(keySlot(name));
    for (let i = 0; i < 4; i++) ours.add(keySlot(`{${prefix}:#log:${i}}`));
    ours.add(keySlot(`{${prefix}:#ok}`));
    const [first] = from!.slots[0]!;
    const moving = [
      ...[...ours].filter((slot) => from!.slots.some(([low, high]) => low <= slot && slot <= high)),
      ...Array.from({ length: 200 }, (_, i) => first + i),
    ];
    expect(ours.size).toBeGreaterThan(50);
    const before = work.rounds();
    for (const [i, slot] of moving.entries())
      await cluster.migrateSlot(slot, to!.id, { pauseMs: i % 10 === 0 ? 20 : 0 });
    expect(work.rounds()).toBeGreaterThan(before);
    for (const slot of new Set(moving)) await cluster.migrateSlot(slot, from!.id);
    const { failures, stale, slowest } = await work.settle();
    expect(failures).toEqual([]);
    expect(stale).toEqual([]);
    expect(slowest).toBeLessThan(CALL);
    await Promise.all([serving(one), serving(two)]);
    await works(one, two);
    expect(reasons).toEqual([]);
  }, 120_000);

  it('works on a slot that stands half moved: invalidates and fences there, and loads without filling', async () => {
    const tier = createRedisTier(tierOptions());
    cleanups.push(() => tier.stop());
    tier.start({ wake: () => undefined, stateChanged: () => undefined });
    await until(() => tier.state === 'ready');
    const opened = await tier.poll(null, []);
    const key = 'items:half';
    const slot = keySlot(`{${prefix}:${key}}:v`);
    const value = Buffer.alloc(64, 1);
    await tier.acquire({ key, token: 't', leaseMs: 5_000 });
    await tier.fill({ key, token: 't', value, ttlMs: null });
    const owner = await ownerOf(`{${prefix}:${key}}:v`);
    const target = (await masters()).find(({ id }) => id !== owner.id)!;
    const [source, importing] = [client(owner.port), client(target.port)];
    await importing.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', owner.id);
    await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id);
    cleanups.push(async () => {
      for (const one of [importing, source]) await one.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
      // What was left on the other side would be in nobody's slot.
      for (const suffix of ['v', 'l', 'f']) {
        const pipeline = importing.pipeline().call('ASKING').call('DEL', `{${prefix}:${key}}:${suffix}`);
        await pipeline.exec();
      }
    });
    expect(await tier.get(key)).toEqual(value);
    // Absent on one side or the other: nothing of several keys runs, but nobody waits long, and the tier stays up.
    await expect(
      tier.acquire({ key: 'items:half', token: 'x', leaseMs: 500, rejected: value }),
    ).rejects.toMatchObject({
      code: 'STRATA_REMOTE_UNAVAILABLE',
      answered: true,
    });
    expect(await tier.fence([key], 'f', 60_000)).toHaveLength(1);
    expect(await tier.get(key)).toBeNull();
    expect(await tier.invalidate({ keys: [key], tags: ['half'], fenceId: 'f' })).toHaveLength(1);
    expect(await tier.get(key)).toBeNull();
    const page = await tier.poll(opened.cursor, []);
    expect(page).toMatchObject({ lost: false, epoch: opened.epoch });
    expect(page.records.map(({ keys }) => keys)).toEqual([[key], [key]]);
    expect(tier.state).toBe('ready');
  });

  it('follows the log onto another master, also while it stands half moved', async () => {
    const [one, two] = [
      createRedisTier(tierOptions({ cluster: { nodes: seeds(), logShards: 1 } })),
      createRedisTier(tierOptions({ cluster: { nodes: seeds(), logShards: 1 } })),
    ];
    for (const tier of [one, two]) {
      cleanups.push(() => tier.stop());
      tier.start({ wake: () => undefined, stateChanged: () => undefined });
      await until(() => tier.state === 'ready');
    }
    const opened = await one.poll(null, []);
    const log = `{${prefix}:#log:0}`;
    const [owner, slot] = [await ownerOf(log), keySlot(log)];
    const target = (await masters()).find(({ id }) => id !== owner.id)!;
    const [source, importing] = [client(owner.port), client(target.port)];
    await one.invalidate({ keys: ['items:1'], tags: [] });
    await importing.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', owner.id);
    await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id);
    await two.invalidate({ keys: ['items:2'], tags: [] });
    await source.call('MIGRATE', '127.0.0.1', target.port, log, 0, 2_000);
    await one.invalidate({ keys: ['items:3'], tags: [] });
    expect((await two.poll(opened.cursor, [])).records.map(({ keys }) => keys)).toEqual([
      ['items:1'],
      ['items:2'],
      ['items:3'],
    ]);
    await cluster.migrateSlot(slot, target.id);
    await one.invalidate({ keys: ['items:4'], tags: [] });
    const page = await two.poll(opened.cursor, []);
    expect(page).toMatchObject({ lost: false, complete: true, epoch: opened.epoch });
    expect(page.records).toHaveLength(4);
    await cluster.migrateSlot(slot, owner.id);
    expect((await one.poll(page.cursor, [])).lost).toBe(false);
  });

  it('a node with another number of log shards stays without the shared tier, and says why', async () => {
    const one = await node();
    const errors: unknown[] = [];
    const tier = createRedisTier(tierOptions({ cluster: { nodes: seeds(), logShards: 2 } }));
    cleanups.push(() => tier.stop());
    tier.start({ wake: () => undefined, stateChanged: () => undefined });
    await until(() => tier.state === 'ready');
    await tier.poll(null, []).catch((error: unknown) => errors.push(error));
    expect(errors).toMatchObject([{ message: expect.stringContaining('logShards is 2 here and 4') }]);
    expect(one.health().state).toBe('up');
  });

  it('wakes come again when the node that was listened to hangs up', async () => {
    const [one, two] = [await node(), await node()];
    const versions = { now: 0 };
    const read = (): Promise<number> => two.getOrSet('items', 'w', async () => versions.now);
    const staleness = async (): Promise<number> => {
      await read();
      versions.now++;
      await one.delete('items', 'w');
      return until(async () => (await read()) === versions.now);
    };
    const killed = await Promise.all(
      (await masters()).map(({ port }) => client(port).call('CLIENT', 'KILL', 'TYPE', 'pubsub')),
    );
    expect(killed.reduce<number>((sum, count) => sum + Number(count), 0)).toBeGreaterThan(1);
    // Polls alone come every 125 ms.
    await until(async () => {
      const all = [];
      for (let i = 0; i < 5; i++) all.push(await staleness());
      return Math.max(...all) < 60;
    }, 5_000);
  });

  describe('when nodes fail', () => {
    /** Kills a master as often as asked; the killed one returns as a replica at the end. */
    async function lose(master: ClusterNodeState): Promise<ClusterNodeHandle> {
      const victim = cluster.node(master.id)!;
      victim.kill('SIGKILL');
      cleanups.push(async () => {
        if (!(await cluster.topology()).find(({ id }) => id === master.id)!.alive) await victim.restart();
        await cluster.settled();
      });
      return victim;
    }
    const promoted = async (lost: ClusterNodeState): Promise<void> => {
      await until(async () => {
        const now = await masters();
        return now.length === 3 && now.every(({ id, slots }) => id !== lost.id && slots.length > 0);
      }, FAILOVER);
    };

    it('kill -9 of a master: no call fails or hangs, nothing is stale, back after the promotion', async () => {
      const [one, two] = [await node(), await node()];
      const work = business(one, two);
      await until(() => work.rounds() > 20);
      const [victim] = await masters();
      await lose(victim!);
      await until(() => one.health().state !== 'up', 2_000);
      await promoted(victim!);
      await Promise.all([serving(one, FAILOVER), serving(two, FAILOVER)]);
      const { failures, stale, slowest } = await work.settle();
      expect(failures).toEqual([]);
      expect(stale).toEqual([]);
      expect(slowest).toBeLessThan(CALL);
      await works(one, two);
    }, 90_000);

    it('a master that hangs is left for the promoted one, and does not come back into play when it goes on', async () => {
      const [one, two] = [await node(), await node()];
      const work = business(one, two);
      await until(() => work.rounds() > 20);
      const [victim] = await masters();
      const hung = cluster.node(victim!.id)!;
      hung.kill('SIGSTOP');
      cleanups.push(() => cluster.settled());
      cleanups.push(() => hung.kill('SIGCONT'));
      await promoted(victim!);
      await Promise.all([serving(one, FAILOVER), serving(two, FAILOVER)]);
      await works(one, two);
      hung.kill('SIGCONT');
      await cluster.settled();
      await works(one, two);
      const { failures, stale, slowest } = await work.settle();
      expect(failures).toEqual([]);
      expect(stale).toEqual([]);
      expect(slowest).toBeLessThan(CALL);
    }, 90_000);

    it.each(['kill -9', 'force'] as const)(
      'what was invalidated and not replicated is not served after a failover (%s)',
      async (how) => {
        const [one, two] = [await node(), await node()];
        const [victim] = await masters();
        const ids = await idsOn(victim!.id, 20);
        for (const id of ids) await one.getOrSet('shared', id, async () => 1);
        const server = client(victim!.port);
        await server.wait(1, 5_000);
        // The replica may not come back, and holds what it has.
        await server.config('SET', 'requirepass', 'not-for-replicas');
        cleanups.push(() => server.config('SET', 'requirepass', '').catch(() => undefined)); // killed: it has none
        await server.call('CLIENT', 'KILL', 'TYPE', 'replica');
        const { acknowledged } = await one.invalidate({
          keys: ids.map((id) => ({ namespace: 'shared', id })),
        });
        expect(acknowledged).toBe(true);
        const seen = new Set<unknown>();
        let watching = true;
        const watch = (async () => {
          while (watching) {
            for (const cache of [one, two])
              for (const id of ids.slice(0, 5)) seen.add(await cache.get('shared', id));
            await sleep(1);
          }
        })();
        if (how === 'kill -9') await lose(victim!);
        else {
          cleanups.push(() => cluster.settled());
          await cluster.failover(victim!.id, { mode: 'force' });
        }
        await promoted(victim!);
        await Promise.all([serving(one, FAILOVER), serving(two, FAILOVER)]);
        watching = false;
        await watch;
        expect([...seen]).toEqual([undefined]);
        // They are there: what keeps them from being served is the guard.
        const [id] = ids;
        const heir = client((await ownerOf(entryKey(id!))).port);
        expect(await heir.exists(entryKey(id!))).toBe(1);
        for (const cache of [one, two])
          expect(await cache.getOrSet('shared', ids[7]!, async () => 2)).toBe(2);
        await works(one, two);
      },
      90_000,
    );

    it('a failover asked for by an operator loses nothing', async () => {
      const [one, two] = [await node(), await node()];
      const work = business(one, two);
      await until(() => work.rounds() > 20);
      const [victim] = await masters();
      cleanups.push(() => cluster.settled());
      await cluster.failover(victim!.id);
      await promoted(victim!);
      await Promise.all([serving(one, FAILOVER), serving(two, FAILOVER)]);
      const { failures, stale, slowest } = await work.settle();
      expect(failures).toEqual([]);
      expect(stale).toEqual([]);
      expect(slowest).toBeLessThan(CALL);
      await works(one, two);
    }, 90_000);

    it('all of it away: calls go to the source; when it returns, nodes join again', async () => {
      const [one, two] = [await node(), await node()];
      for (const server of cluster.nodes) server.kill('SIGKILL');
      await until(() => one.health().state !== 'up' && two.health().state !== 'up', 2_000);
      expect(await one.getOrSet('shared', 'x', async () => 'from the source')).toBe('from the source');
      await Promise.all(cluster.nodes.map((server) => server.restart()));
      await cluster.settled();
      await Promise.all([serving(one, FAILOVER), serving(two, FAILOVER)]);
      await works(one, two);
    }, 90_000);
  });
});
