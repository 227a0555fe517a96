import { inspect } from 'node:util';
import { backoff, protocolSettings, resolveRedisOptions, type RedisTierOptions } from './redis-options.js';
import { createRedisTier } from './redis-tier.js';

const resolve = (options: Partial<RedisTierOptions>) => resolveRedisOptions({ prefix: 'p', ...options });
const sentinel = { sentinels: [{ host: 's1', port: 26_380 }, { host: 's2' }], sentinelName: 'main' };

describe('options of the Redis tier', () => {
  it('have defaults', () => {
    expect(resolve({})).toMatchObject({
      endpoint: 'localhost:6379',
      commandTimeoutMs: 250,
      connectTimeoutMs: 1_000,
      logMaxLength: 10_000,
      connection: { host: 'localhost', port: 6379, db: 0 },
    });
  });

  it.each([
    ['redis://h:7000/3', { host: 'h', port: 7_000, db: 3 }],
    ['redis://h', { host: 'h', port: 6_379, db: 0 }],
    ['redis://[::1]:7000', { host: '::1', port: 7_000 }],
    ['redis://us%40er:p%3Aw@h', { username: 'us@er', password: 'p:w' }],
    ['redis://:pw@h', { password: 'pw' }],
    ['rediss://h', { tls: {} }],
  ])('read %s', (url, connection) => {
    expect(resolve({ url }).connection).toMatchObject(connection);
  });

  it('find a master by its sentinels, whose credentials and TLS are their own', () => {
    const { endpoint, connection } = resolve({
      ...sentinel,
      username: 'app',
      password: 'pw',
      db: 2,
      tls: true,
      sentinelUsername: 'watch',
      sentinelPassword: 'other',
      sentinelTls: { ca: 'PEM' },
    });
    expect(endpoint).toBe('sentinel main');
    expect(connection).toMatchObject({
      sentinels: [
        { host: 's1', port: 26_380 },
        { host: 's2', port: 26_379 },
      ],
      name: 'main',
      role: 'master',
      db: 2,
      username: 'app',
      password: 'pw',
      tls: {},
      enableTLSForSentinelMode: true,
      sentinelUsername: 'watch',
      sentinelPassword: 'other',
      sentinelTLS: { ca: 'PEM' },
      failoverDetector: true,
      sentinelCommandTimeout: 1_000,
    });
    expect(connection).not.toHaveProperty('host');
    const plain = resolve(sentinel).connection;
    expect(plain).not.toHaveProperty('tls');
    expect(plain).not.toHaveProperty('sentinelTLS');
  });

  it.each<[string, Partial<RedisTierOptions>]>([
    ['redis.prefix', { prefix: '' }],
    ['redis.prefix', { prefix: 'a/b' }],
    ['redis.prefix', { prefix: 'a{b}' }],
    ['redis.url', { url: 'http://h' }],
    ['redis.url', { url: 'redis://h/db' }],
    ['redis.host', { url: 'redis://h', host: 'x' }],
    ['redis.host', { host: '' }],
    ['redis.port', { port: 0 }],
    ['redis.port', { port: Number.NaN }],
    ['redis.db', { db: -1 }],
    ['redis.db', { db: 1.5 }],
    ['redis.commandTimeout', { commandTimeout: 0 }],
    ['redis.commandTimeout', { commandTimeout: 'soon' as never }],
    ['redis.connectTimeout', { connectTimeout: '5m' }],
    ['redis.logMaxLength', { logMaxLength: 10 }],
    ['redis.tls', { tls: 'yes' as never }],
    ['redis.client', { client: {} as never }],
    ['redis.url', { ...sentinel, url: 'redis://h' }],
    ['redis.host', { ...sentinel, host: 'h' }],
    ['redis.port', { ...sentinel, port: 6_379 }],
    ['redis.db', { ...sentinel, db: -1 }],
    ['redis.sentinels', { ...sentinel, sentinels: [] }],
    ['redis.sentinels', { ...sentinel, sentinels: 'h:26379' as never }],
    ['redis.sentinels[1]', { ...sentinel, sentinels: [{ host: 's' }, { port: 1 } as never] }],
    ['redis.sentinels[0].port', { ...sentinel, sentinels: [{ host: 's', port: 0 }] }],
    ['redis.sentinelName', { sentinels: [{ host: 's' }] }],
    ['redis.sentinelName', { sentinelName: 'main' }],
    ['redis.sentinelTls', { ...sentinel, sentinelTls: 'yes' as never }],
    ['redis.sentinelUsername', { ...sentinel, sentinelUsername: 1 as never }],
  ])('refuse a wrong %s, naming it', (option, options) => {
    expect(() => createRedisTier({ prefix: 'p', ...options })).toThrow(
      expect.objectContaining({
        code: 'STRATA_INVALID_OPTIONS',
        message: expect.stringContaining(`"${option}"`),
      }),
    );
  });

  it.each<Partial<RedisTierOptions>>([
    { url: 'redis://:hunter2@h/x' },
    { url: 'htp://:hunter2@h' },
    { url: 'redis://:hunter2%@h' },
    { url: 'redis://h', password: 'hunter2' },
    { password: ['hunter2'] as never },
    { password: 'hunter2', port: -1 },
    { sentinelPassword: 'hunter2' },
    { ...sentinel, url: 'redis://:hunter2@h' },
    { ...sentinel, sentinelPassword: ['hunter2'] as never },
  ])('never show a password in an error: %#', (options) => {
    let thrown: unknown;
    try {
      resolve(options);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'STRATA_INVALID_OPTIONS' });
    expect(inspect(thrown, { depth: 9, showHidden: true }).split('\n    at ')[0]).not.toContain('hunter2');
  });

  it('keep a tier from showing its password before it is started', async () => {
    const tier = createRedisTier({ prefix: 'p', url: 'redis://:hunter2@h' });
    expect(JSON.stringify(await tier.describe())).not.toContain('hunter2');
  });

  it('forbid the client to keep or resend commands, and say what ioredis 5 and 6 default differently', () => {
    expect(protocolSettings(resolve({}), 250)).toMatchObject({
      commandTimeout: 1_100,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      enableAutoPipelining: false,
      keepAlive: 10_000,
      protocol: 2,
      replyMapping: 'legacy',
    });
  });

  it('wait at most half a second between attempts, at random', () => {
    const waits = Array.from({ length: 200 }, (_, i) => backoff(i + 1));
    expect(Math.max(...waits)).toBeLessThanOrEqual(500);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(25);
    expect(new Set(waits.slice(20)).size).toBeGreaterThan(20);
  });
});
