/**
 * A master, a replica and three sentinels. The replica can be led through a proxy, so that a failover loses the tail
 * of what the master has answered.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startReplicated } from '../../../apps/services/index.mjs';
import { startProxy } from '../../support/tcp-proxy.mjs';
import { withClient } from './admin.mjs';

const FAILOVER_WITHIN_MS = 45_000;

export async function sentinel({ boundMs, detour = false, signal }) {
  const proxies = [];
  const redis = await startReplicated({
    sentinels: 3,
    debug: true,
    // A failover must not be quicker than the bound: what a dead master has told is believed for so long.
    downAfterMs: Math.max(1_000, 2 * boundMs),
    // The sentinels correct a replica that follows a proxy only after so long; a vote that failed is held again after twice that.
    failoverTimeoutMs: detour ? 8_000 : 5_000,
    signal,
  });
  const data = [redis.master, ...redis.replicas];
  let current = redis.master;
  const primary = async () => (current = (await redis.currentMaster()) ?? current);

  return {
    name: 'sentinel',
    proxies: [],
    tierOptions: () => ({
      sentinels: redis.sentinels.map(({ host, port }) => ({ host, port })),
      sentinelName: redis.name,
    }),
    admin: async (use) => withClient((await primary()).port, use),
    primary,
    inSync: () => redis.inSync(),
    /** Leads the replicas through a proxy of their own; @returns it and the master. */
    async replicateVia() {
      const master = await primary();
      const proxy = await startProxy({ to: master.port });
      proxies.push(proxy);
      for (const replica of data.filter((one) => one !== master))
        await withClient(replica.port, (client) => client.replicaof('127.0.0.1', proxy.port));
      await redis.inSync();
      return { proxy, master };
    },
    /** The others than the master take no writes for so long, whatever they become. */
    pauseWrites: (master, ms) =>
      Promise.all(
        data
          .filter((one) => one !== master)
          .map(({ port }) => withClient(port, (client) => client.client('PAUSE', ms, 'WRITE'))),
      ),
    /** Resolves when the sentinels name another master, and it says so itself. */
    async failedOver(old) {
      const until = performance.now() + FAILOVER_WITHIN_MS;
      while (performance.now() < until) {
        const now = await redis.currentMaster();
        if (now !== undefined && now !== old) {
          const [role] = await withClient(now.port, (client) => client.role()).catch(() => [undefined]); // not yet
          if (role === 'master') return now;
        }
        await sleep(50, undefined, { signal });
      }
      throw new Error('the sentinels did not fail over');
    },
    async stop() {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
      for (const server of data) server.kill('SIGCONT'); // a stopped server does not hear that it shall end
      await redis.stop();
    },
  };
}
