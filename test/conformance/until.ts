import { setTimeout as sleep } from 'node:timers/promises';

/** Where real time is involved: asks again until it holds, or fails after `withinMs`. Answers how long it took, ms. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 5_000): Promise<number> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > withinMs)
      throw new Error(`not within ${withinMs} ms: ${condition.toString()}`);
    await sleep(5);
  }
  return performance.now() - start;
}
