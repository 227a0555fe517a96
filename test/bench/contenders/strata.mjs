/** The product, as it was built; the folder of the build comes with the context. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { makeIds, makeValue } from '../harness/loop.mjs';
import { LOADERS, decoratedPaths, numberOf, serviceClass } from './map.mjs';
import { BATCH_PATHS, fill, L2_IDS, LISTS, SMALL_L1, tieredPaths } from './two-tiers.mjs';

const TTL_MS = 3_600_000;

export const importEngine = (build) => importBuilt(build, 'dist/libs/tiered-cache/src/index.js');
export const importBuilt = (build, file) => import(pathToFileURL(join(build, file)).href);

export async function setup(context) {
  const { suite } = context;
  if (suite === 'decorator' || suite === 'decorator-allocation') return setupDecorated(context);
  if (suite === 'tiered' || suite === 'batch') return setupTiered(context);
  return setupL1(context);
}

/** L1: embedded, or in front of Redis when there is a `redisUrl`. */
async function setupL1({ suite, build, redisUrl, byName = false, size = 1024, tags = 0 }) {
  const { TieredCache, createRedisTier } = await importEngine(build);
  const ids = makeIds(size);
  const prefix = `bench-${suite}`;
  const cache = new TieredCache({
    prefix,
    l1: { maxEntries: Math.max(2048, size), maxBytes: 4e9 },
    namespaces: { n: { ttl: TTL_MS } },
    remote: redisUrl && createRedisTier({ url: redisUrl, prefix }),
  }).start();
  while (!cache.health().l1.serving) await sleep(5);
  const namespace = cache.namespace('n');
  const load = ({ id }) => makeValue(numberOf(id));
  const options = tags === 0 ? undefined : { tags: Array.from({ length: tags }, (_, i) => `tag:${i}`) };
  for (const id of ids) await namespace.getOrSet(id, load, options);
  const scope = { cache, namespace, load };
  const hit = { call: byName ? "cache.getOrSet('n', id, load)" : 'namespace.getOrSet(id, load)', scope, ids };
  const peek = { call: 'namespace.peek(id)', scope, ids, kind: 'sync' };
  const close = () => cache.close();
  switch (suite) {
    case 'l1':
      return { close, paths: { 'peek hit': peek, 'fill at capacity': churn(TieredCache) } };
    case 'growth':
      return {
        close,
        paths: { [`peek hit, ${size} entries`]: peek, [`getOrSet L1 hit, ${size} entries`]: hit },
      };
    case 'growth-tags': {
      let invalidations = 0;
      // Every turn begins with an invalidation that concerns none of them: vectors are compared once more.
      const before = () => cache.deleteByTag(`other:${invalidations++}`);
      return { close, paths: { [`getOrSet L1 hit, ${tags} tags`]: { ...hit, before } } };
    }
    case 'api':
      return {
        close,
        paths: {
          'getOrSet L1 hit': hit,
          'get L1 hit': { call: byName ? "cache.get('n', id)" : 'namespace.get(id)', scope, ids },
        },
      };
    case 'allocation':
      return { close, paths: { 'allocation per L1 hit': { ...hit, allocation: true } } };
    default:
      throw new Error(suite);
  }
}

function churn(TieredCache) {
  const cache = new TieredCache({ l1: { maxEntries: 1024 }, namespaces: { n: { ttl: TTL_MS } } }).start();
  const scope = { namespace: cache.namespace('n'), load: () => makeValue(0) };
  return { call: "namespace.getOrSet('new' + i, load)", scope, expected: (n) => n };
}

/** A service in a Nest application, as users have it. */
async function setupDecorated({ suite, build, redisUrl }) {
  const require = createRequire(join(build, 'package.json'));
  await import(pathToFileURL(require.resolve('reflect-metadata')).href);
  const { Injectable, Module } = await import(pathToFileURL(require.resolve('@nestjs/common')).href);
  const { NestFactory } = await import(pathToFileURL(require.resolve('@nestjs/core')).href);
  const { CacheModule, Cacheable } = await importBuilt(build, 'dist/src/index.js');

  const Service = serviceClass();
  decorate(Service, () => Cacheable({ ttl: TTL_MS }));
  Injectable()(Service);
  const redis = redisUrl && { prefix: `bench-${suite}`, redis: { url: redisUrl } };
  class App {}
  Module({ imports: [CacheModule.forRoot({ l1: { maxEntries: 20_000 }, ...redis })], providers: [Service] })(
    App,
  );
  const app = await NestFactory.createApplicationContext(App, { logger: false });
  const paths = decoratedPaths(app.get(Service), makeIds());
  const close = () => app.close();
  if (suite === 'decorator') return { close, paths };
  return {
    close,
    paths: { 'allocation per L1 hit': { ...paths['decorator hit, 1 argument'], allocation: true } },
  };
}

/** Without the syntax of decorators, which plain JavaScript has not. */
export function decorate(type, decorator) {
  for (const name of Object.keys(LOADERS)) {
    const descriptor = Object.getOwnPropertyDescriptor(type.prototype, name);
    const made = decorator(name)(type.prototype, name, descriptor) ?? descriptor;
    Object.defineProperty(type.prototype, name, made);
  }
}

async function setupTiered({ suite, build, redisUrl, options }) {
  const { TieredCache, createRedisTier } = await importEngine(build);
  const make = async (maxEntries) => {
    const cache = new TieredCache({
      prefix: 'bench',
      l1: { maxEntries },
      namespaces: { n: { ttl: TTL_MS, ...options } },
      remote: createRedisTier({ url: redisUrl, prefix: 'bench', commandTimeout: 5_000 }),
    }).start();
    while (!cache.health().l1.serving) await sleep(5);
    return cache;
  };
  const small = await make(SMALL_L1);
  const large = suite === 'batch' ? await make(20_000) : null;
  const close = () => Promise.all([small.close(), large?.close()]);
  const load = ({ id }) => makeValue(numberOf(id));
  const namespace = small.namespace('n');
  await fill(L2_IDS, (id) => namespace.getOrSet(id, load));
  if (suite === 'batch') {
    const whole = large.namespace('n');
    for (const list of LISTS) await whole.getMany(list);
    return {
      close,
      paths: {
        'getMany 100, L2': { ...BATCH_PATHS.l2, call: 'namespace.getMany(id)', scope: { namespace } },
        'getMany 100, L1': { ...BATCH_PATHS.l1, call: 'namespace.getMany(id)', scope: { namespace: whole } },
      },
    };
  }
  const loadNew = () => makeValue(0);
  return {
    close,
    paths: tieredPaths({
      hit: 'namespace.getOrSet(id, load)',
      miss: "namespace.getOrSet('new' + i, loadNew)",
      scope: { namespace, load, loadNew },
    }),
  };
}
