/** Three masters, each with a replica. Faults that hurt one server hurt a master chosen at random. */
import { startCluster } from '../../../apps/services/index.mjs';
import { withClient } from './admin.mjs';

export async function cluster({ boundMs, random, signal }) {
  // A failover must not be quicker than the bound: what a dead master has told is believed for so long.
  const redis = await startCluster({ debug: true, nodeTimeoutMs: Math.max(1_000, 2 * boundMs), signal });
  const masters = async () =>
    (await redis.topology()).filter(
      ({ role, alive, slots }) => role === 'master' && alive && slots.length > 0,
    );
  const primary = async () => redis.node(random.pick(await masters()).id);

  return {
    name: 'cluster',
    proxies: [],
    tierOptions: () => ({ cluster: { nodes: redis.nodes.map(({ host, port }) => ({ host, port })) } }),
    admin: async (use) => withClient((await primary()).port, use),
    primary,
    masters,
    settled: () => redis.settled(),
    failover: (id, how) => redis.failover(id, how),
    migrateSlot: (slot, toId, how) => redis.migrateSlot(slot, toId, how),
    /** A slot in which there are keys, and its master. */
    async usedSlot() {
      const from = random.pick(await masters());
      return withClient(from.port, async (client) => {
        const key = await client.randomkey();
        return { from, slot: key === null ? undefined : await client.cluster('KEYSLOT', key) };
      });
    },
    async stop() {
      for (const server of redis.nodes) server.kill('SIGCONT'); // a stopped server does not hear that it shall end
      await redis.stop();
    },
  };
}
