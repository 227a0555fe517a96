import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { Random } from './random.js';
import { Slots } from './slots.js';

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));
const MAX = 12;

const byValue = (a: number, b: number) => a - b;

describe(`slots (FC_SEED=${seed})`, () => {
  it('are each given to one resident, and all residents are found', () => {
    const step = fc.oneof(
      fc.record({ take: fc.integer({ min: 1, max: 1_000 }) }),
      fc.record({ free: fc.nat(MAX) }),
      fc.record({ reweigh: fc.nat(MAX), weight: fc.integer({ min: 1, max: 1_000 }) }),
      fc.record({ look: fc.constantFrom('all', 'random') }),
      fc.constant('clear' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const slots = new Slots(MAX);
        const random = new Random(seed);
        const residents = new Map<number, number>();
        for (const step of steps) {
          const held = [...residents.keys()];
          if (step === 'clear') {
            slots.clear();
            residents.clear();
          } else if ('take' in step) {
            if (residents.size === MAX) continue;
            const slot = slots.take(1, step.take, 5, 1, 0);
            expect(slot).toBeGreaterThanOrEqual(0);
            expect(slot).toBeLessThan(MAX);
            expect(residents.has(slot)).toBe(false);
            residents.set(slot, step.take);
          } else if (held.length === 0) continue;
          else if ('free' in step) {
            const slot = held[step.free % held.length]!;
            slots.free(slot);
            residents.delete(slot);
          } else if ('reweigh' in step) {
            const slot = held[step.reweigh % held.length]!;
            slots.reweigh(slot, step.weight);
            residents.set(slot, step.weight);
          } else if (step.look === 'all') {
            expect([...slots.all().subarray(0, slots.size)].sort(byValue)).toEqual(held.sort(byValue));
          } else expect(residents.has(slots.random(random))).toBe(true);
          expect(slots.size).toBe(residents.size);
          expect(slots.weight).toBe([...residents.values()].reduce((sum, one) => sum + one, 0));
        }
      }),
      { seed, numRuns: 300 },
    );
  });

  it('draws residents evenly, also when most have left', () => {
    const slots = new Slots(5_000);
    for (let i = 0; i < 5_000; i++) slots.take(i, 1, 0, 1, 0);
    for (let slot = 10; slot < 5_000; slot++) slots.free(slot);
    const random = new Random(seed);
    const drawn = new Map<number, number>();
    for (let i = 0; i < 10_000; i++) {
      const slot = slots.random(random);
      drawn.set(slot, (drawn.get(slot) ?? 0) + 1);
    }
    expect([...drawn.keys()].sort(byValue)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const times of drawn.values()) expect(times).toBeGreaterThan(700);
  });

  it('grows with its residents, not beyond', () => {
    const slots = new Slots(3_000);
    expect(slots.room).toBe(1_024);
    for (let i = 0; i < 3_000; i++) slots.take(i, 1, 0, 1, i);
    expect(slots.room).toBe(3_000);
    expect([slots.lastUse[2_999], slots.hash[0], slots.size]).toEqual([2_999, 0, 3_000]);
  });
});
