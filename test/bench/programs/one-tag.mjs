/** A tag that all entries carry is invalidated: how long does that take, and are they all gone? */
import { importEngine } from '../contenders/strata.mjs';
import { makeValue } from '../harness/loop.mjs';
import { answer } from './answer.mjs';

const WARM = 200;

answer(async ({ build, entries }) => {
  const { TieredCache } = await importEngine(build);
  const cache = new TieredCache({
    l1: { maxEntries: entries + WARM, maxBytes: 16e9 },
    namespaces: { n: { ttl: '1h' } },
  }).start();
  const namespace = cache.namespace('n');
  const figures = [];
  for (let i = 0; i < WARM; i++) await cache.deleteByTag(`warm:${i}`);
  for (let round = 0; round < 3; round++) {
    const options = { tags: ['all'] };
    for (let i = 0; i < entries; i++) await namespace.getOrSet(`id:${i}`, () => makeValue(i), options);
    const startedAt = performance.now();
    await cache.deleteByTag('all');
    figures.push(performance.now() - startedAt);
    for (let i = 0; i < entries; i += 97)
      if (namespace.peek(`id:${i}`) !== undefined) throw new Error(`id:${i} is still there`);
  }
  await cache.close();
  return figures;
});
