import { globMatcher } from '../keys/glob.js';
import { keyOfTag } from '../keys/key-tag.js';
import type { EntryKey } from '../remote/remote-tier.js';

/** What has to reach the shared tier still. */
export interface PendingBatch {
  keys: EntryKey[];
  tags: string[];
  patterns: string[];
}

export interface PendingChange {
  readonly keys: readonly EntryKey[];
  readonly tags: readonly string[];
  readonly pattern?: string | undefined;
}

/** A change on its way to the shared tier. Ends with either `answered` or `due`. */
export interface SentInvalidation {
  /** Its keys and tags are bypassed from now on. */
  bypass(): void;
  /** Struck off again, unless something sent later stands under the same name. */
  answered(): void;
  /** Not answered: sent again, if it is bypassed. */
  due(): void;
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
  /** Generations whose own command is still under way: perhaps bypassed, but not to be sent once more beside it. */
  private readonly underWay = new Set<number>();
  private matchers: ((key: EntryKey) => boolean)[] = [];
  private generation = 0;
  private collapses = 0;

  constructor(
    private readonly everything: () => readonly string[],
    private readonly limit = 10_000,
  ) {}

  /**
   * A change whose command is sent now, and may be answered yet. The order of sending is what counts: an answer proves
   * what was sent before it, too, and nothing of what was sent after it, whichever is bypassed first.
   */
  send(change: PendingChange): SentInvalidation {
    const generation = ++this.generation;
    this.underWay.add(generation);
    let collapses: number | null = null;
    const due = () => void this.underWay.delete(generation);
    return {
      bypass: () => {
        this.put(change, generation);
        collapses = this.collapses;
      },
      due,
      answered: () => {
        due();
        // What stands after a collapse stands for others too.
        if (collapses === this.collapses) this.strike((added) => added === generation);
      },
    };
  }

  /** A change that was not answered: bypassed from now on, and sent again with the next answer. */
  add(change: PendingChange): void {
    this.put(change, ++this.generation);
  }

  private put(change: PendingChange, generation: number): void {
    const { keys, tags, patterns } = this.counts;
    for (const key of change.keys) keys.set(key, Math.max(generation, keys.get(key) ?? 0));
    for (const tag of change.tags) tags.set(tag, Math.max(generation, tags.get(tag) ?? 0));
    if (change.pattern !== undefined)
      patterns.set(change.pattern, Math.max(generation, patterns.get(change.pattern) ?? 0));
    if (this.size > this.limit) this.collapse();
    this.matchers = this.matchersNow();
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
