/** @node-ts-cache with its memory storage. */
import { Cache, ExpirationStrategy, MemoryStorage } from '@node-ts-cache/core';
import { makeIds } from '../harness/loop.mjs';
import { decoratedPaths, serviceClass } from './map.mjs';
import { decorate } from './strata.mjs';

export async function setup() {
  const strategy = new ExpirationStrategy(new MemoryStorage());
  const Service = serviceClass();
  decorate(Service, () => Cache(strategy, { ttl: 3_600 }));
  return { paths: decoratedPaths(new Service(), makeIds()) };
}
