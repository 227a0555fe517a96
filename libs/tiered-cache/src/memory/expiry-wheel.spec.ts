import { ExpiryWheel } from './expiry-wheel.js';

function wheelOf(room = 100, from = 0): ExpiryWheel {
  const wheel = new ExpiryWheel();
  wheel.grow(room);
  // The first look is at everything there is.
  expect(wheel.take(from)).toBe(-1);
  return wheel;
}

function all(wheel: ExpiryWheel, now: number): number[] {
  const slots: number[] = [];
  for (let slot = wheel.take(now); slot !== -1; slot = wheel.take(now)) slots.push(slot);
  return slots.sort((a, b) => a - b);
}

describe('ExpiryWheel', () => {
  it('answers a slot in the second after its time, and no sooner', () => {
    const wheel = wheelOf();
    wheel.file(1, 10_500);
    wheel.file(2, 12_000);
    expect(all(wheel, 10_999)).toEqual([]);
    expect(all(wheel, 11_000)).toEqual([1]);
    expect(all(wheel, 12_999)).toEqual([]);
    expect(all(wheel, 13_000)).toEqual([2]);
  });

  it('never answers what has no end, nor what was removed', () => {
    const wheel = wheelOf();
    wheel.file(1, Infinity);
    wheel.file(2, 1_000);
    wheel.file(3, 1_000);
    wheel.file(4, 1_000);
    wheel.remove(3);
    wheel.remove(3);
    wheel.file(2, Infinity);
    expect(all(wheel, 1e9)).toEqual([4]);
    expect(all(wheel, 2e9)).toEqual([]);
  });

  it('goes by the last time of a slot', () => {
    const wheel = wheelOf();
    for (const slot of [1, 2]) wheel.file(slot, 5_000);
    wheel.file(1, 50_000);
    wheel.file(2, 2_000);
    expect(all(wheel, 4_000)).toEqual([2]);
    expect(all(wheel, 49_000)).toEqual([]);
    expect(all(wheel, 51_000)).toEqual([1]);
  });

  it('meets what ends later than a turn takes, once a turn', () => {
    const wheel = wheelOf();
    const end = 3 * 4_096_000 + 5_500;
    wheel.file(1, end);
    let met = 0;
    for (let now = 0; now <= end; now += 1_000)
      for (const slot of all(wheel, now)) {
        met++;
        wheel.file(slot, end);
      }
    expect(met).toBe(3);
    expect(all(wheel, end + 1_000)).toEqual([1]);
  });

  it('takes times that are over, also while some of what is due has not been looked at', () => {
    const wheel = wheelOf();
    wheel.file(1, 1_000);
    wheel.file(2, 1_500);
    expect(wheel.take(100_000)).toBeGreaterThan(0);
    wheel.file(3, 50);
    expect(all(wheel, 101_000)).toHaveLength(2);
  });

  it('survives clocks that start anywhere, pauses of any length, and growing', () => {
    const wheel = wheelOf(2, -10_000);
    wheel.file(0, -5_000);
    wheel.file(1, 1e9);
    wheel.grow(4);
    wheel.file(3, -4_500);
    expect(all(wheel, -3_000)).toEqual([0, 3]);
    expect(all(wheel, 1e9 + 2_000)).toEqual([1]);
    expect(all(wheel, 0)).toEqual([]);
  });

  it('is empty after clear', () => {
    const wheel = wheelOf();
    wheel.file(1, 1_000);
    wheel.clear();
    expect(all(wheel, 1e6)).toEqual([]);
    wheel.file(1, 1e6);
    expect(all(wheel, 1e6 + 1_000)).toEqual([1]);
  });
});
