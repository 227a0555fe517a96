import { setImmediate as nextTurn } from 'node:timers/promises';
import { VirtualClock } from '../../../../test/support/virtual-clock.js';
import { L1Gate } from './l1-gate.js';

/** Moved by hand, as a callback that was held up would find it; readings are counted. */
class Counted extends VirtualClock {
  readonly turns = true;
  readings = 0;

  override monotonic(): number {
    this.readings++;
    return super.monotonic();
  }
}

describe('beside a shared tier', () => {
  it('reads the clock for every hit: whatever held up the callback, nothing is served past the validity clock', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    gate.log = { validUntil: 1_500 };
    for (let i = 0; i < 100; i++) expect(gate.isBefore(i % 2 === 0 ? 1_000 : 1_001)).toBe(i % 2 === 1);
    expect(clock.readings).toBe(100);
    clock.jump(499);
    expect([gate.isBefore(1_499), gate.isBefore(1_499.1)]).toEqual([false, true]);
    clock.jump(1);
    expect(gate.isBefore(Infinity)).toBe(false);
  });
});

describe('in embedded mode', () => {
  it('a streak of hits in one callback shares a reading, 128 at most', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 1_300; i++) gate.isBefore(5_000);
    expect(clock.readings).toBeLessThan(1_300 / 100);
    expect(clock.readings).toBeGreaterThanOrEqual(1_300 / 129);
  });

  it('a hit by itself shares nothing', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 100; i++) {
      gate.isBefore(5_000);
      clock.jump(1);
    }
    expect(clock.readings).toBe(100);
  });

  it('a shared reading ends with its callback', async () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 5; i++) gate.isBefore(5_000);
    clock.jump(5_000);
    await nextTurn();
    expect([gate.isBefore(6_000), gate.isBefore(6_000.1)]).toEqual([false, true]);
  });

  it('counts as a second later: a callback held up for less makes nobody outlive its time', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 5; i++) gate.isBefore(5_000);
    clock.jump(1_000);
    expect(gate.isBefore(2_000)).toBe(false);
  });

  it('hits that are far apart end the sharing, though a streak came before', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 5; i++) gate.isBefore(5_000);
    for (let i = 0; i < 140; i++) {
      clock.jump(1);
      gate.isBefore(5_000);
    }
    clock.readings = 0;
    for (let i = 0; i < 40; i++) {
      clock.jump(1);
      expect(gate.isBefore(1_140 + i + 1 + (i % 2))).toBe(i % 2 === 1);
    }
    expect(clock.readings).toBe(40);
  });
});
