import { globMatcher } from '../keys/glob.js';
import { keyOfTag } from '../keys/key-tag.js';
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
  /** Generations whose own command is still under way: bypassed, but not to be sent once more beside it. */
  private readonly underWay = new Set<number>();
  private matchers: ((key: EntryKey) => boolean)[] = [];
  private generation = 0;
  private collapses = 0;

  constructor(
    private readonly everything: () => readonly string[],
    private readonly limit = 10_000,
  ) {}

  /**
   * `underWay`: its command has been sent and may be answered yet. `answered` strikes the change off again, unless it was
   * added once more since; `due` has it sent again.
   */
  add(
    change: { keys: readonly EntryKey[]; tags: readonly string[]; pattern?: string | undefined },
    underWay = false,
  ): { answered(): void; due(): void } {
    const generation = ++this.generation;
    if (underWay) this.underWay.add(generation);
    for (const key of change.keys) this.counts.keys.set(key, generation);
    for (const tag of change.tags) this.counts.tags.set(tag, generation);
    if (change.pattern !== undefined) this.counts.patterns.set(change.pattern, generation);
    if (this.size > this.limit) this.collapse();
    this.matchers = this.matchersNow();
    const { collapses } = this;
    const due = () => void this.underWay.delete(generation);
    return {
      due,
      answered: () => {
        due();
        // What stands after a collapse stands for others too.
        if (collapses === this.collapses) this.strike((added) => added === generation);
      },
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
    if (this.counts.tags.size > 0 && this.counts.tags.has(tag)) return true;
    if (this.size === 0) return false;
    const key = keyOfTag(tag);
    return key !== null && this.hasKey(key);
  }

  /** All that is due now, and a function that strikes it off: what was added again meanwhile stays. */
  take(): { batch: PendingBatch; answered: () => void } {
    const upTo = this.generation;
    const underWay = new Set(this.underWay);
    const isDue = (generation: number) => generation <= upTo && !underWay.has(generation);
    const due = <K>(map: Map<K, number>) =>
      [...map].flatMap(([name, generation]) => (isDue(generation) ? [name] : []));
    const { keys, tags, patterns } = this.counts;
    const batch = { keys: due(keys), tags: due(tags), patterns: due(patterns) };
    return { batch, answered: () => this.strike(isDue) };
  }

  private strike(isDone: (generation: number) => boolean): void {
    for (const map of Object.values(this.counts))
      for (const [name, generation] of map) if (isDone(generation)) map.delete(name);
    this.matchers = this.matchersNow();
  }

  private matchersNow(): ((key: EntryKey) => boolean)[] {
    return [...this.counts.patterns.keys()].map((pattern) => globMatcher(pattern));
  }

  private collapse(): void {
    this.collapses++;
    const generation = ++this.generation;
    this.counts.keys.clear();
    this.counts.tags.clear();
    this.counts.patterns.clear();
    for (const tag of this.everything()) this.counts.tags.set(tag, generation);
  }
}
