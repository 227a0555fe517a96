/**
 * Four questions to two-tier caches, two instances of each over one Redis (docs/comparison.md):
 * does an old value come back when an invalidation meets a running load, how often does a cold key load, what does
 * the other instance answer after a write, and how long do five reads take while Redis hangs?
 *
 *   npm run build && npm install --prefix test/bench && node test/bench/correctness.mjs
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import KeyvRedis from '@keyv/redis';
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis';
import { createCache } from 'cache-manager';
import { Cacheable } from 'cacheable';
import Redis from 'ioredis';
import { Keyv } from 'keyv';
import { startRedis } from '../../apps/services/index.mjs';
import { TieredCache, createRedisTier } from '../../dist/libs/tiered-cache/src/index.js';

const TTL_MS = 60_000;
const SETTLE_MS = 700;
const LONGEST_WAIT_MS = 3_000;

const version = (name) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;

const makers = (url) => {
  const connection = { host: new URL(url).hostname, port: Number(new URL(url).port) };
  return {
    'cache-manager, Keyv memory + Keyv Redis': () => {
      const cache = createCache({
        stores: [new Keyv(), new Keyv({ store: new KeyvRedis(url) })],
        ttl: TTL_MS,
      });
      return {
        get: (key, load) => cache.wrap(key, load),
        drop: (key) => cache.del(key),
        close: () => cache.disconnect(),
      };
    },
    'cacheable, Keyv memory + Keyv Redis': () => {
      const cache = new Cacheable({ primary: new Keyv(), secondary: new KeyvRedis(url), ttl: TTL_MS });
      return {
        get: (key, load) => cache.getOrSet(key, load),
        drop: (key) => cache.delete(key),
        close: () => cache.disconnect(),
      };
    },
    'bentocache, memory + Redis + bus': () => {
      const store = bentostore()
        .useL1Layer(memoryDriver({}))
        .useL2Layer(redisDriver({ connection }))
        .useBus(redisBusDriver({ connection }));
      const cache = new BentoCache({ default: 'tiered', stores: { tiered: store } });
      return {
        get: (key, load) => cache.getOrSet({ key, factory: load, ttl: TTL_MS }),
        drop: (key) => cache.delete({ key }),
        close: () => cache.disconnect(),
      };
    },
    strata: () => {
      const remote = createRedisTier({ url, prefix: 'compare' });
      const cache = new TieredCache({
        prefix: 'compare',
        namespaces: { n: { ttl: TTL_MS } },
        remote,
      }).start();
      return {
        get: (key, load) => cache.getOrSet('n', key, load),
        drop: (key) => cache.delete('n', key),
        close: () => cache.close(),
      };
    },
  };
};

/** One instance loads while the other invalidates: what do both answer afterwards? */
async function race(one, other) {
  let stored = 'old';
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  const reading = one.get('race', async () => {
    const read = stored;
    await gate;
    return read;
  });
  await sleep(50);
  stored = 'new';
  await other.drop('race');
  open();
  await reading;
  await sleep(SETTLE_MS);
  return `${await one.get('race', async () => stored)} / ${await other.get('race', async () => stored)}`;
}

async function stampede(one, other) {
  let loads = 0;
  const load = async () => {
    loads++;
    await sleep(100);
    return 1;
  };
  await Promise.all(Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? one : other).get('cold', load)));
  return loads;
}

async function elsewhere(one, other) {
  let stored = 'old';
  for (const cache of [one, other]) await cache.get('write', async () => stored);
  stored = 'new';
  await one.drop('write');
  await sleep(SETTLE_MS);
  return other.get('write', async () => stored);
}

async function hung(one, redis) {
  redis.kill('SIGSTOP');
  const startedAt = performance.now();
  let answered = 0;
  for (let i = 0; i < 5; i++) {
    const read = one
      .get(`hung-${i}`, async () => 1)
      .then(
        () => true,
        () => false,
      );
    if (await Promise.race([read, sleep(LONGEST_WAIT_MS, false)])) answered++;
  }
  const ms = Math.round(performance.now() - startedAt);
  redis.kill('SIGCONT');
  return answered === 5 ? `${ms} ms` : `${answered} of 5 within ${LONGEST_WAIT_MS} ms each`;
}

const redis = await startRedis({});
const admin = new Redis(redis.url);
console.log(
  ['cache-manager', 'cacheable', 'bentocache', 'ioredis']
    .map((name) => `${name} ${version(name)}`)
    .join(', '),
  process.version,
);
for (const [name, make] of Object.entries(makers(redis.url))) {
  await admin.flushall();
  const [one, other] = [make(), make()];
  await sleep(SETTLE_MS);
  const row = {
    raceAnswers: await race(one, other),
    coldLoads: await stampede(one, other),
    otherAfterWrite: await elsewhere(one, other),
    hungRedis: await hung(one, redis),
  };
  console.log(name, JSON.stringify(row));
  await sleep(SETTLE_MS);
  await Promise.race([Promise.allSettled([one.close(), other.close()]), sleep(LONGEST_WAIT_MS)]);
}
admin.disconnect();
await redis.stop();
process.exit(0);
