/** cacheable 2: its own memory, and Keyv for Redis behind it. */
import KeyvRedis from '@keyv/redis';
import { Cacheable, createKeyv } from 'cacheable';
import { Keyv } from 'keyv';
import { peerPaths } from './peer-paths.mjs';

const TTL_MS = 3_600_000;

export async function setup(context) {
  const cacheOf = (l1) =>
    new Cacheable({
      primary: createKeyv(l1 === undefined ? { ttl: TTL_MS } : { lruSize: l1, ttl: TTL_MS }),
      ...(context.redisUrl === undefined
        ? {}
        : {
            secondary: new Keyv({
              store: new KeyvRedis(context.redisUrl),
              namespace: 'ca',
              useKeyPrefix: false,
            }),
          }),
      ttl: TTL_MS,
    });
  return peerPaths(context, {
    cacheOf,
    getOrSet: 'cache.getOrSet(id, () => load(id))',
    get: 'cache.get(id)',
    miss: "cache.getOrSet('new' + i, loadNew)",
    set: (cache, id, value) => cache.set(id, value),
    getMany: 'cache.getMany(id)',
    consumeMany: 'for (const one of value) sum += one.price;',
    close: (cache) => cache.disconnect(),
  });
}
