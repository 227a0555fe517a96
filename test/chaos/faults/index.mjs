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
import { lineDelay, lineDelayGap, lineDrop, lineHalfOpen, pollLate } from './lines.mjs';
import { mixture } from './mix.mjs';
import { loopBlock, loopStutter, nodeKillCommit, nodeKillLoad, nodeStop, wallClock } from './nodes.mjs';
import { none, slowLoads } from './none.mjs';
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
import { redisKill, redisRestore, redisStop } from './redis-process.mjs';
import { TOPOLOGIES } from '../topology/index.mjs';

export const FAULTS = [
  none,
  slowLoads,
  redisKill,
  redisStop,
  redisRestore,
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
  lineDelayGap,
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

/** What CI has time for: some rows with the same seed every time, some with that of the run. */
const SAME_SEED = 1;
const SHORT = {
  standalone: { none: SAME_SEED, 'redis-kill': undefined, 'node-kill-commit': SAME_SEED, 'mix-1': undefined },
  sentinel: { 'failover-tail': SAME_SEED },
  cluster: { 'slot-migration': SAME_SEED, 'mix-1': undefined },
};

/** @returns the rows: `{ topology, fault, seed? }[]`; throws for a name that there is not. */
export function plan({ faults, topologies = Object.keys(TOPOLOGIES), mix, short }) {
  const known = new Map(FAULTS.map((fault) => [fault.name, fault]));
  for (let i = 1; i <= mix; i++) known.set(`mix-${i}`, mixture(i));
  check(faults, [...known.keys()]);
  check(topologies, Object.keys(TOPOLOGIES));
  return topologies.flatMap((topology) =>
    (faults ?? (short ? Object.keys(SHORT[topology]) : [...known.keys()]))
      .map((name) => known.get(name))
      .filter((fault) => !fault.topologies || fault.topologies.includes(topology))
      .map((fault) => ({ topology, fault, seed: short ? SHORT[topology][fault.name] : undefined })),
  );
}

function check(names, all) {
  for (const name of names ?? [])
    if (!all.includes(name)) throw new Error(`there is no ${name}; there are ${all.join(', ')}`);
}
