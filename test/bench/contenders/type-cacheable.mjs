/** type-cacheable with its lru-cache adapter. */
import { Cacheable } from '@type-cacheable/core';
import { useAdapter } from '@type-cacheable/lru-cache-adapter';
import { LRUCache } from 'lru-cache';
import { makeIds } from '../harness/loop.mjs';
import { decoratedPaths, serviceClass } from './map.mjs';
import { decorate } from './strata.mjs';

export async function setup() {
  useAdapter(new LRUCache({ max: 20_000, ttl: 3_600_000 }));
  const Service = serviceClass();
  decorate(Service, (name) =>
    Cacheable({
      cacheKey: (args) => `${name}:${args.length === 0 ? '' : JSON.stringify(args)}`,
      ttlSeconds: 3_600,
    }),
  );
  return { paths: decoratedPaths(new Service(), makeIds()) };
}
