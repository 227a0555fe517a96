import { type CacheModuleOptions, tradingNamespaces, type TtlProfiles } from 'nestjs-strata';

/** Longest wait for the database: then 503. Above what the connection pool and a query may take by themselves. */
const hardTimeout = '8s';

/**
 * What the demo caches, and for how long: the package's profiles for trading data (in which btc, Btc and BTC are one
 * entry), and what is the demo's own. What ends an entry early:
 * - instruments: a committed change of the row (also of a missing one: an insert or a restore)
 * - instrument-lists: a committed change of any instrument, of the list's type if it has one
 * - prices: a tick, or a change of the instrument
 * - accounts, account-entries: a committed change of the row, or of a row of the list
 *
 * By whomever the change was: the application, other programs, psql (see the outbox).
 */
export function demoNamespaces(profiles: TtlProfiles) {
  const { instruments, prices, accounts } = tradingNamespaces(profiles);
  return {
    // Jitter: what is warmed together does not expire together.
    instruments: {
      ...instruments,
      negativeTtl: '10s',
      jitter: 0.1,
      hardTimeout,
    },
    'instrument-lists': { ttl: profiles.long, hardTimeout },
    // 'local': a second old at most, so they may be served while the shared tier is away.
    prices: { ...prices, consistency: 'local', hardTimeout },
    // No grace and no stale serving: an old balance is a wrong balance.
    accounts: { ...accounts, negativeTtl: '10s', hardTimeout },
    'account-entries': { ttl: profiles.short, hardTimeout },
  } satisfies CacheModuleOptions['namespaces'];
}
