import { randomInt } from 'node:crypto';
import { Ghosts } from './ghosts.js';
import { Random } from './random.js';

const seed = Number(process.env.POLICY_SEED ?? randomInt(2 ** 31));

describe(`ghosts (POLICY_SEED=${seed})`, () => {
  it('know the class and the age of a key that left, once', () => {
    const ghosts = new Ghosts(2_048, 100);
    ghosts.put(12_345, 7, 1_000, 1_010);
    expect(ghosts.take(12_345, 1_300)).toBe(true);
    expect([ghosts.keyClass, ghosts.age]).toEqual([7, 300]);
    expect(ghosts.take(12_345, 1_300)).toBe(false);
  });

  it('know ages of a large cache within a sixty-fourth of its capacity, across the end of the clock', () => {
    const ghosts = new Ghosts(200_000, 100_000);
    const lastUse = 2 ** 31 - 50_000;
    ghosts.put(99, 3, lastUse, lastUse);
    const now = (lastUse + 150_000) | 0;
    expect(now).toBeLessThan(0);
    expect(ghosts.take(99, now)).toBe(true);
    expect(Math.abs(ghosts.age - 150_000)).toBeLessThanOrEqual(100_000 / 32);
  });

  it('forget what was unused for longest, and say so', () => {
    const ghosts = new Ghosts(8, 100);
    for (let i = 0; i < 8; i++) ghosts.put(i * 1_000_003, i, i, i);
    expect(ghosts.put(99 * 1_000_003, 9, 100, 100)).toBe(true);
    expect([ghosts.keyClass, ghosts.age]).toEqual([0, 100]);
    expect(ghosts.take(0, 101)).toBe(false);
    expect(ghosts.take(99 * 1_000_003, 101)).toBe(true);
  });

  it('remember about as many keys as they have cells, and mistake few strangers', () => {
    const random = new Random(seed);
    const draw = () => random.below(2 ** 31) ^ (random.below(2 ** 16) << 16);
    const ghosts = new Ghosts(4_000, 1_000);
    const keys = Array.from({ length: 4_000 }, draw);
    keys.forEach((hash, i) => ghosts.put(hash, 1, i, i));
    let strangers = 0;
    for (let i = 0; i < 4_000; i++) if (ghosts.take(draw(), 4_000)) strangers++;
    let known = 0;
    for (const hash of keys) if (ghosts.take(hash, 4_000)) known++;
    expect(strangers).toBeLessThan(20);
    expect(known).toBeGreaterThan(3_200);
  });

  it('are empty once cleared', () => {
    const ghosts = new Ghosts(64, 10);
    ghosts.put(5, 1, 1, 1);
    ghosts.clear();
    expect(ghosts.take(5, 2)).toBe(false);
    for (let cell = 0; cell < ghosts.cells; cell++) expect(ghosts.look(cell, 2)).toBe(false);
  });
});
