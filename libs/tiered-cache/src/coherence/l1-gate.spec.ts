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
    for (let i = 0; i < 100; i++) expect(gate.time()).toBe(1_000);
    expect(clock.readings).toBe(100);
    clock.jump(499);
    expect(gate.time()).toBe(1_499);
    clock.jump(1);
    expect(gate.time()).toBe(Infinity);
  });
});

describe('in embedded mode', () => {
  it('a streak of hits in one callback shares a reading, 128 at most', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 1_300; i++) gate.time();
    expect(clock.readings).toBeLessThan(1_300 / 100);
    expect(clock.readings).toBeGreaterThanOrEqual(1_300 / 129);
  });

  it('a hit by itself shares nothing', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 100; i++) {
      gate.time();
      clock.jump(1);
    }
    expect(clock.readings).toBe(100);
  });

  it('a shared reading ends with its callback', async () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 5; i++) gate.time();
    clock.jump(5_000);
    await nextTurn();
    expect(gate.time()).toBe(6_000);
  });

  it('counts as a second later: a callback held up for less makes nobody outlive its time', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 5; i++) gate.time();
    clock.jump(1_000);
    expect(gate.time()).toBeGreaterThanOrEqual(2_000);
  });

  it('hits that are far apart end the sharing, though a streak came before', () => {
    const clock = new Counted();
    const gate = new L1Gate(clock);
    for (let i = 0; i < 5; i++) gate.time();
    for (let i = 0; i < 140; i++) {
      clock.jump(1);
      gate.time();
    }
    clock.readings = 0;
    for (let i = 0; i < 40; i++) {
      clock.jump(1);
      expect(gate.time()).toBe(1_140 + i + 1);
    }
    expect(clock.readings).toBe(40);
  });
});
