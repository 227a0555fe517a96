/**
 * What all two-tier caches are asked. Reads of the second tier come about as they do in production: L1 is there, but
 * too small (64 entries for 4,096 ids asked in turn), so every read of L2 also promotes and evicts. A policy that
 * resists scans can keep at most 64 of 4,096 ids (1.6 %).
 */
import { makeIds } from '../harness/loop.mjs';

export const SMALL_L1 = 64;
export const L2_IDS = makeIds(8_192, 'L2').slice(0, 6_400);
const HIT_IDS = L2_IDS.slice(0, 4_096);
/** 64 lists of 100 ids. */
export const LISTS = Array.from({ length: 64 }, (_, i) => L2_IDS.slice(i * 100, i * 100 + 100));
const SUMS = LISTS.map((_, i) => {
  let sum = 0;
  for (let j = 0; j < 100; j++) sum += ((i * 100 + j) % 7) + 1;
  return sum;
});
const CONCURRENCIES = [1, 64, 1024];

/** @param {{ hit: string, miss: string, scope: object }} calls */
export function tieredPaths({ hit, miss, scope }) {
  const paths = {};
  for (const concurrency of CONCURRENCIES) {
    const kind = concurrency === 1 ? 'async' : 'concurrent';
    paths[`L2 hit, c${concurrency}`] = { call: hit, scope, ids: HIT_IDS, kind, concurrency };
  }
  for (const concurrency of [1, 1024]) {
    const kind = concurrency === 1 ? 'async' : 'concurrent';
    paths[`full miss, c${concurrency}`] = { call: miss, scope, kind, concurrency, expected: (n) => n };
  }
  return paths;
}

const ofLists = (lists) => ({
  ids: lists,
  consume: 'for (const one of value.values()) sum += one.price;',
  expected: (n, from) => {
    let sum = 0;
    for (let i = from; i < from + n; i++) sum += SUMS[i & (lists.length - 1)];
    return sum;
  },
});

/** Paths of the suite batch, without call and scope. */
export const BATCH_PATHS = { l2: ofLists(LISTS), l1: ofLists(LISTS.slice(0, 16)) };

/** Stores what is read later, a hundred at a time: one at a time takes longer than all that is measured. */
export async function fill(ids, store) {
  for (let at = 0; at < ids.length; at += 100) await Promise.all(ids.slice(at, at + 100).map(store));
}
