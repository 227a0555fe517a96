import type { CacheHealth } from '#tiered-cache';
import { stateOf, stateReasons } from './cache.state.js';

const well: CacheHealth = {
  state: 'up',
  remote: { configured: true, state: 'ready' },
  circuit: 'closed',
  l1: { serving: true },
  pendingInvalidations: 0,
  quarantined: [],
  secondBus: null,
};

describe('the state of a cache', () => {
  it('is up, for no reason', () => {
    expect(stateOf(well)).toBe('up');
    expect(stateReasons(well)).toEqual([]);
  });

  it('is degraded while the shared entries of a namespace are not believed, and the reason names it', () => {
    const health = { ...well, quarantined: ['prices', 'accounts'] };
    expect(stateOf(health)).toBe('degraded');
    expect(stateReasons(health)).toEqual([expect.stringContaining('prices, accounts')]);
  });

  it('says only that the tier is away while it is, whatever it held', () => {
    const health: CacheHealth = {
      ...well,
      state: 'degraded',
      remote: { configured: true, state: 'down' },
      quarantined: ['prices'],
      secondBus: null,
    };
    expect(stateOf(health)).toBe('degraded');
    expect(stateReasons(health)).toEqual([expect.stringContaining('is down')]);
  });

  it('is degraded until what changed meanwhile was replayed, and says if the outbox is no help', () => {
    const secondBus = { active: true, serving: true, sharedTrusted: false, unrecorded: 0, problem: null };
    expect(stateOf({ ...well, secondBus })).toBe('degraded');
    expect(stateReasons({ ...well, secondBus })).toEqual([expect.stringContaining('replayed')]);
    const away: CacheHealth = {
      ...well,
      state: 'degraded',
      circuit: 'open',
      secondBus: { ...secondBus, serving: false, problem: 'connection refused' },
    };
    expect(stateReasons(away)).toEqual([
      expect.stringContaining('circuit open'),
      expect.stringContaining('connection refused'),
    ]);
    expect(stateOf({ ...well, secondBus: { ...secondBus, active: false, sharedTrusted: true } })).toBe('up');
  });

  it('is never better than the cache says: closed is down', () => {
    expect(stateOf({ ...well, state: 'down', quarantined: ['prices'] })).toBe('down');
  });
});
