/** Several nodes in one process on one Redis: how long until an invalidated entry is gone from all of them? */
import { setTimeout as sleep } from 'node:timers/promises';
import { importEngine } from '../contenders/strata.mjs';
import { makeValue } from '../harness/loop.mjs';
import { answer } from './answer.mjs';

answer(async ({ build, redisUrl, nodes, rounds }) => {
  const { TieredCache, createRedisTier } = await importEngine(build);
  const prefix = `bus${nodes}`;
  const caches = Array.from({ length: nodes }, () =>
    new TieredCache({
      prefix,
      namespaces: { n: { ttl: '1h' } },
      remote: createRedisTier({ url: redisUrl, prefix, commandTimeout: 5_000 }),
    }).start(),
  );
  for (const cache of caches) while (!cache.health().l1.serving) await sleep(5);
  const everywhere = [];
  const answered = [];
  const namespaces = caches.map((cache) => cache.namespace('n'));
  for (let round = 0; round < rounds; round++) {
    const id = `id:${round}`;
    for (const namespace of namespaces) await namespace.getOrSet(id, () => makeValue(round));
    // One node's L1 may not keep what another has just loaded while its own poll is under way.
    await sleep(2);
    const startedAt = performance.now();
    await namespaces[round % nodes].delete(id);
    answered.push(performance.now() - startedAt);
    while (namespaces.some((namespace) => namespace.peek(id) !== undefined))
      await new Promise((resolve) => void setImmediate(resolve));
    everywhere.push(performance.now() - startedAt);
  }
  await Promise.all(caches.map((cache) => cache.close()));
  return { everywhere, answered };
});
