import { type Duration, durationMs, InvalidOptionsError } from '#tiered-cache';
import type { FenceTimes } from './commit-fences.js';
import {
  type OutboxOptions,
  resolveOutboxOptions,
  type ResolvedOutboxOptions,
} from './outbox/outbox.options.js';

export interface CacheTypeOrmOptions {
  /** The cache to invalidate. Default 'default'. */
  cache?: string;
  /** The data sources to listen to, by the name given to `TypeOrmModule.forRoot`. Default ['default']. */
  dataSources?: readonly string[];
  /** The longest a committed write waits for its invalidation, milliseconds; 0 to 60,000. Default 50. */
  maxDelayMs?: number;
  /**
   * Before COMMIT the changed entries are fenced, so that no reader stores the value it loaded before. `within`: the
   * longest COMMIT waits for that, 1 ms to 1 minute, default 50 ms, never above `maxDelayMs`. `for`: how long a fence
   * stands when this process dies, 1 ms to 10 minutes, default 10 s; longer than COMMIT may take. False: no fences.
   */
  fence?: { for?: Duration; within?: Duration } | false;
  /**
   * Triggers that record every write, whoever it is by, and a relay that invalidates what no subscriber has heard of:
   * raw SQL, other programs, crashes. PostgreSQL only. Default false.
   */
  outbox?: OutboxOptions | false;
  /**
   * Makes `dataSource.transaction` and `manager.transaction` do what `runInTransaction` does. Default false: following
   * contexts costs every await of the process while a transaction is open (docs/transactions.md).
   */
  wrapTransactions?: boolean;
}

export interface ResolvedTypeOrmOptions {
  cache: string;
  dataSources: readonly string[];
  maxDelayMs: number;
  /** Null: no fences. */
  fence: FenceTimes | null;
  /** Null: none. */
  outbox: ResolvedOutboxOptions | null;
  wrapTransactions: boolean;
}

export const TYPEORM_DEFAULTS = {
  cache: 'default',
  dataSources: ['default'] as readonly string[],
  maxDelayMs: 50,
  fence: { for: '10s', within: 50 } as { for: Duration; within: Duration },
  outbox: false as OutboxOptions | false,
  wrapTransactions: false,
};

/** @throws InvalidOptionsError naming the option. */
export function resolveTypeOrmOptions(options: CacheTypeOrmOptions): ResolvedTypeOrmOptions {
  const { cache, dataSources, maxDelayMs, fence, outbox, wrapTransactions } = {
    ...TYPEORM_DEFAULTS,
    ...withoutUndefined(options),
  };
  const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';
  if (!isName(cache)) throw wrong('cache', cache, 'the name of a cache');
  if (!Array.isArray(dataSources) || dataSources.length === 0 || !dataSources.every(isName))
    throw wrong('dataSources', dataSources, "a list of data source names, such as ['default']");
  if (typeof maxDelayMs !== 'number' || !(maxDelayMs >= 0 && maxDelayMs <= 60_000))
    throw wrong('maxDelayMs', maxDelayMs, 'milliseconds, 0 to 60000');
  if (typeof wrapTransactions !== 'boolean')
    throw wrong('wrapTransactions', wrapTransactions, 'true or false');
  return {
    cache,
    dataSources: [...new Set(dataSources as readonly string[])],
    maxDelayMs,
    fence: resolveFence(fence, maxDelayMs),
    outbox: outbox === false ? null : resolveOutboxOptions(outbox),
    wrapTransactions,
  };
}

function resolveFence(fence: CacheTypeOrmOptions['fence'], maxDelayMs: number): FenceTimes | null {
  if (fence === false) return null;
  if (typeof fence !== 'object' || fence === null || Array.isArray(fence))
    throw wrong('fence', fence, '{ for, within } or false');
  for (const name of Object.keys(fence))
    if (name !== 'for' && name !== 'within')
      throw wrong(`fence.${name}`, fence[name as never], 'no such option; there are for, within');
  const times = {
    forMs: span('fence.for', fence.for ?? TYPEORM_DEFAULTS.fence.for, 600_000),
    withinMs: Math.min(
      maxDelayMs,
      span('fence.within', fence.within ?? TYPEORM_DEFAULTS.fence.within, 60_000),
    ),
  };
  // Writers that may not wait at all can have none: what is not waited for proves nothing.
  return times.withinMs >= 1 ? times : null;
}

function span(option: string, value: Duration, max: number): number {
  const ms = durationMs(value);
  if (!(ms >= 1 && ms <= max)) throw wrong(option, value, `a duration of 1 to ${max} ms`);
  return ms;
}

function withoutUndefined(options: CacheTypeOrmOptions): CacheTypeOrmOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function wrong(option: string, value: unknown, allowed: string): InvalidOptionsError {
  return new InvalidOptionsError(`CacheTypeOrmModule.forRoot ${option}`, value, allowed);
}
