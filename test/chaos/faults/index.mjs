/**
 * All faults, and which rows a run has.
 *
 * @typedef {object} Fault
 * @property {string} name
 * @property {string[]} [topologies] default: all
 * @property {(context: object) => Promise<void>} [run] one round, healed when it resolves; none: nothing happens
 * @property {boolean} [proxied] the nodes reach Redis through proxies
 * @property {boolean} [detour] replicas will be led through proxies
 * @property {boolean} [losesFences] Redis may forget a fence that its writer holds for standing: only what was answered
 *   after COMMIT counts as acknowledged
 * @property {object} [workload] overrides of workload.mjs
 */
import { clusterFailover, slotMigration } from './cluster.mjs';
import { pgTerminate, refusedCommit } from './database.mjs';
import { failoverStop, failoverTail, replicaLag } from './failover.mjs';
import { lineDelay, lineDrop, lineHalfOpen, pollLate } from './lines.mjs';
import { mixture } from './mix.mjs';
import { loopBlock, loopStutter, nodeKillCommit, nodeKillLoad, nodeStop, wallClock } from './nodes.mjs';
import { none } from './none.mjs';
import {
  clientKill,
  clientPause,
  debugSleep,
  evictions,
  flushAll,
  logHole,
  logTrim,
  outOfMemory,
  scriptFlush,
} from './redis-commands.mjs';
import { redisKill, redisStop } from './redis-process.mjs';
import { TOPOLOGIES } from '../topology/index.mjs';

export const FAULTS = [
  none,
  redisKill,
  redisStop,
  nodeKillCommit,
  nodeKillLoad,
  nodeStop,
  loopBlock,
  loopStutter,
  wallClock,
  clientKill,
  clientPause,
  debugSleep,
  flushAll,
  scriptFlush,
  evictions,
  outOfMemory,
  logTrim,
  logHole,
  lineDelay,
  lineDrop,
  lineHalfOpen,
  pollLate,
  pgTerminate,
  refusedCommit,
  failoverTail,
  failoverStop,
  replicaLag,
  clusterFailover,
  slotMigration,
];

const SHORT = ['none', 'redis-kill', 'node-kill-commit', 'line-half-open'];

/** @returns the rows: `{ topology, fault }[]`; throws for a name that there is not. */
export function plan({ faults, topologies = Object.keys(TOPOLOGIES), mix, short }) {
  const known = new Map(FAULTS.map((fault) => [fault.name, fault]));
  for (let i = 1; i <= mix; i++) known.set(`mix-${i}`, mixture(i));
  for (const [list, all] of [
    [faults, known],
    [topologies, new Map(Object.entries(TOPOLOGIES))],
  ])
    for (const name of list ?? [])
      if (!all.has(name)) throw new Error(`there is no ${name}; there are ${[...all.keys()].join(', ')}`);
  const names =
    faults ??
    (short ? [...SHORT, ...[...known.keys()].filter((name) => name.startsWith('mix-'))] : [...known.keys()]);
  return topologies.flatMap((topology) =>
    names
      .map((name) => known.get(name))
      .filter((fault) => !fault.topologies || fault.topologies.includes(topology))
      .map((fault) => ({ topology, fault })),
  );
}
