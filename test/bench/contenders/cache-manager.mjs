/** cache-manager 7 over Keyv: memory, or an LRU of 64 entries before Redis. */
import KeyvRedis from '@keyv/redis';
import { createCache } from 'cache-manager';
import { createKeyv } from 'cacheable';
import { Keyv } from 'keyv';
import { peerPaths } from './peer-paths.mjs';

const TTL_MS = 3_600_000;

export async function setup(context) {
  const cacheOf = (l1) => {
    // Alone, the memory it has by itself: any Keyv given to it serialises, which costs it five times as much.
    if (context.redisUrl === undefined) return createCache({ ttl: TTL_MS });
    const stores = [
      createKeyv({ lruSize: l1, ttl: TTL_MS }),
      new Keyv({ store: new KeyvRedis(context.redisUrl), namespace: 'cm', useKeyPrefix: false }),
    ];
    return createCache({ stores, ttl: TTL_MS });
  };
  return peerPaths(context, {
    cacheOf,
    getOrSet: 'cache.wrap(id, () => load(id))',
    get: 'cache.get(id)',
    miss: "cache.wrap('new' + i, loadNew)",
    set: (cache, id, value) => cache.set(id, value),
    getMany: 'cache.mget(id)',
    consumeMany: 'for (const one of value) sum += one.price;',
    close: (cache) => cache.disconnect(),
  });
}
