/** One node of the stampede: 250 callers ask for one cold key at the same moment. */
import { setTimeout as sleep } from 'node:timers/promises';
import { importEngine } from '../contenders/strata.mjs';
import { makeValue } from '../harness/loop.mjs';

const TTL_MS = 60_000;
let loads = 0;
let read;
let loaderMs = 0;

async function load() {
  loads++;
  const startedAt = performance.now();
  await sleep(100);
  loaderMs = performance.now() - startedAt;
  return makeValue(0);
}

/** Each loads only what it measures: 24 processes start. */
const makers = {
  strata: async ({ build, redisUrl }) => {
    const { TieredCache, createRedisTier } = await importEngine(build);
    const remote = createRedisTier({ url: redisUrl, prefix: 'stampede' });
    const cache = new TieredCache({ prefix: 'stampede', namespaces: { n: { ttl: TTL_MS } }, remote }).start();
    while (!cache.health().l1.serving) await sleep(5);
    return (key) => cache.getOrSet('n', key, load);
  },
  'raw ioredis': async ({ redisUrl }) => {
    const { Redis } = await import('ioredis');
    const redis = new Redis(redisUrl);
    return async (key) => {
      const text = await redis.get(key);
      if (text !== null) return JSON.parse(text);
      const value = await load();
      await redis.set(key, JSON.stringify(value), 'PX', TTL_MS);
      return value;
    };
  },
  'cache-manager': async ({ redisUrl }) => {
    const { createCache } = await import('cache-manager');
    const { default: KeyvRedis } = await import('@keyv/redis');
    const { Keyv } = await import('keyv');
    const stores = [new Keyv(), new Keyv({ store: new KeyvRedis(redisUrl) })];
    const cache = createCache({ stores, ttl: TTL_MS });
    return (key) => cache.wrap(key, load);
  },
  cacheable: async ({ redisUrl }) => {
    const { Cacheable } = await import('cacheable');
    const { default: KeyvRedis } = await import('@keyv/redis');
    const { Keyv } = await import('keyv');
    const cache = new Cacheable({ secondary: new Keyv({ store: new KeyvRedis(redisUrl) }), ttl: TTL_MS });
    return (key) => cache.getOrSet(key, load);
  },
  bentocache: async ({ redisUrl }) => {
    const { BentoCache, bentostore } = await import('bentocache');
    const { memoryDriver } = await import('bentocache/drivers/memory');
    const { redisBusDriver, redisDriver } = await import('bentocache/drivers/redis');
    const { hostname: host, port } = new URL(redisUrl);
    const connection = { host, port: Number(port) };
    const store = bentostore()
      .useL1Layer(memoryDriver({}))
      .useL2Layer(redisDriver({ connection }))
      .useBus(redisBusDriver({ connection }));
    const cache = new BentoCache({ default: 'tiered', stores: { tiered: store } });
    return (key) => cache.getOrSet({ key, factory: load, ttl: TTL_MS });
  },
  'async-cache-dedupe': async ({ redisUrl }) => {
    const { createCache: createDedupe } = await import('async-cache-dedupe');
    const { Redis } = await import('ioredis');
    const cache = createDedupe({
      ttl: 60,
      storage: { type: 'redis', options: { client: new Redis(redisUrl) } },
    });
    cache.define('one', load);
    return (key) => cache.one(key);
  },
};

async function serve(request) {
  if (request.setup) {
    read = await makers[request.setup](request);
    // The first command of a connection is slow; nobody starts cold in a stampede.
    await read(`warm-${process.pid}`);
    process.send({ ready: true });
    return;
  }
  loads = 0;
  await sleep(request.at - Date.now());
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: request.callers }, () => read(request.key)));
  process.send({ loads, wallMs: performance.now() - startedAt, loaderMs });
}

process.on('message', (request) => void serve(request));
process.on('disconnect', () => process.exit(0));
