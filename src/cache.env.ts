import { DEFAULTS, InvalidOptionsError } from '#tiered-cache';
import { CACHE_DEFAULTS, type CacheModuleOptions, type RedisOptions } from './cache.options.js';

type Env = Record<string, string | undefined>;

/** Four lives to choose from, milliseconds. */
export interface TtlProfiles {
  short: number;
  medium: number;
  long: number;
  veryLong: number;
}

/** 5 minutes, 30 minutes, 1 hour, 24 hours. */
export const TTL_PROFILES: Readonly<TtlProfiles> = {
  short: 300_000,
  medium: 1_800_000,
  long: 3_600_000,
  veryLong: 86_400_000,
};

/** A variable of the environment, for `.env.example` and the documentation. */
export interface CacheEnvVariable {
  readonly name: string;
  readonly unit: string;
  /** As it would be written; empty: absent. */
  readonly default: string;
  readonly meaning: string;
}

/** Every variable that `cacheOptionsFromEnv` and `ttlProfilesFromEnv` read. */
export const CACHE_ENV: readonly CacheEnvVariable[] = [
  variable('REDIS_URL', 'url', '', 'redis://[user[:password]@]host[:port][/db], or rediss:// for TLS'),
  variable('REDIS_HOST', 'text', '', 'host of Redis, when there is no REDIS_URL; neither: embedded mode'),
  variable('REDIS_PORT', 'port', '6379', 'port, beside REDIS_HOST'),
  variable('REDIS_USERNAME', 'text', '', 'ACL user; REDIS_URL wins if it names one'),
  variable('REDIS_PASSWORD', 'text', '', 'password; REDIS_URL wins if it holds one'),
  variable('REDIS_DB', 'number', '0', 'database; REDIS_URL wins if it names one'),
  variable('REDIS_TLS', 'boolean', 'false', 'TLS without rediss://'),
  variable('CACHE_REDIS_SENTINELS', 'list', '', 'host:port,host:port instead of REDIS_URL and REDIS_HOST'),
  variable('CACHE_REDIS_SENTINEL_NAME', 'text', '', 'what the sentinels call the master'),
  variable('CACHE_REDIS_SENTINEL_USERNAME', 'text', '', 'ACL user on the sentinels'),
  variable('CACHE_REDIS_SENTINEL_PASSWORD', 'text', '', 'password of the sentinels'),
  variable('CACHE_REDIS_SENTINEL_TLS', 'boolean', 'false', 'TLS to the sentinels; REDIS_TLS is for the servers they name'), // prettier-ignore
  variable('CACHE_REDIS_CLUSTER_NODES', 'list', '', 'host:port,host:port of some nodes of a Redis Cluster, instead of REDIS_URL and REDIS_HOST'), // prettier-ignore
  variable('CACHE_PREFIX', 'text', CACHE_DEFAULTS.prefix, 'first part of every key in the shared tier'),
  variable('CACHE_TTL_SHORT', 'seconds', '300', 'TTL profile: 5 minutes'),
  variable('CACHE_TTL_MEDIUM', 'seconds', '1800', 'TTL profile: 30 minutes; the default TTL'),
  variable('CACHE_TTL_LONG', 'seconds', '3600', 'TTL profile: 1 hour'),
  variable('CACHE_TTL_VERY_LONG', 'seconds', '86400', 'TTL profile: 24 hours'),
  variable('CACHE_L1_MAX_ENTRIES', 'entries', String(DEFAULTS.maxEntries), 'budget of the in-process tier'),
  variable('CACHE_L1_MAX_BYTES', 'bytes', String(DEFAULTS.maxBytes), 'budget of the in-process tier'),
  variable('CACHE_STALENESS_BOUND_MS', 'milliseconds', String(DEFAULTS.stalenessBoundMs), 'oldest an in-process value may be after a write elsewhere'), // prettier-ignore
  variable('CACHE_COMMAND_TIMEOUT_MS', 'milliseconds', '250', 'longest wait for an answer of Redis'),
  variable('CACHE_CONNECT_TIMEOUT_MS', 'milliseconds', '1000', 'longest wait for a connection to Redis'),
  variable('CACHE_STATS_LOG_EVERY', 'operations', String(CACHE_DEFAULTS.statsLogEvery), 'a statistics line after so many operations; 0: none'), // prettier-ignore
  variable('CACHE_STATS_LOG_INTERVAL_MS', 'milliseconds', String(CACHE_DEFAULTS.statsLogInterval), 'least time between two such lines'), // prettier-ignore
  variable('CACHE_LOG_OPERATIONS', 'boolean', '', 'every operation at DEBUG; default: outside production, while DEBUG is on'), // prettier-ignore
];

/**
 * The options that the environment says. An empty variable counts as absent, as in a shell's `${VAR:-default}`.
 * @throws InvalidOptionsError naming the variable, its value (never a password or URL) and what is allowed
 */
export function cacheOptionsFromEnv(env: Env = process.env): CacheModuleOptions {
  const options: CacheModuleOptions = { defaults: { ttl: ttlProfilesFromEnv(env).medium } };
  const redis = redisFromEnv(env);
  if (redis !== null) options.redis = redis;
  set(options, 'prefix', text(env, 'CACHE_PREFIX'));
  const maxEntries = whole(env, 'CACHE_L1_MAX_ENTRIES', 1, 16_000_000);
  const maxBytes = whole(env, 'CACHE_L1_MAX_BYTES', 1_024, Number.MAX_SAFE_INTEGER);
  if (maxEntries !== undefined || maxBytes !== undefined)
    options.l1 = {
      ...(maxEntries !== undefined && { maxEntries }),
      ...(maxBytes !== undefined && { maxBytes }),
    };
  set(options, 'stalenessBound', whole(env, 'CACHE_STALENESS_BOUND_MS', 50, 60_000));
  set(options, 'statsLogEvery', whole(env, 'CACHE_STATS_LOG_EVERY', 0, Number.MAX_SAFE_INTEGER));
  set(options, 'statsLogInterval', whole(env, 'CACHE_STATS_LOG_INTERVAL_MS', 0, 86_400_000));
  set(options, 'logOperations', flag(env, 'CACHE_LOG_OPERATIONS'));
  return options;
}

/** CACHE_TTL_SHORT, _MEDIUM, _LONG and _VERY_LONG, in seconds. @throws InvalidOptionsError */
export function ttlProfilesFromEnv(env: Env = process.env): TtlProfiles {
  const seconds = (name: string): number | undefined => {
    const value = whole(env, name, 1, 315_360_000);
    return value === undefined ? undefined : value * 1_000;
  };
  return {
    short: seconds('CACHE_TTL_SHORT') ?? TTL_PROFILES.short,
    medium: seconds('CACHE_TTL_MEDIUM') ?? TTL_PROFILES.medium,
    long: seconds('CACHE_TTL_LONG') ?? TTL_PROFILES.long,
    veryLong: seconds('CACHE_TTL_VERY_LONG') ?? TTL_PROFILES.veryLong,
  };
}

function redisFromEnv(env: Env): RedisOptions | null {
  const url = text(env, 'REDIS_URL');
  const host = text(env, 'REDIS_HOST');
  const port = whole(env, 'REDIS_PORT', 1, 65_535);
  const username = text(env, 'REDIS_USERNAME');
  // Not trimmed: blanks may belong to it.
  const password = env['REDIS_PASSWORD'] || undefined;
  const db = whole(env, 'REDIS_DB', 0, 1_000_000);
  const tls = flag(env, 'REDIS_TLS');
  const commandTimeout = whole(env, 'CACHE_COMMAND_TIMEOUT_MS', 10, 60_000);
  const connectTimeout = whole(env, 'CACHE_CONNECT_TIMEOUT_MS', 10, 60_000);
  const elsewhere = { ...sentinelsFromEnv(env), ...clusterFromEnv(env) };
  if (url === undefined && host === undefined && Object.keys(elsewhere).length === 0) return null;
  const options: RedisOptions = elsewhere;
  if (url !== undefined) options.url = completeUrl(url, { username, password, db });
  else {
    set(options, 'host', host);
    set(options, 'port', port);
    set(options, 'username', username);
    set(options, 'password', password);
    set(options, 'db', db);
  }
  if (tls === true) options.tls = true;
  set(options, 'commandTimeout', commandTimeout);
  set(options, 'connectTimeout', connectTimeout);
  return options;
}

/** Null when CACHE_REDIS_CLUSTER_NODES is absent. */
function clusterFromEnv(env: Env): RedisOptions | null {
  const nodes = addressList(env, 'CACHE_REDIS_CLUSTER_NODES');
  return nodes && { cluster: { nodes } };
}

/** A list that takes the place of the other addresses; null when it is absent. */
function addressList(env: Env, option: string): { host: string; port?: number }[] | null {
  const list = text(env, option);
  if (list === undefined) return null;
  for (const name of ['REDIS_URL', 'REDIS_HOST', 'REDIS_PORT'])
    if (text(env, name) !== undefined)
      throw new InvalidOptionsError(name, '(not shown)', `not beside ${option}`);
  return list.split(',').map((one) => {
    const [, v6, name, port] = /^(?:\[([^\]\s]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(one.trim()) ?? [];
    const host = v6 ?? name;
    if (host === undefined) throw new InvalidOptionsError(option, list, 'host:port,host:port');
    return { host, ...(port !== undefined && { port: Number(port) }) };
  });
}

/** Null when CACHE_REDIS_SENTINELS is absent; the others count only beside it. */
function sentinelsFromEnv(env: Env): RedisOptions | null {
  const sentinels = addressList(env, 'CACHE_REDIS_SENTINELS');
  if (sentinels === null) return null;
  const options: RedisOptions = { sentinels };
  set(options, 'sentinelName', text(env, 'CACHE_REDIS_SENTINEL_NAME'));
  set(options, 'sentinelUsername', text(env, 'CACHE_REDIS_SENTINEL_USERNAME'));
  set(options, 'sentinelPassword', env['CACHE_REDIS_SENTINEL_PASSWORD'] || undefined);
  if (flag(env, 'CACHE_REDIS_SENTINEL_TLS') === true) options.sentinelTls = true;
  return options;
}

interface UrlParts {
  username: string | undefined;
  password: string | undefined;
  db: number | undefined;
}

/** Adds what the URL leaves open. */
function completeUrl(url: string, { username, password, db }: UrlParts): string {
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url))
    throw new InvalidOptionsError('REDIS_URL', '(not shown)', CACHE_ENV[0]!.meaning);
  const parsed = new URL(url);
  if (parsed.username === '' && parsed.password === '') {
    if (username !== undefined) parsed.username = encodeURIComponent(username);
    if (password !== undefined) parsed.password = encodeURIComponent(password);
  }
  if (db !== undefined && /^\/?$/.test(parsed.pathname)) parsed.pathname = `/${db}`;
  return parsed.href;
}

function text(env: Env, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

function whole(env: Env, name: string, min: number, max: number): number | undefined {
  const value = text(env, name);
  if (value === undefined) return undefined;
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  const { unit } = CACHE_ENV.find((one) => one.name === name)!;
  throw new InvalidOptionsError(name, value, `a whole number from ${min} to ${max} (${unit})`);
}

function flag(env: Env, name: string): boolean | undefined {
  const value = text(env, name)?.toLowerCase();
  if (value === undefined) return undefined;
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw new InvalidOptionsError(name, value, 'true, false, 1 or 0');
}

function set<T, K extends keyof T>(options: T, key: K, value: T[K] | undefined): void {
  if (value !== undefined) options[key] = value;
}

function variable(name: string, unit: string, fallback: string, meaning: string): CacheEnvVariable {
  return { name, unit, default: fallback, meaning };
}
