import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { bucketOf, WIDTHS } from './ages.js';
import { Gittins } from './gittins.js';

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));

function indexOf(hazards: number[]): Float32Array {
  const out = new Float32Array(hazards.length + 1);
  new Gittins(hazards.length).write(Float64Array.from(hazards), out, 0);
  return out;
}

/** The definition: the best ratio over all buckets at which one could stop. */
function byDefinition(hazards: number[], from: number): number {
  let [survival, hits, cost, best] = [1, 0, 0, 0];
  for (let b = from; b < hazards.length; b++) {
    const hazard = hazards[b]!;
    hits += survival * hazard;
    cost += survival * WIDTHS[b]! * (1 - hazard / 2);
    survival *= 1 - hazard;
    best = Math.max(best, hits / cost);
  }
  return best;
}

describe(`Gittins index (FC_SEED=${seed})`, () => {
  it('is the best ratio of hits to occupancy over all times to stop', () => {
    const hazard = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 0.999, noNaN: true }));
    fc.assert(
      fc.property(fc.array(hazard, { minLength: 1, maxLength: 40 }), (hazards) => {
        const index = indexOf(hazards);
        for (let b = 0; b < hazards.length; b++) expect(index[b]).toBeCloseTo(byDefinition(hazards, b), 5);
        expect(index[hazards.length]).toBe(0);
      }),
      { seed },
    );
  });

  it('rises towards the end of a loop, and falls where the chance of a use does', () => {
    const end = bucketOf(1_000);
    const loop = indexOf(Array.from({ length: end + 1 }, (_, b) => (b === end ? 0.999 : 0)));
    const recency = indexOf(Array.from({ length: end + 1 }, () => 0.1));
    for (let b = 4; b < end; b++) {
      expect(loop[b + 1]).toBeGreaterThan(loop[b]!);
      expect(recency[b + 1]).toBeLessThanOrEqual(recency[b]!);
    }
  });
});
