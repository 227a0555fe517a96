/** Heap per entry: fill a cache with small entries, collect, and compare with before. Needs --expose-gc. */
import { LRUCache } from 'lru-cache';
import { importEngine } from '../contenders/strata.mjs';
import { makeValue } from '../harness/loop.mjs';
import { answer } from './answer.mjs';

const TTL_MS = 3_600_000;

const makers = {
  Map: async (entries) => {
    const map = new Map();
    return { fill: (i) => void map.set(`AAPL:${i}`, makeValue(i)), size: () => map.size, entries };
  },
  'lru-cache, ttl': async (entries) => {
    const cache = new LRUCache({ max: entries, ttl: TTL_MS });
    return { fill: (i) => void cache.set(`AAPL:${i}`, makeValue(i)), size: () => cache.size };
  },
  'lru-cache, ttl and maxSize': async (entries) => {
    const cache = new LRUCache({ max: entries, maxSize: 4e9, sizeCalculation: () => 256, ttl: TTL_MS });
    return { fill: (i) => void cache.set(`AAPL:${i}`, makeValue(i)), size: () => cache.size };
  },
  strata: async (entries, build) => {
    const { TieredCache } = await importEngine(build);
    const cache = new TieredCache({
      l1: { maxEntries: entries, maxBytes: 16e9 },
      namespaces: { n: { ttl: TTL_MS } },
    }).start();
    const namespace = cache.namespace('n');
    return {
      fill: (i) => namespace.getOrSet(`AAPL:${i}`, () => makeValue(i)),
      size: () => cache.stats().tiers.l1.entries,
    };
  },
};

function used() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

answer(async ({ contender, entries, build }) => {
  const warm = await makers[contender](16, build);
  for (let i = 0; i < 1_000; i++) await warm.fill(i);
  const before = used();
  const cache = await makers[contender](entries, build);
  for (let i = 0; i < entries; i++) await cache.fill(i);
  const bytes = (used() - before) / entries;
  if (cache.size() !== entries) throw new Error(`${cache.size()} entries instead of ${entries}`);
  return bytes;
});
