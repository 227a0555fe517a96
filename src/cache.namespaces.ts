import type { NamespaceOptions } from '#tiered-cache';
import { TTL_PROFILES, type TtlProfiles } from './cache.env.js';

/** What a trading backend caches, and for how long. */
export type TradingNamespace =
  | 'symbols'
  | 'instruments'
  | 'accounts'
  | 'lp'
  | 'ohlc'
  | 'prices'
  | 'positions'
  | 'orders'
  | 'order-book'
  | 'api'
  | 'static'
  | 'users'
  | 'sessions'
  | 'portfolio'
  | 'strategy'
  | 'indicators'
  | 'statistics';

/**
 * Namespaces of a trading backend, to spread into a cache's `namespaces`; TTLs of the four profiles follow the
 * environment when given `ttlProfilesFromEnv()`. What ends an entry earlier is said per line.
 *
 * Namespaces that change many times a second live in the process alone: by the time another node had asked the
 * shared tier, they would be old; their TTL bounds them, so they are served while the shared tier is away. Symbols mean the same in any case: btc, Btc and BTC are one entry.
 */
export function tradingNamespaces(
  profiles: Readonly<TtlProfiles> = TTL_PROFILES,
): Record<TradingNamespace, NamespaceOptions> {
  const { short, medium, long, veryLong } = profiles;
  return {
    /** Ends with: update. */
    symbols: { ttl: long, normalizeId: upperCase },
    /** Ends with: update. */
    instruments: { ttl: long, normalizeId: upperCase },
    /** Ends with: balance. Row locks in the database decide money, never the cache. */
    accounts: { ttl: short },
    /** Liquidity providers. Ends with: config. */
    lp: { ttl: '10m' },
    /** Closed bars, id `SYMBOL:timeframe:from`. Ends with: correction. */
    ohlc: { ttl: veryLong },
    /** Ends with: tick. */
    prices: { ttl: '1s', consistency: 'local', normalizeId: upperCase },
    /** Ends with: position. */
    positions: { ttl: '100ms', consistency: 'local' },
    /** Ends with: order. */
    orders: { ttl: '100ms', consistency: 'local' },
    /** Ends with: order. */
    'order-book': { ttl: '100ms', consistency: 'local', normalizeId: upperCase },
    /** Answers of other services. Ends with: nothing but time. */
    api: { ttl: '30s', consistency: 'local' },
    /** Content that a new name replaces (hashed assets). Ends with: nothing but time. */
    static: { ttl: '1y' },
    /** Profiles. Ends with: update. */
    users: { ttl: medium },
    /** Apart from users, so that clearing users logs nobody out; never stale. Ends with: logout. */
    sessions: { ttl: medium, sliding: true, consistency: 'strict' },
    /** 1 to 5 minutes. Ends with: position, balance. */
    portfolio: { ttl: short },
    /** 5 to 60 minutes. Ends with: config. */
    strategy: { ttl: medium },
    /** 5 to 60 minutes. Ends with: correction. */
    indicators: { ttl: medium },
    /** 1 to 24 hours. Ends with: nothing but time. */
    statistics: { ttl: long },
  };
}

function upperCase(id: string): string {
  return id.toUpperCase();
}
