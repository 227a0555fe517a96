import { randomInt } from 'node:crypto';
import { Random } from './random.js';
import { RANKINGS } from './ranking.js';
import { ShadowKeys } from './shadow-keys.js';

const seed = Number(process.env.POLICY_SEED ?? randomInt(2 ** 31));

it(`shadow keys are known for as long as one cache holds them (POLICY_SEED=${seed})`, () => {
  const random = new Random(seed);
  const perCache = 20;
  const keys = new ShadowKeys(perCache);
  const held = Array.from({ length: RANKINGS }, () => new Map<number, number>());
  for (let i = 0; i < 3_000; i++) {
    // Few buckets: long chains.
    const hash = random.below(100) * 64 - 3_000;
    const key = keys.enter(hash);
    for (const [ranking, members] of held.entries()) {
      expect(members.get(hash) ?? key).toBe(key);
      expect((keys.holders[key]! >>> ranking) & 1).toBe(members.has(hash) ? 1 : 0);
      if (members.has(hash)) continue;
      if (members.size === perCache) {
        const [goes, its] = [...members][random.below(perCache)]!;
        members.delete(goes);
        keys.release(its, ranking);
      }
      members.set(hash, key);
      keys.holders[key] = keys.holders[key]! | (1 << ranking);
    }
  }
  keys.clear();
  expect(keys.holders[keys.enter(1)]).toBe(0);
});
