/** How long the event loop stands still while a big value is stored and read back by another instance. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { importEngine } from '../contenders/strata.mjs';
import { makeValue } from '../harness/loop.mjs';
import { answer } from './answer.mjs';

/** The monitor's own period. */
const RESOLUTION_MS = 1;

/**
 * The longest time between two turns of the event loop in which the system took the processor from nobody in this process:
 * where more processes run than there are processors, the monitor shows mostly how long they wait for one.
 */
function ownStretches() {
  const switches = () => process.resourceUsage().involuntaryContextSwitches;
  let [longest, last, before, isOn] = [0, performance.now(), switches(), true];
  const turn = () => {
    const [now, current] = [performance.now(), switches()];
    if (current === before) longest = Math.max(longest, now - last);
    before = current;
    last = performance.now();
    if (isOn) setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    isOn = false;
    return longest;
  };
}

answer(async ({ build, redisUrl, megabytes }) => {
  const { TieredCache, createRedisTier } = await importEngine(build);
  const make = async () => {
    const cache = new TieredCache({
      prefix: 'big',
      defaults: { maxEntryBytes: 64 * 2 ** 20 },
      namespaces: { n: { ttl: '1h' } },
      remote: createRedisTier({ url: redisUrl, prefix: 'big', commandTimeout: 10_000 }),
    }).start();
    while (!cache.health().l1.serving) await sleep(5);
    return cache;
  };
  const [writer, reader] = [await make(), await make()];
  const value = Array.from({ length: megabytes * 7_200 }, (_, i) => makeValue(i));
  for (let i = 0; i < 3; i++) await writer.set('n', 'warm', makeValue(0));

  const stalls = {};
  const watched = async (what, work) => {
    const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    await sleep(20);
    monitor.enable();
    await sleep(20);
    const stop = ownStretches();
    await work();
    stalls[`longest stall of its own, ${what}`] = stop();
    await sleep(20);
    monitor.disable();
    stalls[`longest stall, ${what}`] = monitor.max / 1e6;
  };
  await watched('nothing', () => sleep(50));
  await watched('set', () => writer.set('n', 'big', value));
  await watched('get', async () => {
    const read = await reader.get('n', 'big');
    if (read?.length !== value.length) throw new Error('the value is not there');
  });
  return stalls;
});
