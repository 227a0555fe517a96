/**
 * A mixed load over Redis with eviction: reads after Zipf's law over 100,000 ids of which L1 holds 10,000, 2 % deletes, 1 %
 * sets, now and then a tag. Latencies go into buckets; the heap is looked at after a collection, every tenth of the time.
 * Needs --expose-gc.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { importEngine } from '../contenders/strata.mjs';
import { makeValue } from '../harness/loop.mjs';
import { randomOf, zipf } from '../harness/random.mjs';
import { answer } from './answer.mjs';

const IDS = 100_000;
const CALLERS = 32;
/** Latencies in steps of 1/16 of an octave, from a microsecond on. */
const STEPS = 16;

answer(async ({ build, redisUrl, seconds, seed }) => {
  const { TieredCache, createRedisTier } = await importEngine(build);
  const cache = new TieredCache({
    prefix: 'soak',
    l1: { maxEntries: 10_000 },
    namespaces: { n: { ttl: '20s', staleWhileRevalidate: '5s' } },
    remote: createRedisTier({ url: redisUrl, prefix: 'soak', commandTimeout: 5_000 }),
  }).start();
  while (!cache.health().l1.serving) await sleep(5);
  const namespace = cache.namespace('n');
  const random = randomOf(seed);
  const rank = zipf(IDS, random);
  const buckets = new Uint32Array(40 * STEPS);
  const heap = [];
  const stalls = monitorEventLoopDelay({ resolution: 5 });
  let operations = 0;

  async function one() {
    const i = rank();
    const id = `AAPL:${i}`;
    const dice = random();
    if (dice < 0.02) return namespace.delete(id);
    if (dice < 0.03) return namespace.set(id, makeValue(i), { tags: [`t:${i % 100}`] });
    if (dice < 0.0301) return cache.deleteByTag(`t:${i % 100}`);
    return namespace.getOrSet(id, async () => makeValue(i), { tags: [`t:${i % 100}`] });
  }

  const end = performance.now() + seconds * 1_000;
  async function caller() {
    while (performance.now() < end) {
      const startedAt = performance.now();
      await one();
      const us = Math.max(1, (performance.now() - startedAt) * 1_000);
      buckets[Math.min(buckets.length - 1, Math.floor(Math.log2(us) * STEPS))]++;
      // What is in L1 answers without I/O: let the loop turn.
      if (++operations % 64 === 0) await new Promise((resolve) => void setImmediate(resolve));
    }
  }
  async function watchHeap() {
    for (let tenth = 1; tenth <= 10; tenth++) {
      await sleep((seconds * 1_000) / 10.5);
      stalls.disable();
      globalThis.gc(); // A whole one, which nobody asks for in production: its stall is not the cache's.
      await sleep(10);
      stalls.enable();
      heap.push(process.memoryUsage().heapUsed / 2 ** 20);
    }
  }
  stalls.enable();
  await Promise.all([watchHeap(), ...Array.from({ length: CALLERS }, caller)]);
  stalls.disable();
  await cache.close();

  const quantile = (q) => {
    let left = operations * q;
    const bucket = buckets.findIndex((count) => (left -= count) <= 0);
    return 2 ** ((bucket + 1) / STEPS) / 1_000;
  };
  return {
    heap: heap.slice(2),
    'operations per second': { value: operations / seconds, unit: 'ops/s' },
    'latency, p50': { value: quantile(0.5), unit: 'ms' },
    'latency, p99.9': { value: quantile(0.999), unit: 'ms' },
    'longest stall of the event loop': { value: stalls.max / 1e6, unit: 'ms' },
  };
});
