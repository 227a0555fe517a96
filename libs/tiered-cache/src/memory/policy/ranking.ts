import type { ReuseModel } from './reuse-model.js';

/**
 * The rankings that compete; the entry ranked lowest leaves.
 * - BY_WORTH_AND_USES: worth of the place (reuse-model.ts) times how often the key was used. The model gives
 *   frequency its due once it has data; the factor gives it before, and holds a working set together across phases.
 * - BY_WORTH: without the factor, for favourites that die.
 * - BY_RECENCY: LRU, for what a model cannot follow.
 */
export const BY_WORTH_AND_USES = 0;
export const BY_WORTH = 1;
export const BY_RECENCY = 2;
export const RANKINGS = 3;

/** @param age requests since the last use */
export function rank(
  ranking: number,
  model: ReuseModel,
  keyClass: number,
  uses: number,
  age: number,
): number {
  if (ranking === BY_RECENCY) return -age;
  const worth = model.worth(keyClass, age);
  return ranking === BY_WORTH_AND_USES ? worth * uses : worth;
}
