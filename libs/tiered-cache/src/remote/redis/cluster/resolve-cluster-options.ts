import { InvalidOptionsError } from '../../../errors.js';
import { checkInteger } from '../redis-option-checks.js';
import { type RedisTierOptions, type ResolvedRedisOptions, resolveRedisOptions } from '../redis-options.js';
import type { ClusterNode } from './redis-cluster-options.js';
import { type Address, type AddressMap, splitAddress } from './topology.js';

export interface ResolvedClusterOptions {
  /** What holds for every connection; host and port are those of the node. */
  common: ResolvedRedisOptions;
  seeds: readonly Address[];
  map: AddressMap;
  logShards: number;
}

const ONE_SERVER = ['url', 'host', 'port', 'sentinels'] as const;

/** @throws InvalidOptionsError naming the option; passwords are never part of it. */
export function resolveClusterOptions(options: RedisTierOptions): ResolvedClusterOptions {
  const { cluster, ...rest } = options;
  if (typeof cluster !== 'object' || cluster === null)
    throw new InvalidOptionsError('redis.cluster', cluster, '{ nodes: [{ host, port }] }');
  for (const name of ONE_SERVER)
    if (rest[name] !== undefined)
      // A URL may hold a password.
      throw new InvalidOptionsError(
        `redis.${name}`,
        name === 'url' ? '(not shown)' : rest[name],
        'not beside redis.cluster',
      );
  if (rest.db !== undefined && rest.db !== 0)
    throw new InvalidOptionsError('redis.db', rest.db, '0: a cluster has no other database');
  const { nodes, natMap, logShards = 4 } = cluster;
  checkInteger('redis.cluster.logShards', logShards, 1, 16);
  if (!Array.isArray(nodes) || nodes.length === 0)
    throw new InvalidOptionsError('redis.cluster.nodes', nodes, ALLOWED);
  const seeds = [...new Set(nodes.map((node) => addressOf('redis.cluster.nodes', node)))];
  return { common: resolveRedisOptions(rest), seeds, map: addressMap(natMap), logShards };
}

const ALLOWED = "a list of { host, port } or 'host:port', at least one";

function addressOf(option: string, node: unknown): Address {
  const refuse = (): InvalidOptionsError => new InvalidOptionsError(option, node, ALLOWED);
  if (typeof node === 'string') {
    // Not a URL: those may hold passwords, and each node would have its own.
    if (/[/@\s]/.test(node)) throw new InvalidOptionsError(option, '(not shown)', ALLOWED);
    const { host, port } = node.includes(':') ? splitAddress(node) : { host: node, port: 6_379 };
    if (host === '' || !isPort(port)) throw refuse();
    return `${host}:${port}`;
  }
  const { host, port = 6_379 } = (node ?? {}) as Partial<ClusterNode>;
  if (typeof host !== 'string' || host === '' || !isPort(port)) throw refuse();
  return `${host}:${port}`;
}

function isPort(port: unknown): boolean {
  return Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65_535;
}

function addressMap(natMap: unknown): AddressMap {
  const option = 'redis.cluster.natMap';
  if (natMap === undefined) return (announced) => announced;
  if (typeof natMap === 'function') {
    const map = natMap as (announced: string) => ClusterNode | undefined;
    return (announced) => {
      const node = map(announced);
      return node ? addressOf(option, node) : announced;
    };
  }
  if (typeof natMap !== 'object' || natMap === null)
    throw new InvalidOptionsError(option, natMap, "{ 'host:port': { host, port } }, or a function");
  const table = new Map(Object.entries(natMap).map(([from, to]) => [from, addressOf(option, to)]));
  return (announced) => table.get(announced) ?? announced;
}
