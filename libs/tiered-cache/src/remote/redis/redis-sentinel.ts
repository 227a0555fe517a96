import type { RedisOptions } from 'ioredis';
import { InvalidOptionsError } from '../../errors.js';
import { checkInteger, checkText, credentials, tlsOptions, type TlsOptions } from './redis-option-checks.js';
import type { RedisTierOptions } from './redis-options.js';

/** Where a sentinel listens. */
export interface SentinelAddress {
  host: string;
  /** Default 26379. */
  port?: number;
}

/** A master found by asking sentinels, instead of `url` or `host` and `port`. */
export interface SentinelOptions {
  /** One or more; the others of the group are learnt from them. */
  sentinels?: readonly SentinelAddress[];
  /** What the sentinels call the master, as in `sentinel monitor <name>`. */
  sentinelName?: string;
  /** Of the sentinels themselves; `username` and `password` are the data servers'. */
  sentinelUsername?: string;
  /** Never shown in errors, logs or `describe()`. */
  sentinelPassword?: string;
  /** TLS to the sentinels: true, or options of tls.connect. `tls` is for the data servers. */
  sentinelTls?: boolean | TlsOptions;
}

const OWN = ['sentinelName', 'sentinelUsername', 'sentinelPassword', 'sentinelTls'] as const;
/** Between two attempts to hear of failovers from a sentinel that is away; the others are heard meanwhile. */
const LISTEN_AGAIN_MS = 2_000;

/**
 * The settings for ioredis; undefined when no sentinels are given.
 * @throws InvalidOptionsError
 */
export function sentinelConnection(
  options: RedisTierOptions,
  connectTimeoutMs: number,
): { endpoint: string; connection: RedisOptions } | undefined {
  const { sentinels, sentinelName, username, password, db = 0 } = options;
  if (sentinels === undefined) {
    for (const name of OWN)
      if (options[name] !== undefined)
        throw new InvalidOptionsError(
          `redis.${name}`,
          shown(name, options[name]),
          'only beside redis.sentinels',
        );
    return undefined;
  }
  for (const name of ['url', 'host', 'port'] as const)
    if (options[name] !== undefined)
      // A URL may hold a password.
      throw new InvalidOptionsError(
        `redis.${name}`,
        name === 'url' ? '(not shown)' : options[name],
        'not beside redis.sentinels',
      );
  if (typeof sentinelName !== 'string' || sentinelName === '')
    throw new InvalidOptionsError('redis.sentinelName', sentinelName, 'the name that the sentinels monitor');
  checkInteger('redis.db', db, 0, 1_000_000);
  for (const name of ['username', 'password', 'sentinelUsername', 'sentinelPassword'] as const)
    checkText(`redis.${name}`, options[name]);
  const sentinelTLS = tlsOptions('redis.sentinelTls', options.sentinelTls);
  return {
    endpoint: `sentinel ${sentinelName}`,
    connection: {
      sentinels: addresses(sentinels),
      name: sentinelName,
      role: 'master',
      db,
      ...credentials(username, password),
      ...(options.sentinelUsername ? { sentinelUsername: options.sentinelUsername } : {}),
      ...(options.sentinelPassword ? { sentinelPassword: options.sentinelPassword } : {}),
      ...(sentinelTLS ? { sentinelTLS } : {}),
      // Says whether `tls` holds for what the sentinels name.
      enableTLSForSentinelMode: true,
      // A master that only hangs keeps its sockets open: the sentinels' word ends them.
      failoverDetector: true,
      // Once through all of them is one attempt; then the state says why, and the connection's own loop tries again.
      sentinelRetryStrategy: () => null,
      sentinelReconnectStrategy: () => LISTEN_AGAIN_MS,
      // One that hangs must not keep the next from being asked.
      sentinelCommandTimeout: connectTimeoutMs,
    },
  };
}

function addresses(sentinels: unknown): { host: string; port: number }[] {
  const allowed = 'a list of { host, port }, at least one';
  if (!Array.isArray(sentinels) || sentinels.length === 0)
    throw new InvalidOptionsError('redis.sentinels', sentinels, allowed);
  return sentinels.map((one: unknown, i) => {
    const { host, port = 26_379 } = (one ?? {}) as Partial<SentinelAddress>;
    if (typeof host !== 'string' || host === '')
      throw new InvalidOptionsError(`redis.sentinels[${i}]`, one, allowed);
    checkInteger(`redis.sentinels[${i}].port`, port, 1, 65_535);
    return { host, port };
  });
}

function shown(name: string, value: unknown): unknown {
  return name === 'sentinelPassword' ? '***' : value;
}
