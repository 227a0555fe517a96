import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { ExpiryWheel } from './expiry-wheel.js';

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));

describe(`ExpiryWheel (FC_SEED=${seed})`, () => {
  it('files a key once, however often its time moves', () => {
    const wheel = new ExpiryWheel();
    for (let i = 0; i < 1_000; i++) wheel.schedule('sliding', 5_000 + i * 100);
    wheel.schedule('sliding', 500);
    expect(wheel.size).toBe(1);
    expect(wheel.due(1_000, 10)).toEqual(['sliding']);
    expect(wheel.due(1e9, 10)).toEqual([]);
  });

  it('leaves nothing behind of removed keys', () => {
    const wheel = new ExpiryWheel();
    for (let i = 0; i < 1_000; i++) {
      wheel.schedule(`k${i}`, i * 1_000);
      wheel.remove(`k${i}`);
      wheel.remove(`k${i}`);
    }
    expect([wheel.size, wheel.due(1e9, 10)]).toEqual([0, []]);
  });

  it('hands out each key after its time, none before, none lost', () => {
    const step = fc.oneof(
      fc.record({ key: fc.constantFrom(...Array.from('abcdef')), time: fc.nat(30_000) }),
      fc.record({ now: fc.nat(40_000), limit: fc.integer({ min: 1, max: 4 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const wheel = new ExpiryWheel();
        const times = new Map<string, number>();
        let clock = 0;
        const take = (now: number, limit: number) => {
          const due = wheel.due(now, limit);
          expect(due.length).toBeLessThanOrEqual(limit);
          for (const key of due) {
            const time = times.get(key) as number;
            if (time > now) wheel.schedule(key, time);
            else times.delete(key);
          }
          return due.length;
        };
        for (const step of steps) {
          if ('key' in step) {
            times.set(step.key, step.time);
            wheel.schedule(step.key, step.time);
          } else take((clock = Math.max(clock, step.now)), step.limit);
          expect(wheel.size).toBe(times.size);
        }
        clock = Math.max(clock, 50_000);
        for (let round = 0; times.size > 0; round++, clock += 1_000) {
          expect(round).toBeLessThan(20);
          take(clock, 4);
        }
      }),
      { seed, numRuns: 300 },
    );
  });
});
