/** How long the event loop stands still while a big value is stored and read back by another instance. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { importEngine } from '../contenders/strata.mjs';
import { makeValue } from '../harness/loop.mjs';
import { answer } from './answer.mjs';

/** The monitor's own period. */
const RESOLUTION_MS = 1;

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
    await work();
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
