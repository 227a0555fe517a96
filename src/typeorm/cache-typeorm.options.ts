import { InvalidOptionsError } from '#tiered-cache';

export interface CacheTypeOrmOptions {
  /** The cache to invalidate. Default 'default'. */
  cache?: string;
  /** The data sources to listen to, by the name given to `TypeOrmModule.forRoot`. Default ['default']. */
  dataSources?: readonly string[];
  /** The longest a committed write waits for its invalidation, milliseconds; 0 to 60,000. Default 50. */
  maxDelayMs?: number;
}

export const TYPEORM_DEFAULTS: Required<CacheTypeOrmOptions> = {
  cache: 'default',
  dataSources: ['default'],
  maxDelayMs: 50,
};

/** @throws InvalidOptionsError naming the option. */
export function resolveTypeOrmOptions(options: CacheTypeOrmOptions): Required<CacheTypeOrmOptions> {
  const { cache, dataSources, maxDelayMs } = { ...TYPEORM_DEFAULTS, ...withoutUndefined(options) };
  const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';
  if (!isName(cache)) throw wrong('cache', cache, 'the name of a cache');
  if (!Array.isArray(dataSources) || dataSources.length === 0 || !dataSources.every(isName))
    throw wrong('dataSources', dataSources, "a list of data source names, such as ['default']");
  if (typeof maxDelayMs !== 'number' || !(maxDelayMs >= 0 && maxDelayMs <= 60_000))
    throw wrong('maxDelayMs', maxDelayMs, 'milliseconds, 0 to 60000');
  return { cache, dataSources: [...new Set(dataSources as readonly string[])], maxDelayMs };
}

function withoutUndefined(options: CacheTypeOrmOptions): CacheTypeOrmOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function wrong(option: string, value: unknown, allowed: string): InvalidOptionsError {
  return new InvalidOptionsError(`CacheTypeOrmModule.forRoot ${option}`, value, allowed);
}
