import type { TagState } from '../coherence/tag-table.js';
import type { MemoryNode } from './memory-store.js';
import type { Delivery } from '../loading/delivery.js';

/**
 * One entry of L1. Times are monotonic milliseconds. A hit compares three numbers: `attentionAt` (the first moment at
 * which somebody has to think: expiry, refresh-ahead, sliding renewal), the validity clock, and `epoch` (of the tag
 * table when the vector was last compared).
 */
export interface L1Node extends MemoryNode {
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
  epoch: number;
}

/** True while no tag of the node was touched since it was made. */
export function tagsUnchanged(node: L1Node): boolean {
  for (let i = 0; i < node.tags.length; i++) if (node.tags[i]!.version !== node.versions[i]) return false;
  return true;
}
