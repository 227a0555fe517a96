import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidOptionsError, TieredCache } from '#tiered-cache';
import { CACHE_ENV, cacheOptionsFromEnv, TTL_PROFILES, ttlProfilesFromEnv } from './cache.env.js';
import { tradingNamespaces } from './cache.namespaces.js';
import { engineOptions, resolveCacheOptions } from './cache.options.js';

describe('cacheOptionsFromEnv', () => {
  it('says embedded mode and the medium TTL for an empty environment', () => {
    expect(cacheOptionsFromEnv({})).toEqual({ defaults: { ttl: 1_800_000 } });
  });

  it('takes empty variables as absent', () => {
    const empty = Object.fromEntries(CACHE_ENV.map(({ name }) => [name, '']));
    expect(cacheOptionsFromEnv(empty)).toEqual(cacheOptionsFromEnv({}));
  });

  it('reads every variable', () => {
    expect(
      cacheOptionsFromEnv({
        REDIS_HOST: 'redis.internal',
        REDIS_PORT: '6380',
        REDIS_USERNAME: 'app',
        REDIS_PASSWORD: ' p@ss ',
        REDIS_DB: '2',
        REDIS_TLS: 'true',
        CACHE_PREFIX: 'shop',
        CACHE_TTL_MEDIUM: '60',
        CACHE_L1_MAX_ENTRIES: '500',
        CACHE_L1_MAX_BYTES: '1048576',
        CACHE_STALENESS_BOUND_MS: '250',
        CACHE_COMMAND_TIMEOUT_MS: '100',
        CACHE_CONNECT_TIMEOUT_MS: '900',
        CACHE_STATS_LOG_EVERY: '0',
        CACHE_STATS_LOG_INTERVAL_MS: '5000',
        CACHE_LOG_OPERATIONS: '0',
      }),
    ).toEqual({
      redis: {
        host: 'redis.internal',
        port: 6380,
        username: 'app',
        password: ' p@ss ',
        db: 2,
        tls: true,
        commandTimeout: 100,
        connectTimeout: 900,
      },
      prefix: 'shop',
      defaults: { ttl: 60_000 },
      l1: { maxEntries: 500, maxBytes: 1_048_576 },
      stalenessBound: 250,
      statsLogEvery: 0,
      statsLogInterval: 5_000,
      logOperations: false,
    });
  });

  it('completes a REDIS_URL with what it leaves open, and nothing else', () => {
    const url = (env: Record<string, string>) => (cacheOptionsFromEnv(env).redis as { url: string }).url;
    const extra = { REDIS_PASSWORD: 'a/b@c', REDIS_DB: '3', REDIS_HOST: 'ignored', REDIS_PORT: '1' };
    expect(url({ REDIS_URL: 'redis://cache:7000', ...extra })).toBe('redis://:a%2Fb%40c@cache:7000/3');
    expect(url({ REDIS_URL: 'rediss://u:p@cache/1', ...extra })).toBe('rediss://u:p@cache/1');
  });

  it('reads sentinels, whose credentials and TLS are their own', () => {
    expect(
      cacheOptionsFromEnv({
        CACHE_REDIS_SENTINELS: 'one:26380, two ,[::1]:26381',
        CACHE_REDIS_SENTINEL_NAME: 'main',
        CACHE_REDIS_SENTINEL_USERNAME: 'watch',
        CACHE_REDIS_SENTINEL_PASSWORD: ' other ',
        CACHE_REDIS_SENTINEL_TLS: '1',
        REDIS_PASSWORD: 'pw',
        REDIS_TLS: 'true',
      }).redis,
    ).toEqual({
      sentinels: [{ host: 'one', port: 26_380 }, { host: 'two' }, { host: '::1', port: 26_381 }],
      sentinelName: 'main',
      sentinelUsername: 'watch',
      sentinelPassword: ' other ',
      sentinelTls: true,
      password: 'pw',
      tls: true,
    });
  });

  it('refuses sentinels beside another address, or such as are none', () => {
    const sentinels = { CACHE_REDIS_SENTINELS: 'one', CACHE_REDIS_SENTINEL_NAME: 'main' };
    for (const [name, value] of [
      ['REDIS_URL', 'redis://:secret@h'],
      ['REDIS_HOST', 'h'],
      ['REDIS_PORT', '1'],
    ] as const) {
      expect(() => cacheOptionsFromEnv({ ...sentinels, [name]: value })).toThrow(name);
      expect(() => cacheOptionsFromEnv({ ...sentinels, [name]: value })).not.toThrow(/secret/);
    }
    for (const list of ['one:x', 'one,,two', 'redis://one', '::1'])
      expect(() => cacheOptionsFromEnv({ CACHE_REDIS_SENTINELS: list })).toThrow('host:port');
  });

  it('reads nodes of a cluster, which has one database and no other address', () => {
    const nodes = { CACHE_REDIS_CLUSTER_NODES: 'one:7000, two' };
    expect(cacheOptionsFromEnv({ ...nodes, REDIS_USERNAME: 'app', REDIS_TLS: 'true' }).redis).toEqual({
      cluster: { nodes: [{ host: 'one', port: 7_000 }, { host: 'two' }] },
      username: 'app',
      tls: true,
    });
    expect(() => cacheOptionsFromEnv({ ...nodes, REDIS_URL: 'redis://:secret@h' })).toThrow('REDIS_URL');
    expect(() => cacheOptionsFromEnv({ CACHE_REDIS_CLUSTER_NODES: 'one,,two' })).toThrow('host:port');
  });

  it('is accepted by the engine', async () => {
    for (const env of [
      {},
      { REDIS_URL: 'redis://cache:7000', REDIS_PASSWORD: 'a/b@c' },
      { REDIS_HOST: 'h' },
      { CACHE_REDIS_SENTINELS: 'one,two', CACHE_REDIS_SENTINEL_NAME: 'main' },
      { CACHE_REDIS_CLUSTER_NODES: 'one,[::1]:7000' },
    ])
      await new TieredCache(engineOptions(resolveCacheOptions(cacheOptionsFromEnv(env)))).close();
  });

  it.each([
    ['REDIS_PORT', '70000', '1 to 65535 (port)'],
    ['REDIS_DB', '-1', 'whole number'],
    ['REDIS_TLS', 'yes', 'true, false, 1 or 0'],
    ['CACHE_TTL_SHORT', '5m', '(seconds)'],
    ['CACHE_TTL_MEDIUM', '0', '(seconds)'],
    ['CACHE_TTL_LONG', '1e3', '(seconds)'],
    ['CACHE_TTL_VERY_LONG', '1.5', '(seconds)'],
    ['CACHE_L1_MAX_ENTRIES', '0', '(entries)'],
    ['CACHE_L1_MAX_BYTES', '100', '(bytes)'],
    ['CACHE_STALENESS_BOUND_MS', '10', '50 to 60000 (milliseconds)'],
    ['CACHE_COMMAND_TIMEOUT_MS', '1', '(milliseconds)'],
    ['CACHE_CONNECT_TIMEOUT_MS', 'fast', '(milliseconds)'],
    ['CACHE_STATS_LOG_EVERY', '-5', '(operations)'],
    ['CACHE_STATS_LOG_INTERVAL_MS', 'x', '(milliseconds)'],
    ['CACHE_LOG_OPERATIONS', 'on', 'true, false, 1 or 0'],
  ])('refuses %s=%s, naming variable, value and what is allowed', (name, value, allowed) => {
    const read = () => cacheOptionsFromEnv({ [name]: value });
    expect(read).toThrow(InvalidOptionsError);
    expect(read).toThrow(name);
    expect(read).toThrow(value);
    expect(read).toThrow(allowed);
  });

  it('never shows a URL, which may hold a password', () => {
    for (const url of ['http://:secret@cache', 'redis//:secret@cache', 'redis://:secret@cache:port'])
      try {
        cacheOptionsFromEnv({ REDIS_URL: url });
        throw new Error('accepted');
      } catch (error) {
        expect(String(error)).toContain('REDIS_URL');
        expect(String(error)).not.toContain('secret');
      }
  });
});

describe('TTL profiles', () => {
  it('are 5 minutes, 30 minutes, 1 hour and 24 hours', () => {
    expect(ttlProfilesFromEnv({})).toEqual(TTL_PROFILES);
    expect(Object.values(TTL_PROFILES).map((ms) => ms / 60_000)).toEqual([5, 30, 60, 1440]);
  });

  it('follow the environment into the namespaces that use them', () => {
    const profiles = ttlProfilesFromEnv({ CACHE_TTL_SHORT: '7', CACHE_TTL_VERY_LONG: '9' });
    const namespaces = tradingNamespaces(profiles);
    expect(namespaces.accounts.ttl).toBe(7_000);
    expect(namespaces.ohlc.ttl).toBe(9_000);
    expect(namespaces.symbols.ttl).toBe(3_600_000);
    expect(namespaces.prices).toMatchObject({ ttl: '1s', consistency: 'local' });
  });

  it('namespaces are accepted by the engine, embedded and with a shared tier', async () => {
    const namespaces = tradingNamespaces();
    const embedded = new TieredCache({ namespaces });
    const shared = new TieredCache(
      engineOptions(resolveCacheOptions({ namespaces, redis: 'redis://127.0.0.1:1' })),
    );
    expect(embedded.namespaces).toEqual(shared.namespaces);
    expect(embedded.namespace('symbols').keyOf('btc')).toBe(embedded.namespace('symbols').keyOf('BTC'));
    await embedded.close();
    await shared.close();
  });
});

describe('.env.example', () => {
  const lines = readFileSync(join(import.meta.dirname, '../.env.example'), 'utf8').split('\n');

  it.each(CACHE_ENV.map((one) => [one.name, one] as const))('lists %s with its default', (name, one) => {
    const line = lines.find((text) => text.replace(/^#\s*/, '').startsWith(`${name}=`));
    expect(line?.replace(/^#\s*/, '').split(/\s+#/)[0]).toBe(`${name}=${one.default}`);
  });

  it('sets nothing by being copied but what is there by default', () => {
    const env = Object.fromEntries(
      lines.filter((line) => /^[A-Z_]+=/.test(line)).map((line) => line.split('=', 2) as [string, string]),
    );
    expect(cacheOptionsFromEnv(env)).toEqual(cacheOptionsFromEnv({}));
  });
});
