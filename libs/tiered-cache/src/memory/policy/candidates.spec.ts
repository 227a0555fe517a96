import { randomInt } from 'node:crypto';
import { Candidates, type Residents } from './candidates.js';
import { Random } from './random.js';

const seed = Number(process.env.POLICY_SEED ?? randomInt(2 ** 31));

/** Residents with given ranks, which count how often they are judged. */
class Ranked implements Residents {
  looks = 0;
  readonly random = new Random(seed);
  constructor(readonly ranks: (number | undefined)[]) {}
  get size(): number {
    return this.ranks.reduce<number>((size, rank) => size + (rank === undefined ? 0 : 1), 0);
  }
  slots(): number[] {
    return this.ranks.flatMap((rank, slot) => (rank === undefined ? [] : [slot]));
  }
  randomSlot(): number {
    for (;;) {
      const slot = this.random.below(this.ranks.length);
      if (this.ranks[slot] !== undefined) return slot;
    }
  }
  allSlots(): Int32Array {
    return Int32Array.from(this.slots());
  }
  isResident(slot: number): boolean {
    return this.ranks[slot] !== undefined;
  }
  rankOf(slot: number): number {
    this.looks++;
    return this.ranks[slot]!;
  }
  ageOf(slot: number): number {
    return slot;
  }
}

describe(`the candidate for eviction (POLICY_SEED=${seed})`, () => {
  it('is the lowest of a few', () => {
    const few = new Ranked([5, undefined, 3, 1, 4]);
    expect(new Candidates(few).worst()).toBe(3);
    expect(new Candidates(few).worst(3)).toBe(2);
  });

  it('of two alike is the one unused for longer', () => {
    expect(new Candidates(new Ranked([1, 1, 1])).worst()).toBe(2);
  });

  it('is never the slot to keep', () => {
    for (const size of [2, 17, 40]) {
      const residents = new Ranked(Array.from({ length: size }, (_, slot) => (slot === 5 % size ? 0 : 1)));
      const candidates = new Candidates(residents);
      for (let i = 0; i < 200; i++) expect(candidates.worst(5 % size)).not.toBe(5 % size);
    }
  });

  it('is among the lowest of many, for work that does not grow', () => {
    const size = 1_000;
    const residents = new Ranked(Array.from({ length: size }, (_, slot) => (slot * 7_919) % size));
    const candidates = new Candidates(residents);
    let lower = 0;
    for (let i = 0; i < 500; i++) {
      residents.looks = 0;
      const slot = candidates.worst();
      expect(residents.looks).toBeLessThanOrEqual(28);
      const rank = residents.ranks[slot]!;
      lower += residents.ranks.filter((other) => other! < rank).length;
      residents.ranks[slot] = residents.random.below(size);
    }
    // The lowest of 16 draws alone would leave 59 below it.
    expect(lower / 500).toBeLessThan(45);
  });

  it('is found among the latest arrivals, as under a scan', () => {
    const residents = new Ranked(Array.from({ length: 1_000 }, () => 1));
    const candidates = new Candidates(residents);
    for (let slot = 0; slot < 100; slot++) {
      residents.ranks[slot] = 0;
      candidates.arrived(slot);
      expect(candidates.worst()).toBe(slot);
      residents.ranks[slot] = 1;
    }
  });

  it('is judged by its rank of now, and only while it is there', () => {
    const residents = new Ranked(Array.from({ length: 100 }, (_, slot) => slot));
    const candidates = new Candidates(residents);
    for (let i = 0; i < 300; i++) {
      const slot = candidates.worst();
      expect(residents.isResident(slot)).toBe(true);
      if (i % 3 === 0 && residents.size > 20) residents.ranks[slot] = undefined;
      else residents.ranks[slot] = 1_000 + i;
    }
    candidates.clear();
    expect(residents.isResident(candidates.worst())).toBe(true);
  });
});
