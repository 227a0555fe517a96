/** Random mixtures: two or three faults that begin within half a second of each other. */
import { nodeKillCommit, nodeKillLoad, nodeStop, loopBlock, wallClock } from './nodes.mjs';
import {
  clientKill,
  clientPause,
  debugSleep,
  evictions,
  flushAll,
  outOfMemory,
  logTrim,
  scriptFlush,
} from './redis-commands.mjs';
import { lineDelay, lineDrop, lineHalfOpen } from './lines.mjs';
import { pgTerminate } from './database.mjs';
import { redisKill, redisStop } from './redis-process.mjs';

const PARTS = [
  nodeKillCommit,
  nodeKillLoad,
  nodeStop,
  loopBlock,
  wallClock,
  redisKill,
  redisStop,
  pgTerminate,
  clientKill,
  clientPause,
  debugSleep,
  evictions,
  flushAll,
  outOfMemory,
  logTrim,
  scriptFlush,
  lineDelay,
  lineDrop,
  lineHalfOpen,
];

export const mixture = (number) => ({
  name: `mix-${number}`,
  proxied: true,
  losesFences: true,
  async run(context) {
    const { random, sleep, topology } = context;
    const parts = PARTS.filter(({ topologies }) => !topologies || topologies.includes(topology.name));
    const chosen = random.shuffled(parts).slice(0, random.integer(2, 3));
    await Promise.all(
      chosen.map(async (fault) => {
        await sleep(random.between(0, 500));
        // One that finds its target already down has nothing to do there.
        await fault.run(context).catch(() => undefined);
      }),
    );
  },
});
