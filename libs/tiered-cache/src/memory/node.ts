import type { TagState } from '../coherence/tag-table.js';
import { Delivery } from '../loading/delivery.js';
import type { GetOrSetOptions, Loader } from '../options.js';

/**
 * One entry of L1 as it was when somebody asked, for paths on which an object more does not matter. Times are monotonic
 * milliseconds.
 */
export class L1Node {
  constructor(
    readonly slot: number,
    /** With the slot: tells whether it is still the entry that is there. */
    readonly generation: number,
    private readonly value: unknown,
    private readonly own: Delivery | null,
    readonly expiresAt: number,
    readonly staleUntil: number,
    readonly slidingMs: number,
    readonly tags: readonly TagState[],
    /** Where the tag table stood when they were last seen unchanged. */
    readonly stamp: number,
  ) {}

  get delivery(): Delivery {
    return this.own ?? Delivery.same(this.value);
  }

  get isError(): boolean {
    return this.own?.isError === true;
  }
}

/** True while no tag of the node was touched since it was made. */
export function tagsUnchanged({ tags, stamp }: L1Node): boolean {
  for (const { version } of tags) if (version > stamp) return false;
  return true;
}

/** A read that its caller repeats. `slot` and `generation` belong to the engine and begin with -1. */
export interface RememberedRead {
  readonly id: string;
  readonly loader: Loader<unknown>;
  readonly options: GetOrSetOptions | undefined;
  slot: number;
  generation: number;
}
