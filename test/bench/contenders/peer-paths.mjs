/** The paths of a peer from the few calls in which peers differ. */
import { makeIds, makeValue } from '../harness/loop.mjs';
import { numberOf } from './map.mjs';
import { BATCH_PATHS, fill, L2_IDS, LISTS, SMALL_L1, tieredPaths } from './two-tiers.mjs';

/**
 * @param {{ suite: string }} context
 * @param {object} peer `cacheOf(l1Entries?)`, `set(cache, id, value)`, `close(cache)`; the rest is text over `cache`
 */
export async function peerPaths({ suite }, peer) {
  const load = async (id) => makeValue(numberOf(id));
  const loadNew = async () => makeValue(0);
  const cache = peer.cacheOf(suite === 'tiered' || suite === 'batch' ? SMALL_L1 : undefined);
  const scope = { cache, load, loadNew };
  const caches = [cache];
  const close = () => Promise.all(caches.map((one) => peer.close(one)));
  if (suite === 'api' || suite === 'allocation') {
    const ids = makeIds();
    for (const [i, id] of ids.entries()) await peer.set(cache, id, makeValue(i));
    const hit = { call: peer.getOrSet, scope, ids };
    if (suite === 'allocation')
      return { close, paths: { 'allocation per L1 hit': { ...hit, allocation: true } } };
    return { close, paths: { 'getOrSet L1 hit': hit, 'get L1 hit': { call: peer.get, scope, ids } } };
  }
  await fill(L2_IDS, (id) => peer.set(cache, id, makeValue(numberOf(id))));
  if (suite === 'tiered')
    return { close, paths: tieredPaths({ hit: peer.getOrSet, miss: peer.miss, scope }) };
  if (peer.getMany === undefined) return { close, paths: {} };
  const large = peer.cacheOf(20_000);
  caches.push(large);
  await fill(LISTS.flat(), (id) => peer.set(large, id, makeValue(numberOf(id))));
  const many = { call: peer.getMany, consume: peer.consumeMany };
  return {
    close,
    paths: {
      'getMany 100, L2': { ...BATCH_PATHS.l2, ...many, scope },
      'getMany 100, L1': { ...BATCH_PATHS.l1, ...many, scope: { cache: large } },
    },
  };
}
