import type { CacheCore } from '../cache-core.js';
import { PATTERNS_TAG } from '../keys/key-tag.js';
import type { Flight } from '../loading/flights.js';
import type { L1Node } from '../memory/node.js';
import type { EntryKey } from '../remote/remote-tier.js';
import { currentLoad } from './tracked-context.js';
import type { TrackedLoad } from './tracked-load.js';

/*
 * An entry that was made of another entry ends with it: it carries that entry's tags, and the tag of its key. What the
 * other one's loader reads is its own affair, whether it runs now or ran on another node last week.
 */

/** Before an entry is read: the tracked load that asks, if there is one. To be called only while `trackedLoads` > 0. */
export function askingLoad(core: CacheCore, key: EntryKey): TrackedLoad | null {
  const load = currentLoad();
  if (load === null || !load.readsEntry(core, key)) return null;
  load.found([PATTERNS_TAG]);
  return load;
}

/** A node of L1 was handed out. */
export function dependOnNode(core: CacheCore, key: EntryKey, node: L1Node, isStale: boolean): void {
  const load = askingLoad(core, key);
  if (isStale) load?.refuse(STALE);
  else load?.foundNode(node);
}

/** A flight has answered. */
export function dependOnFlight(load: TrackedLoad, flight: Flight): void {
  if (flight.outcome === 'stale') return load.refuse(STALE);
  load.foundEntry(flight.marker, flight.outcome === 'l2-hit');
  if (flight.tracked !== null) load.foundLoad(flight.tracked);
}

const STALE = 'it was made of a value that had expired';
