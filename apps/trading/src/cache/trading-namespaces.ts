import { type CacheModuleOptions } from 'nestjs-strata';
import { normalizeSymbol } from '../http/symbol.js';

/**
 * What the demo caches, and for how long. What ends an entry early:
 * - instruments: a committed change of the row (also of a missing one: an insert or a restore)
 * - instrument-lists: a committed change of any instrument
 * - prices: a tick, or a change of the instrument
 * - accounts: a movement of money, or a change of the row
 */
export const TRADING_NAMESPACES = {
  // Jitter: what is warmed together does not expire together.
  instruments: {
    ttl: '1h',
    tiers: ['l1', 'l2'],
    jitter: 0.1,
    negativeTtl: '10s',
    hardTimeout: '8s',
    normalizeId: normalizeSymbol,
  },
  'instrument-lists': { ttl: '1h', tiers: ['l1', 'l2'], hardTimeout: '8s' },
  prices: {
    ttl: '1s',
    tiers: ['l1'],
    consistency: 'local',
    negativeTtl: '1s',
    hardTimeout: '8s',
    normalizeId: normalizeSymbol,
  },
  // No grace and no stale serving: an old balance is a wrong balance.
  accounts: { ttl: '5m', tiers: ['l1', 'l2'], negativeTtl: '10s', hardTimeout: '8s' },
} satisfies NonNullable<CacheModuleOptions['namespaces']>;
