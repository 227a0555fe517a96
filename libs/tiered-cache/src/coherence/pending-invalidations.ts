import { globMatcher } from '../keys/glob.js';
import type { EntryKey } from '../remote/remote-tier.js';

/** What has to reach the shared tier still. */
export interface PendingBatch {
  keys: EntryKey[];
  tags: string[];
  patterns: string[];
}

/**
 * Invalidations that the shared tier did not answer. Until it does, their keys and tags are bypassed on this node
 * (not read, not filled, not learnt), and they are sent again, which is harmless since invalidations are idempotent
 * and commute (I4). Bounded: past the limit the single keys and tags collapse into the namespaces' tags, which
 * cover them. Lost when the process dies: only an outbox survives that.
 */
export class PendingInvalidations {
  private readonly counts = {
    keys: new Map<EntryKey, number>(),
    tags: new Map<string, number>(),
    patterns: new Map<string, number>(),
  };
  private matchers: ((key: EntryKey) => boolean)[] = [];
  private generation = 0;
  private collapses = 0;

  constructor(
    private readonly everything: () => readonly string[],
    private readonly limit = 10_000,
  ) {}

  /** Answers a function that strikes this change off again, unless it was added once more since. */
  add(change: {
    keys: readonly EntryKey[];
    tags: readonly string[];
    pattern?: string | undefined;
  }): () => void {
    const generation = ++this.generation;
    for (const key of change.keys) this.counts.keys.set(key, generation);
    for (const tag of change.tags) this.counts.tags.set(tag, generation);
    if (change.pattern !== undefined) this.counts.patterns.set(change.pattern, generation);
    if (this.size > this.limit) this.collapse(generation);
    this.matchers = this.matchersNow();
    const { collapses } = this;
    return () => {
      // What stands after a collapse stands for others too.
      if (collapses === this.collapses) this.strike((added) => added === generation);
    };
  }

  get size(): number {
    return this.counts.keys.size + this.counts.tags.size + this.counts.patterns.size;
  }

  /** By itself or by a pattern. */
  hasKey(key: EntryKey): boolean {
    if (this.counts.keys.size > 0 && this.counts.keys.has(key)) return true;
    return this.matchers.length > 0 && this.matchers.some((matches) => matches(key));
  }

  hasTag(tag: string): boolean {
    return this.counts.tags.size > 0 && this.counts.tags.has(tag);
  }

  /** All that is due now, and a function that strikes it off: what was added again meanwhile stays. */
  take(): { batch: PendingBatch; answered: () => void } {
    const upTo = this.generation;
    const batch = {
      keys: [...this.counts.keys.keys()],
      tags: [...this.counts.tags.keys()],
      patterns: [...this.counts.patterns.keys()],
    };
    return { batch, answered: () => this.strike((generation) => generation <= upTo) };
  }

  private strike(isDone: (generation: number) => boolean): void {
    for (const map of Object.values(this.counts))
      for (const [name, generation] of map) if (isDone(generation)) map.delete(name);
    this.matchers = this.matchersNow();
  }

  private matchersNow(): ((key: EntryKey) => boolean)[] {
    return [...this.counts.patterns.keys()].map((pattern) => globMatcher(pattern));
  }

  private collapse(generation: number): void {
    this.collapses++;
    this.counts.keys.clear();
    this.counts.tags.clear();
    this.counts.patterns.clear();
    for (const tag of this.everything()) this.counts.tags.set(tag, generation);
  }
}
