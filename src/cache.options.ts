import {
  createRedisTier,
  InvalidOptionsError,
  type Clock,
  type Duration,
  type NamespaceOptions,
  type RedisTierOptions,
  type RegisteredClass,
  type RemoteTier,
  type TieredCacheOptions,
} from '#tiered-cache';
import { cacheNameOrThrow, DEFAULT_CACHE } from './cache.names.js';

/** How Redis is reached; the keys' prefix is the cache's. */
export type RedisOptions = Omit<RedisTierOptions, 'prefix'>;

/** Options of one cache in a Nest application. Every default is in `CACHE_DEFAULTS` or the engine's `DEFAULTS`. */
export interface CacheModuleOptions {
  /** Names the cache in `InjectCache(name)`, logs and metrics. Default 'default'. */
  name?: string;
  /** Every module sees this cache without importing it. Default false. */
  isGlobal?: boolean;
  /** First part of every key in the shared tier. Default 'strata'; a named cache: 'strata-<name>'. */
  prefix?: string;
  /** The shared tier: a URL (`redis://`, `rediss://`), options, or null / false / absent for embedded mode. */
  redis?: RedisOptions | string | false | null;
  /** Another shared tier than Redis; wins over `redis`. */
  remote?: RemoteTier | null;
  /** Budget of the in-process tier: entries and bytes, both hold. Default 10,000 and 100 MiB. */
  l1?: { maxEntries?: number; maxBytes?: number };
  /** How long an in-process value may be served without news from the invalidation log. Default 500 ms. */
  stalenessBound?: Duration;
  /** Namespaces by name. */
  namespaces?: Record<string, NamespaceOptions>;
  /** Applied under every namespace's own options; `defaults.ttl` is the life of decorated methods that name none. */
  defaults?: Partial<NamespaceOptions>;
  /** Classes whose instances keep their type through the shared tier. */
  classes?: readonly RegisteredClass[];
  /** A statistics line at INFO after so many operations, at most one per `statsLogInterval`; 0: none. Default 100. */
  statsLogEvery?: number;
  /** Least time between two statistics lines, milliseconds. Default 10,000. */
  statsLogInterval?: number;
  /** Log every hit, miss and operation at DEBUG. Default: outside production, while the logger's debug level is on. */
  logOperations?: boolean;
  /** Losing Redis is logged FATAL (else WARN), operations are not logged by default. Default: NODE_ENV is 'production'. */
  production?: boolean;
  /** For tests. */
  clock?: Clock;
  /** For tests. */
  random?: () => number;
}

/** What `useClass` and `useExisting` of `forRootAsync` name. */
export interface CacheOptionsFactory {
  createCacheOptions(): Promise<CacheModuleOptions> | CacheModuleOptions;
}

/** Options with the defaults of this layer filled in; the engine's stay open until it resolves them. */
export interface ResolvedCacheOptions extends CacheModuleOptions {
  name: string;
  prefix: string;
  statsLogEvery: number;
  statsLogInterval: number;
  production: boolean;
}

export const CACHE_DEFAULTS = {
  prefix: 'strata',
  statsLogEvery: 100,
  statsLogInterval: 10_000,
} as const;

const OPTIONS: Record<keyof CacheModuleOptions, string> = {
  name: '',
  isGlobal: 'true or false',
  prefix: '',
  redis: 'a redis:// or rediss:// URL, an object, false or null',
  remote: 'a remote tier or null',
  l1: 'an object with maxEntries and maxBytes',
  stalenessBound: '',
  namespaces: 'an object of namespace options by name',
  defaults: 'an object of namespace options',
  classes: 'an array of { name, type }',
  statsLogEvery: 'a whole number, 0 or more',
  statsLogInterval: 'milliseconds, 0 or more',
  logOperations: 'true or false',
  production: 'true or false',
  clock: 'an object',
  random: 'a function',
};

/**
 * Checks what this layer owns and fills its defaults in; the engine checks the rest when it is constructed.
 * @throws InvalidOptionsError naming the option, its value and what is allowed.
 */
export function resolveCacheOptions(
  options: CacheModuleOptions | null | undefined,
  name: string = DEFAULT_CACHE,
): ResolvedCacheOptions {
  if (options === null || options === undefined || typeof options !== 'object')
    throw new InvalidOptionsError('CacheModule options', options, 'an object');
  for (const key of Object.keys(options))
    if (!(key in OPTIONS))
      throw new InvalidOptionsError(
        key,
        options[key as keyof CacheModuleOptions],
        `no such option; there are ${Object.keys(OPTIONS).join(', ')}`,
      );
  if (options.name !== undefined && options.name !== name)
    throw new InvalidOptionsError(
      'name',
      options.name,
      `'${name}': the name is given to forRootAsync itself, because tokens are made of it before any factory runs`,
    );
  for (const key of ['isGlobal', 'logOperations', 'production'] as const)
    check(options, key, (value) => typeof value === 'boolean');
  for (const key of ['l1', 'namespaces', 'defaults', 'clock'] as const) check(options, key, isObject);
  check(options, 'remote', (value) => value === null || isObject(value));
  check(options, 'classes', Array.isArray);
  check(options, 'random', (value) => typeof value === 'function');
  check(options, 'statsLogEvery', (value) => Number.isSafeInteger(value) && Number(value) >= 0);
  check(options, 'statsLogInterval', (value) => Number.isFinite(value) && Number(value) >= 0);
  checkRedis(options.redis);
  return {
    ...options,
    name: cacheNameOrThrow(name),
    prefix:
      options.prefix ?? (name === DEFAULT_CACHE ? CACHE_DEFAULTS.prefix : `${CACHE_DEFAULTS.prefix}-${name}`),
    statsLogEvery: options.statsLogEvery ?? CACHE_DEFAULTS.statsLogEvery,
    statsLogInterval: options.statsLogInterval ?? CACHE_DEFAULTS.statsLogInterval,
    production: options.production ?? process.env['NODE_ENV'] === 'production',
  };
}

/** The engine's share of the options. Makes the shared tier, which connects only when the cache starts. */
export function engineOptions(options: ResolvedCacheOptions): TieredCacheOptions {
  const engine: TieredCacheOptions = {
    name: options.name,
    prefix: options.prefix,
    remote: options.remote ?? remoteOf(options),
  };
  // Absent options stay absent, so that the engine's defaults stand.
  if (options.l1 !== undefined) engine.l1 = options.l1;
  if (options.stalenessBound !== undefined) engine.stalenessBound = options.stalenessBound;
  if (options.namespaces !== undefined) engine.namespaces = options.namespaces;
  if (options.defaults !== undefined) engine.defaults = options.defaults;
  if (options.classes !== undefined) engine.classes = options.classes;
  if (options.clock !== undefined) engine.clock = options.clock;
  if (options.random !== undefined) engine.random = options.random;
  return engine;
}

function remoteOf({ redis, prefix }: ResolvedCacheOptions): RemoteTier | null {
  if (redis === undefined || redis === null || redis === false) return null;
  return createRedisTier({ ...(typeof redis === 'string' ? { url: redis } : redis), prefix });
}

function check(
  options: CacheModuleOptions,
  key: keyof CacheModuleOptions,
  allowed: (value: unknown) => boolean,
): void {
  const value = options[key];
  if (value !== undefined && !allowed(value)) throw new InvalidOptionsError(key, value, OPTIONS[key]);
}

function checkRedis(value: unknown): void {
  if (value === undefined || value === null || value === false || isObject(value)) return;
  if (typeof value === 'string' && /^rediss?:\/\//.test(value)) return;
  // A mistyped URL may still hold a password.
  const shown = typeof value === 'string' ? value.replace(/\/\/[^@]*@/, '//***@') : value;
  throw new InvalidOptionsError('redis', shown, OPTIONS.redis);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
