/** @nestjs/cache-manager in a Nest application: what `@Inject(CACHE_MANAGER)` hands out. */
import 'reflect-metadata';
import { CACHE_MANAGER, CacheModule } from '@nestjs/cache-manager';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { peerPaths } from './peer-paths.mjs';

const TTL_MS = 3_600_000;

export async function setup(context) {
  class App {}
  Module({ imports: [CacheModule.register({ ttl: TTL_MS })] })(App);
  const app = await NestFactory.createApplicationContext(App, { logger: false });
  return peerPaths(context, {
    cacheOf: () => app.get(CACHE_MANAGER),
    getOrSet: 'cache.wrap(id, () => load(id))',
    get: 'cache.get(id)',
    set: (cache, id, value) => cache.set(id, value),
    close: () => app.close(),
  });
}
