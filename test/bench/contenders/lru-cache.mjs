/** lru-cache with a TTL, and with maxSize where memory is compared. */
import { LRUCache } from 'lru-cache';
import { makeIds, makeValue } from '../harness/loop.mjs';
import { numberOf } from './map.mjs';

const TTL_MS = 3_600_000;

export async function setup({ suite, size = 1024 }) {
  const ids = makeIds(size);
  const cache = new LRUCache({
    max: Math.max(2048, size),
    ttl: TTL_MS,
    fetchMethod: async (id) => makeValue(numberOf(id)),
  });
  ids.forEach((id, i) => cache.set(id, makeValue(i)));
  const scope = { cache };
  const fetch = { call: 'cache.fetch(id)', scope, ids };
  const get = { call: 'cache.get(id)', scope, ids, kind: 'sync' };
  switch (suite) {
    case 'l1':
      return { paths: { 'peek hit': get, 'fill at capacity': churn() } };
    case 'growth':
      return { paths: { [`peek hit, ${size} entries`]: get } };
    case 'api':
      return { paths: { 'getOrSet L1 hit': fetch, 'get L1 hit': { ...get, kind: 'async' } } };
    case 'allocation':
      return { paths: { 'allocation per L1 hit': { ...fetch, allocation: true } } };
    default:
      throw new Error(suite);
  }
}

function churn() {
  const cache = new LRUCache({ max: 1024, ttl: TTL_MS, fetchMethod: async () => makeValue(0) });
  return { call: "cache.fetch('new' + i)", scope: { cache }, expected: (n) => n };
}
