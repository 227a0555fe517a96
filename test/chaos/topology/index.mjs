/** What stands behind the cache. Each gives the same handle, so that faults need not know which one it is. */
import { cluster } from './cluster.mjs';
import { sentinel } from './sentinel.mjs';
import { standalone } from './standalone.mjs';

/**
 * @typedef {object} Topology
 * @property {string} name
 * @property {(node: number) => object} tierOptions options of createRedisTier for that node
 * @property {(use: (client: import('ioredis').Redis) => Promise<unknown>) => Promise<unknown>} admin
 *   runs commands on the (first) master, past every proxy
 * @property {() => Promise<object>} primary the master's server: `kill(signal), restart(), pid`
 * @property {object[]} proxies one per node, where the fault wants them and the topology can
 * @property {() => Promise<void>} stop
 */

/** @type {Record<string, (options: {nodes: number, proxied: boolean, detour: boolean, boundMs: number, random: object}) => Promise<Topology>>} */
export const TOPOLOGIES = { standalone, sentinel, cluster };
