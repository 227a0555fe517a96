import type { Redis, RedisOptions } from 'ioredis';
import { type Duration, durationMs } from '../../duration.js';
import { InvalidOptionsError } from '../../errors.js';
import { wantsReconnect } from './redis-errors.js';
import type { RedisClusterOptions } from './cluster/redis-cluster-options.js';
import { checkInteger, checkText, credentials, tlsOptions, type TlsOptions } from './redis-option-checks.js';
import { sentinelConnection, type SentinelOptions } from './redis-sentinel.js';

/** Options of the Redis tier. Either `url`, or host, port and so on, or `sentinels` and a name. */
export interface RedisTierOptions extends SentinelOptions {
  /** First part of every key: letters, digits, `_ . - :`. Caches of one prefix share entries and log. */
  prefix: string;
  /** `redis://[user[:password]@]host[:port][/db]`, `rediss://` for TLS. */
  url?: string;
  /** Default 'localhost'. */
  host?: string;
  /** Default 6379. */
  port?: number;
  /** Redis Cluster, instead of all of these. */
  cluster?: RedisClusterOptions;
  username?: string;
  /** Never shown in errors, logs or `describe()`. */
  password?: string;
  /** Default 0. */
  db?: number;
  /** True, or options of tls.connect. */
  tls?: boolean | TlsOptions;
  /** Longest wait for an answer; 10 ms to 60 s. Default 250 ms. */
  commandTimeout?: Duration;
  /** Longest wait for a connection; 10 ms to 60 s. Default 1 s. */
  connectTimeout?: Duration;
  /** Records the invalidation log keeps at least (`MAXLEN ~`); 100 or more. Default 10,000. */
  logMaxLength?: number;
  /**
   * Makes the clients instead: called once per connection (two) with the settings to build on. Those that the
   * protocol depends on (timeouts, no offline queue, no resends, own reconnecting) are set on what it returns.
   */
  client?: (settings: RedisOptions) => Redis;
}

export interface ResolvedRedisOptions {
  prefix: string;
  /** host:port, or `sentinel <name>`. */
  endpoint: string;
  connection: RedisOptions;
  commandTimeoutMs: number;
  connectTimeoutMs: number;
  logMaxLength: number;
  client: ((settings: RedisOptions) => Redis) | undefined;
}

const PREFIX = /^[\w.:-]{1,64}$/;

/** @throws InvalidOptionsError naming the option; passwords are never part of it. */
export function resolveRedisOptions(options: RedisTierOptions): ResolvedRedisOptions {
  const { prefix, client, logMaxLength = 10_000 } = options;
  if (typeof prefix !== 'string' || !PREFIX.test(prefix))
    throw new InvalidOptionsError(
      'redis.prefix',
      prefix,
      '1 to 64 letters, digits, dots, colons, dashes, underscores',
    );
  if (client !== undefined && typeof client !== 'function')
    throw new InvalidOptionsError('redis.client', client, 'a function that returns an ioredis client');
  checkInteger('redis.logMaxLength', logMaxLength, 100, 100_000_000);
  const connectTimeoutMs = span('redis.connectTimeout', options.connectTimeout ?? 1_000);
  const { endpoint, connection } = sentinelConnection(options, connectTimeoutMs) ?? oneServer(options);
  return {
    prefix,
    endpoint,
    connection: { ...connection, ...tlsOf(options) },
    commandTimeoutMs: span('redis.commandTimeout', options.commandTimeout ?? 250),
    connectTimeoutMs,
    logMaxLength,
    client,
  };
}

/**
 * What every connection needs, said explicitly so that ioredis 5 and 6 behave alike: a command is answered, refused
 * or timed out, and never kept or sent again by the client; losing the server costs at most half a second of backoff.
 */
export function protocolSettings(
  options: ResolvedRedisOptions,
  commandTimeoutMs: number,
): RedisOptions & { protocol: 2; replyMapping: 'legacy' } {
  return {
    connectTimeout: options.connectTimeoutMs,
    // For the client's own commands (AUTH, the ready check); ours have deadlines that know a busy event loop.
    commandTimeout: Math.max(1_000, 4 * commandTimeoutMs + 100),
    // How long a closing socket may wait for the other side's goodbye; a stopped server sends none.
    disconnectTimeout: 20,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableAutoPipelining: false,
    enableReadyCheck: true,
    maxLoadingRetryTime: 250,
    retryStrategy: backoff,
    reconnectOnError: (error) => wantsReconnect(error),
    keepAlive: 10_000,
    noDelay: true,
    // ioredis 6 only: RESP3 is its default, and reshapes replies.
    protocol: 2,
    replyMapping: 'legacy',
  };
}

/** 25-50 ms, doubling to 250-500 ms; jittered, so that a fleet does not come back in one instant. */
export function backoff(attempt: number): number {
  const ceiling = Math.min(50 * 2 ** Math.min(attempt - 1, 10), 500);
  return Math.round(ceiling * (0.5 + Math.random() / 2));
}

function oneServer(options: RedisTierOptions): { endpoint: string; connection: RedisOptions } {
  const connection = address(options);
  return { endpoint: `${connection.host}:${connection.port}`, connection };
}

function address(options: RedisTierOptions): RedisOptions & { host: string; port: number } {
  const { url, host = 'localhost', port = 6379, username, password, db = 0 } = options;
  if (url !== undefined) {
    for (const name of ['host', 'port', 'username', 'password', 'db'] as const)
      if (options[name] !== undefined)
        throw new InvalidOptionsError(
          `redis.${name}`,
          name === 'password' ? '***' : options[name],
          'not beside redis.url',
        );
    return fromUrl(url);
  }
  if (typeof host !== 'string' || host === '')
    throw new InvalidOptionsError('redis.host', host, 'a host name or address');
  checkInteger('redis.port', port, 1, 65_535);
  checkInteger('redis.db', db, 0, 1_000_000);
  checkText('redis.username', username);
  checkText('redis.password', password);
  return { host, port, db, ...credentials(username, password) };
}

function fromUrl(url: unknown): RedisOptions & { host: string; port: number } {
  const allowed = 'redis://[user[:password]@]host[:port][/db], or rediss://';
  // The value is not shown: even a malformed URL may hold a password.
  const refuse = (): InvalidOptionsError => new InvalidOptionsError('redis.url', '(not shown)', allowed);
  if (typeof url !== 'string' || !/^rediss?:\/\//.test(url) || !URL.canParse(url)) throw refuse();
  const { hostname, port, username, password, pathname } = new URL(url);
  const path = /^\/?(\d*)$/.exec(pathname);
  if (!path) throw refuse();
  try {
    return {
      host: decodeURIComponent(hostname).replace(/^\[(.*)\]$/, '$1') || 'localhost',
      port: port === '' ? 6379 : Number(port),
      db: Number(path[1]),
      ...credentials(decodeURIComponent(username) || undefined, decodeURIComponent(password) || undefined),
    };
  } catch {
    throw refuse(); // decodeURIComponent: a stray %
  }
}

function tlsOf({ tls, url }: RedisTierOptions): RedisOptions {
  const options = tlsOptions('redis.tls', tls) ?? (url?.startsWith('rediss:') ? {} : undefined);
  return options ? { tls: options } : {};
}

function span(option: string, value: unknown): number {
  const ms = durationMs(value);
  if (!(ms >= 10 && ms <= 60_000))
    throw new InvalidOptionsError(option, value, "10 ms to 60 s ('250ms', '1s', 250)");
  return ms;
}
