import { Cluster, Redis } from 'ioredis';
import { startCluster, startReplicated, type ClusterHandle } from '../../apps/services/index.mjs';
import { createRedisTier, TieredCache } from '../../libs/tiered-cache/src/index.js';
import { until } from '../conformance/until.js';
import { describeWithRedis } from '../support/services.js';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.mjs';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
}, 30_000);

function client(port: number): Redis {
  const made = new Redis({ host: '127.0.0.1', port });
  made.on('error', () => undefined); // servers die in these tests
  cleanups.push(() => made.disconnect());
  return made;
}

describeWithRedis('a master with replicas and sentinels', () => {
  it('fails over, and takes the former master back as a replica when it is started again', async () => {
    const group = await startReplicated({ downAfterMs: 1_000 });
    cleanups.push(() => group.stop());
    expect(await group.currentMaster()).toBe(group.master);
    const { pid } = group.master;
    group.master.kill();
    await until(async () => (await group.currentMaster()) === group.replicas[0], 20_000);
    await group.master.restart();
    expect(group.master.pid).not.toBe(pid);
    await group.inSync();
    // A starved machine may look like another failure: who is master now is the sentinels' word.
    const now = (await group.currentMaster())!;
    const other = now === group.master ? group.replicas[0]! : group.master;
    const [role, host, port] = await client(other.port).role();
    expect([role, host, port]).toEqual(['slave', '127.0.0.1', now.port]);
  }, 60_000);

  it('with a proxy between: a promoted replica lacks what was swallowed, and is known by its own port', async () => {
    let line: TcpProxy | undefined;
    const group = await startReplicated({
      downAfterMs: 300,
      replicaVia: async (to) => (line = await startProxy({ to })).port,
    });
    cleanups.push(
      () => group.stop(),
      () => line?.stop(),
    );
    const master = client(group.master.port);
    await master.set('before', 1);
    await group.inSync();
    line!.drop();
    await master.set('lost', 1);
    expect(line!.connections).toBe(1);
    group.master.kill();
    await until(async () => (await group.currentMaster()) === group.replicas[0], 20_000);
    const promoted = client(group.replicas[0]!.port);
    expect(await promoted.mget('before', 'lost')).toEqual(['1', null]);
    expect((await promoted.role())[0]).toBe('master');
  }, 60_000);

  it('min-replicas-to-write: a master without its replica refuses invalidations, and business goes on', async () => {
    let line: TcpProxy | undefined;
    const group = await startReplicated({
      args: ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '1'],
      replicaVia: async (to) => (line = await startProxy({ to })).port,
    });
    const cache = new TieredCache({
      prefix: 'cutoff',
      remote: createRedisTier({ prefix: 'cutoff', url: group.master.url }),
      namespaces: { items: { ttl: '1m' } },
    });
    cleanups.push(
      () => group.stop(),
      () => line?.stop(),
      () => cache.close(),
    );
    cache.start();
    await until(() => cache.health().l1.serving);
    const acknowledged = async (): Promise<boolean> => (await cache.delete('items', 'a')).acknowledged;
    await until(acknowledged);
    line!.drop();
    await until(async () => !(await acknowledged()), 10_000);
    expect(cache.health().pendingInvalidations).toBeGreaterThan(0);
    expect(await cache.getOrSet('items', 'a', async () => 'new')).toBe('new');
    await line!.mend();
    await until(acknowledged, 20_000);
    await until(() => cache.health().pendingInvalidations === 0, 10_000);
  }, 60_000);
});

describeWithRedis('a cluster', () => {
  let cluster: ClusterHandle;
  beforeAll(async () => {
    cluster = await startCluster();
  }, 60_000);
  afterAll(() => cluster?.stop(), 30_000);

  async function ownerOf(slot: number): Promise<string> {
    const owner = (await cluster.topology()).find(({ slots }) =>
      slots.some(([first, last]) => first <= slot && slot <= last),
    );
    return owner!.id;
  }

  it('has three masters with a replica each, which clients see', async () => {
    const topology = await cluster.topology();
    const masters = topology.filter(({ role }) => role === 'master');
    expect(masters).toHaveLength(3);
    for (const { id } of masters) expect(topology.filter(({ masterId }) => masterId === id)).toHaveLength(1);
    expect(cluster.nodes.slice(0, 3).every(({ role }) => role === 'master')).toBe(true);
    expect(Math.max(...cluster.nodes.map(({ port }) => port))).toBeLessThan(55_000);
  });

  it('moves a slot with its keys while a client reads and writes them', async () => {
    const app = new Cluster([{ host: '127.0.0.1', port: cluster.nodes[0]!.port }]);
    cleanups.push(() => app.disconnect());
    const names = Array.from({ length: 35 }, (_, i) => `{moving}:${i}`);
    for (const name of names) await app.set(name, name);
    const slot = await app.cluster('KEYSLOT', '{moving}');
    const from = await ownerOf(slot);
    const to = cluster.nodes.find(({ id, role }) => role === 'master' && id !== from)!.id;
    let moved = false;
    const moving = cluster.migrateSlot(slot, to, { pauseMs: 30 }).then(() => (moved = true));
    while (!moved) for (const name of names) expect(await app.get(name)).toBe(name);
    await moving;
    expect(await ownerOf(slot)).toBe(to);
    await cluster.settled();
  }, 60_000);

  it('fails over on request, and by itself when a master dies, which comes back as a replica', async () => {
    const first = (await cluster.topology()).find(({ role }) => role === 'master')!;
    for (const mode of [undefined, 'force', 'takeover'] as const) {
      const master = await ownerOf(first.slots[0]![0]);
      const next = await cluster.failover(master, { mode });
      expect(next).not.toBe(master);
      await until(async () => (await ownerOf(first.slots[0]![0])) === next, 10_000);
      await cluster.settled();
    }
    const master = cluster.node(await ownerOf(first.slots[0]![0]))!;
    master.kill();
    await until(async () => (await ownerOf(first.slots[0]![0])) !== master.id, 20_000);
    await cluster.settled();
    await master.restart();
    await cluster.settled();
    expect((await cluster.topology()).find(({ id }) => id === master.id)).toMatchObject({
      role: 'replica',
      alive: true,
    });
  }, 90_000);
});
