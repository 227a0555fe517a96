/** bentocache: memory, or memory of 64 entries before Redis with its bus. */
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis';
import { peerPaths } from './peer-paths.mjs';

const TTL_MS = 3_600_000;

export async function setup(context) {
  const cacheOf = (l1) => {
    let store = bentostore().useL1Layer(memoryDriver({ maxItems: l1 ?? 20_000 }));
    if (context.redisUrl !== undefined) {
      const { hostname: host, port } = new URL(context.redisUrl);
      const connection = { host, port: Number(port) };
      store = store.useL2Layer(redisDriver({ connection })).useBus(redisBusDriver({ connection }));
    }
    return new BentoCache({ default: 'tiered', stores: { tiered: store } });
  };
  return peerPaths(context, {
    cacheOf,
    getOrSet: 'cache.getOrSet({ key: id, factory: () => load(id), ttl: 3600000 })',
    get: 'cache.get({ key: id })',
    miss: "cache.getOrSet({ key: 'new' + i, factory: loadNew, ttl: 3600000 })",
    set: (cache, id, value) => cache.set({ key: id, value, ttl: TTL_MS }),
    // It reads one at a time.
    getMany: 'Promise.all(id.map((key) => cache.get({ key })))',
    consumeMany: 'for (const one of value) sum += one.price;',
    close: (cache) => cache.disconnect(),
  });
}
