import type { TagState } from '../coherence/tag-table.js';
import type { MemoryNode } from './memory-store.js';
import type { Delivery } from '../loading/delivery.js';
import type { GetOrSetOptions, Loader } from '../options.js';

/**
 * One entry of L1. Times are monotonic milliseconds. A hit compares three numbers: `attentionTick` (the first moment at
 * which somebody has to think: expiry, refresh-ahead, sliding renewal), the validity clock, and `epoch` (of the tag
 * table when the vector was last compared; -1 once the node has left L1).
 */
export interface L1Node extends MemoryNode {
  /** What everybody is handed; undefined for values that are copied for each reader. */
  value: unknown;
  /** The same, settled; null for values that are copied for each reader. */
  promise: Promise<unknown> | null;
  /** `attentionAt` in whole milliseconds, rounded down: small integers compare without a box. */
  attentionTick: number;
  epoch: number;
  /** The store's: was it used since it was last looked at? */
  used: number;
  delivery: Delivery;
  attentionAt: number;
  expiresAt: number;
  refreshAt: number;
  slideAt: number;
  slidingMs: number;
  /** Wall clock ms, from the entry's header: tells a newer value from this one. */
  created: number;
  loadMs: number;
  tags: readonly TagState[];
  versions: readonly number[];
  /** The store's: its key, what it counts for, its neighbours in order of age. */
  key: string;
  size: number;
  older: L1Node | null;
  newer: L1Node | null;
  /** Where the raw id finds this node without asking the store, and who remembers the node itself. */
  hot: Map<string, L1Node> | null;
  rawId: string;
  caller: RememberedRead | null;
}

/** A read that its caller repeats. `node` belongs to the engine and begins with null. */
export interface RememberedRead {
  readonly id: string;
  readonly loader: Loader<unknown>;
  readonly options: GetOrSetOptions | undefined;
  node: L1Node | null;
}

/** The node has left L1: whoever held on to it for the sake of fast hits lets go of it, and of its value, at once. */
export function detach(node: L1Node): void {
  node.epoch = -1;
  node.value = undefined;
  node.promise = null;
  node.hot?.delete(node.rawId);
  node.hot = null;
  if (node.caller !== null) node.caller.node = null;
  node.caller = null;
}

/** The tick of a moment; of never, one that stays a small integer for the first twelve days of a process. */
export function tickOf(at: number, now: number): number {
  if (at < Infinity) return Math.floor(at);
  return now < 2 ** 30 ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER;
}

/** True while no tag of the node was touched since it was made. */
export function tagsUnchanged(node: L1Node): boolean {
  for (let i = 0; i < node.tags.length; i++) if (node.tags[i]!.version !== node.versions[i]) return false;
  return true;
}
