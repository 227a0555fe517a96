import { Duel } from './duel.js';
import { KeyClasses } from './key-classes.js';
import { BY_RECENCY, BY_WORTH, BY_WORTH_AND_USES } from './ranking.js';
import { ReuseModel } from './reuse-model.js';

const classes = new KeyClasses(12);
const NEW = classes.newcomer(1);

/** A model that is certain of a loop of 1,000: the oldest are worth most. */
function loopModel(): ReuseModel {
  const model = new ReuseModel(classes, 4_000);
  for (let i = 0; i < 1_000; i++) model.use(NEW, 1_000);
  model.refresh(1);
  return model;
}

function hashOf(key: number): number {
  const mixed = Math.imul(key + 1, 0x9e3779b1);
  return Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
}

describe('the duel of rankings', () => {
  it('is led by worth and uses at first, and stays so while nothing speaks against it', () => {
    const duel = new Duel(loopModel(), 1, 100);
    expect(duel.leader).toBe(BY_WORTH_AND_USES);
    for (let i = 0; i < 50_000; i++) duel.request(hashOf(i % 1_000), NEW, 1, i);
    expect(duel.leader).toBe(BY_WORTH_AND_USES);
  });

  it.each([100, 10_000])('goes to recency when the model is wrong, in a cache of %d', (entries) => {
    const duel = new Duel(loopModel(), 1, entries);
    // Every key comes back after half a cache, and never again.
    const gap = entries / 2;
    for (let i = 0; i < 40 * entries; i++) {
      duel.request(hashOf(Math.floor(i / gap) % 2 === 0 ? i : i - gap), NEW, 1, i);
    }
    expect(duel.leader).toBe(BY_RECENCY);
  });

  it('comes back when the traffic does', () => {
    const duel = new Duel(loopModel(), 1, 100);
    for (let i = 0; i < 4_000; i++) {
      duel.request(hashOf(Math.floor(i / 50) % 2 === 0 ? i : i - 50), NEW, 1, i);
    }
    expect(duel.leader).toBe(BY_RECENCY);
    for (let i = 4_000; i < 60_000; i++) duel.request(hashOf(i % 1_000), NEW, 1, i);
    expect([BY_WORTH, BY_WORTH_AND_USES]).toContain(duel.leader);
  });

  it('leaves uses aside when favourites have died', () => {
    const duel = new Duel(new ReuseModel(classes, 4_000), 1, 100);
    // A hundred old favourites, then only keys used twice within a while.
    for (let i = 0; i < 1_000; i++) duel.request(hashOf(i % 100), NEW, 15, i);
    for (let i = 1_000; i < 20_000; i++) {
      duel.request(hashOf(Math.floor(i / 40) % 2 === 0 ? i : i - 40), NEW, 1, i);
    }
    expect(duel.leader).not.toBe(BY_WORTH_AND_USES);
  });

  it('follows a capacity that changes', () => {
    const duel = new Duel(loopModel(), 1, 1_000);
    for (const entries of [1_000, 3, 1, 50, 100_000]) {
      duel.scale(entries);
      for (let i = 0; i < 5_000; i++) duel.request(hashOf(i % 300), NEW, 1, i);
    }
    duel.clear();
    for (let i = 0; i < 5_000; i++) duel.request(hashOf(i % 300), NEW, 1, i);
  });
});
