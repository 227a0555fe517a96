import { AsyncLocalStorage } from 'node:async_hooks';
import type { TrackedLoad } from './tracked-load.js';

/*
 * Which tracked load the current asynchronous context belongs to. While an AsyncLocalStorage is in use, every await of
 * the process costs 2 to 4 times as much on Node 20 and 22 (docs/tracking.md). So it is made by the first tracked load,
 * and switched off whenever none is under way: who tracks nothing pays nothing, and who does pays only while loading.
 */

/** Tracked loads under way. Zero nearly always, and then nobody looks any further. */
export let trackedLoads = 0;
let storage: AsyncLocalStorage<TrackedLoad | null> | undefined;

/** Calls `fn` in the context of a load; `end` has to follow, once. */
export function enter<R>(load: TrackedLoad, fn: () => R): R {
  trackedLoads++;
  storage ??= new AsyncLocalStorage();
  return storage.run(load, fn);
}

/** The load is over. With the last one the price of awaits ends too. */
export function leave(): void {
  if (--trackedLoads === 0) storage?.disable();
}

/** Calls `fn` in a context that belongs to no tracked load. */
export function untracked<R>(fn: () => R): R {
  return trackedLoads === 0 ? fn() : storage!.run(null, fn);
}

/** The load that the current context works for; none once it is over. */
export function currentLoad(): TrackedLoad | null {
  if (trackedLoads === 0) return null;
  const load = storage!.getStore() ?? null;
  return load === null || load.over ? null : load;
}
