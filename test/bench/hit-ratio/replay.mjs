/** Replays keys (integers from 0) against a policy; the answer is the hit ratio in per cent. */
import * as baselines from './baselines.mjs';

export const BASELINES = {
  LRU: baselines.lru,
  SIEVE: baselines.sieve,
  'S3-FIFO': baselines.s3fifo,
  'W-TinyLFU': baselines.wTinyLfu,
  ARC: baselines.arc,
};

export function replayBaseline(name, keys, capacity) {
  if (name === 'OPT') return (100 * baselines.opt(capacity, keys)) / keys.length;
  const request = BASELINES[name](capacity);
  let hits = 0;
  for (const key of keys) if (request(key)) hits++;
  return (100 * hits) / keys.length;
}

/** Our policy, used as the store uses it: slots on hits, hashes of strings on misses. */
export function replayOurs({ GittinsPolicy, KeyHash }, keys, capacity, seed) {
  const policy = new GittinsPolicy({ maxEntries: capacity, maxWeight: Infinity, seed });
  const hash = new KeyHash([seed, ~seed]);
  const slots = new Map();
  const keyIn = new Int32Array(capacity);
  let hits = 0;
  for (const key of keys) {
    const slot = slots.get(key);
    if (slot !== undefined) {
      hits++;
      policy.onHit(slot);
      continue;
    }
    const taken = policy.admit(hash.of(`key:${key}`), 1);
    for (const gone of policy.evicted) slots.delete(keyIn[gone]);
    keyIn[taken] = key;
    slots.set(key, taken);
  }
  return (100 * hits) / keys.length;
}
