import type { RedisTierOptions } from '../redis-options.js';
import type { RedisClusterOptions } from './redis-cluster-options.js';
import { resolveClusterOptions } from './resolve-cluster-options.js';

const resolve = (cluster: RedisClusterOptions, options: Partial<RedisTierOptions> = {}) =>
  resolveClusterOptions({ prefix: 'p', cluster, ...options });

describe('options of a cluster', () => {
  it('name nodes as objects or text, each once', () => {
    const nodes = [{ host: 'a' }, { host: 'b', port: 7_000 }, 'b:7000', 'c', '[::1]:7001'];
    expect(resolve({ nodes })).toMatchObject({
      seeds: ['a:6379', 'b:7000', 'c:6379', '::1:7001'],
      logShards: 4,
    });
  });

  it('keep user, password, TLS and timeouts for every node', () => {
    const { common } = resolve(
      { nodes: ['a'], logShards: 1 },
      { username: 'u', password: 'pw', tls: true, commandTimeout: '1s' },
    );
    expect(common).toMatchObject({
      commandTimeoutMs: 1_000,
      connection: { username: 'u', password: 'pw', tls: {} },
    });
  });

  it('map announced addresses by table or function, and leave others', () => {
    const table = resolve({ nodes: ['a'], natMap: { '10.0.0.1:6379': { host: 'out', port: 1 } } });
    expect([table.map('10.0.0.1:6379'), table.map('10.0.0.2:6379')]).toEqual(['out:1', '10.0.0.2:6379']);
    const called = resolve({
      nodes: ['a'],
      natMap: (announced) => (announced.startsWith('10.') ? { host: 'out' } : undefined),
    });
    expect([called.map('10.0.0.1:1'), called.map('h:2')]).toEqual(['out:6379', 'h:2']);
  });

  it.each<[string, unknown, Partial<RedisTierOptions>?]>([
    ['redis.cluster', null],
    ['redis.cluster.nodes', {}],
    ['redis.cluster.nodes', { nodes: [] }],
    ['redis.cluster.nodes', { nodes: [{ port: 1 }] }],
    ['redis.cluster.nodes', { nodes: ['h:x'] }],
    ['redis.cluster.nodes', { nodes: [{ host: 'h', port: 0 }] }],
    ['redis.cluster.logShards', { nodes: ['h'], logShards: 0 }],
    ['redis.cluster.logShards', { nodes: ['h'], logShards: 1.5 }],
    ['redis.cluster.natMap', { nodes: ['h'], natMap: 'x' }],
    ['redis.cluster.natMap', { nodes: ['h'], natMap: { 'a:1': {} } }],
    ['redis.host', { nodes: ['h'] }, { host: 'x' }],
    ['redis.url', { nodes: ['h'] }, { url: 'redis://:hunter2@h' }],
    ['redis.sentinels', { nodes: ['h'] }, { sentinels: [{ host: 'x' }] }],
    ['redis.db', { nodes: ['h'] }, { db: 1 }],
    ['redis.prefix', { nodes: ['h'] }, { prefix: '' }],
  ])('refuse a wrong %s, naming it: %j', (option, cluster, options = {}) => {
    expect(() =>
      resolveClusterOptions({ prefix: 'p', cluster: cluster as RedisClusterOptions, ...options }),
    ).toThrow(
      expect.objectContaining({
        code: 'STRATA_INVALID_OPTIONS',
        message: expect.stringContaining(`"${option}"`),
      }),
    );
  });

  it('show no password of a URL given as a node', () => {
    const create = () => resolveClusterOptions({ prefix: 'p', cluster: { nodes: ['redis://:hunter2@h:1'] } });
    expect(create).toThrow('redis.cluster.nodes');
    expect(create).not.toThrow('hunter2');
  });
});
