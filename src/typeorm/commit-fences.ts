import type { Fence, TieredCache } from '#tiered-cache';
import type { EntryKey, Invalidation } from './invalidation-batch.js';

/** The most keys that one transaction fences: above it COMMIT would wait for the shared tier's work. */
export const MAX_FENCED = 1_000;

export interface FenceTimes {
  /** How long a fence stands when nobody takes it away, milliseconds; longer than COMMIT may take. */
  forMs: number;
  /** The longest COMMIT waits for its fence, milliseconds. */
  withinMs: number;
}

/** Since the start of the application. */
export interface FenceCounts {
  /** Fences that stood when COMMIT was sent; one per transaction. */
  fencesRaised: number;
  /** COMMITs that went ahead without theirs: the shared tier was late or away, or a key was refused. */
  fencesNotStanding: number;
  /** Keys left without a fence, being more than a transaction may have. */
  keysNotFenced: number;
}

/** Fences the entries that a transaction has changed, just before its COMMIT. */
export class CommitFences {
  readonly counts: FenceCounts = { fencesRaised: 0, fencesNotStanding: 0, keysNotFenced: 0 };

  constructor(
    private readonly cache: Pick<TieredCache, 'fence'>,
    private readonly times: FenceTimes,
    private readonly maxKeys = MAX_FENCED,
  ) {}

  /** Resolves when the fence stands, or after `withinMs`; undefined when there is nothing to fence. Never rejects. */
  async raise(writes: readonly Pick<Invalidation, 'keys'>[]): Promise<Fence | undefined> {
    const { counts, times } = this;
    const keys = this.keysOf(writes);
    if (keys.length === 0) return undefined;
    try {
      const fence = await this.cache.fence(keys, { for: times.forMs, within: times.withinMs });
      // Entries that no other node can fill need none.
      if (fence.keys.length === 0) return undefined;
      if (fence.standing) counts.fencesRaised += 1;
      else counts.fencesNotStanding += 1;
      return fence;
    } catch {
      // The cache is closed, or refuses a key; the invalidation after COMMIT says which, and clears the cache then.
      counts.fencesNotStanding += 1;
      return undefined;
    }
  }

  private keysOf(writes: readonly Pick<Invalidation, 'keys'>[]): EntryKey[] {
    const keys = new Map<string, EntryKey>();
    for (const write of writes) for (const key of write.keys) keys.set(`${key.namespace}:${key.id}`, key);
    const beyond = keys.size - this.maxKeys;
    if (beyond <= 0) return [...keys.values()];
    this.counts.keysNotFenced += beyond;
    return [...keys.values()].slice(0, this.maxKeys);
  }
}
