/** async-cache-dedupe: one function per cached question; it takes one argument, so several go in an object. */
import { createCache } from 'async-cache-dedupe';
import { Redis } from 'ioredis';
import { makeIds, makeValue } from '../harness/loop.mjs';
import { LOADERS, decoratedPaths, numberOf } from './map.mjs';
import { fill, L2_IDS, tieredPaths } from './two-tiers.mjs';

const TTL_S = 3_600;

export async function setup({ suite, redisUrl }) {
  const ids = makeIds();
  if (suite === 'tiered') return setupRedis(redisUrl);
  const cache = createCache({ ttl: TTL_S, storage: { type: 'memory', options: { size: 20_000 } } });
  cache.define('find', async (symbol) => LOADERS.find(symbol));
  cache.define('all', async () => LOADERS.all());
  cache.define('several', async ({ symbol }) => LOADERS.find(symbol));
  const service = {
    find: (symbol) => cache.find(symbol),
    all: () => cache.all(),
    two: (symbol, days) => cache.several({ symbol, days }),
    three: (symbol, days, flag) => cache.several({ symbol, days, flag }),
    query: (query) => cache.several(query),
  };
  for (const id of ids) await cache.find(id);
  if (suite === 'decorator') return { paths: decoratedPaths(service, ids) };
  const hit = { call: 'cache.find(id)', scope: { cache }, ids };
  if (suite === 'allocation') return { paths: { 'allocation per L1 hit': { ...hit, allocation: true } } };
  return { paths: { 'getOrSet L1 hit': hit } };
}

async function setupRedis(redisUrl) {
  const client = new Redis(redisUrl);
  const cache = createCache({ ttl: TTL_S, storage: { type: 'redis', options: { client } } });
  cache.define('find', async (id) => makeValue(id.startsWith('new') ? 0 : numberOf(id)));
  await fill(L2_IDS, (id) => cache.find(id));
  return {
    close: async () => client.disconnect(),
    paths: tieredPaths({ hit: 'cache.find(id)', miss: "cache.find('new' + i)", scope: { cache } }),
  };
}
