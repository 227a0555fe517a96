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

let hits = 0;

/** As a hit asks, which is counted. */
function isBefore(gate: L1Gate, at: number): boolean {
  return gate.isBefore(at, hits++);
}

beforeEach(() => {
  hits = 0;
});

describe('beside a shared tier', () => {
  it('reads the clock for every hit: whatever held up the callback, nothing is served past the validity clock', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    gate.log = { validUntil: 1_500 };
    for (let i = 0; i < 100; i++) expect(isBefore(gate, i % 2 === 0 ? 1_000 : 1_001)).toBe(i % 2 === 1);
    expect(clock.readings).toBe(100);
    clock.jump(499);
    expect([isBefore(gate, 1_499), isBefore(gate, 1_499.1)]).toEqual([false, true]);
    clock.jump(1);
    expect(isBefore(gate, Infinity)).toBe(false);
  });
});

describe('in embedded mode', () => {
  it('a streak of hits in one callback shares a reading, 128 at most', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 1_300; i++) isBefore(gate, 5_000);
    expect(clock.readings).toBeLessThan(1_300 / 100);
    expect(clock.readings).toBeGreaterThanOrEqual(1_300 / 129);
  });

  it('a hit by itself shares nothing', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 100; i++) {
      isBefore(gate, 5_000);
      clock.jump(1);
    }
    expect(clock.readings).toBe(100);
  });

  it('a shared reading ends with its callback', async () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 5; i++) isBefore(gate, 5_000);
    clock.jump(5_000);
    await nextTurn();
    expect([isBefore(gate, 6_000), isBefore(gate, 6_000.1)]).toEqual([false, true]);
  });

  it('counts as a second later: a callback held up for less makes nobody outlive its time', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 5; i++) isBefore(gate, 5_000);
    clock.jump(1_000);
    expect(isBefore(gate, 2_000)).toBe(false);
  });

  it('hits that are far apart end the sharing, though a streak came before', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 5; i++) isBefore(gate, 5_000);
    for (let i = 0; i < 140; i++) {
      clock.jump(1);
      isBefore(gate, 5_000);
    }
    clock.readings = 0;
    for (let i = 0; i < 40; i++) {
      clock.jump(1);
      expect(isBefore(gate, 1_140 + i + 1 + (i % 2))).toBe(i % 2 === 1);
    }
    expect(clock.readings).toBe(40);
  });

  it('a streak ends where the count of hits begins anew', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    hits = 2 ** 30 - 20;
    for (; hits < 2 ** 30;) isBefore(gate, 5_000);
    hits = 0;
    clock.readings = 0;
    for (let i = 0; i < 300; i++) isBefore(gate, 5_000);
    expect(clock.readings).toBeGreaterThan(2);
  });
});
