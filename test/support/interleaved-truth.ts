import { BOUND } from './fleet.js';
import type { Actor } from './interleaved-events.js';

export const KEYS = ['a', 'b', 'c'] as const;
export type Key = (typeof KEYS)[number];

/** What the source of an `a` at version 3 answers. */
export function valueOf(key: Key, version: number): string {
  return `${key}${version}`;
}

interface Write {
  keys: readonly Key[];
  version: Record<Key, number>;
  /** Null: its writer has not heard yet; a fence stood when it was committed. */
  by: Actor | null;
  settledAt: number;
  acknowledged: boolean;
  position?: string | null;
}

/** What a read that begins now has to know: no older version is right. */
export interface Least {
  version: number;
  why: string;
}

/** The source: every commit is a new version. And what each read must know of, by which promise. */
export class Truth {
  readonly version: Record<Key, number> = { a: 1, b: 1, c: 1 };
  private readonly newest: Record<Key, number> = { a: 1, b: 1, c: 1 };
  private readonly rolledBack = new Set<string>();
  private readonly writes: Write[] = [];
  readonly loads: Record<Key, number> = { a: 0, b: 0, c: 0 };
  /** Commits that took a value from the key. */
  readonly commits: Record<Key, number> = { a: 0, b: 0, c: 0 };

  constructor(private readonly strict: boolean) {}

  commit(keys: readonly Key[]): Record<Key, number> {
    for (const key of keys) {
      this.version[key] = ++this.newest[key];
      this.commits[key]++;
    }
    return { ...this.version };
  }

  /** Takes the next version of a key and gives it up again: nobody may ever see it. */
  rollBack(key: Key): void {
    this.rolledBack.add(valueOf(key, ++this.newest[key]));
  }

  settled(write: Write): void {
    this.writes.push(write);
  }

  /** P1, P2, P7: what a read of `key` on `reader` that begins at `now` has to know. */
  least(key: Key, reader: Actor, now: number): Least {
    let least: Least = { version: 1, why: 'the first version' };
    for (const { keys, version, by, settledAt, acknowledged } of this.writes) {
      if (!keys.includes(key) || version[key] <= least.version) continue;
      const since = now - settledAt;
      if (by === reader)
        least = { version: version[key], why: `written on ${by.name} itself, ${since} ms ago` };
      else if (acknowledged && (this.strict || since > BOUND))
        least = {
          version: version[key],
          why: `${by === null ? 'committed behind a fence' : `acknowledged on ${by.name}`} ${since} ms ago`,
        };
    }
    return least;
  }

  /** The newest write of `key` that can be waited for on another node. */
  positionOf(key: Key): { position: string; version: number } | undefined {
    for (const { keys, version, position } of this.writes.toReversed())
      if (keys.includes(key) && typeof position === 'string') return { position, version: version[key] };
    return undefined;
  }

  /** What is wrong with an answer, or undefined. */
  judge(key: Key, answer: unknown, least: Least): string | undefined {
    if (answer === undefined) return undefined;
    if (typeof answer !== 'string') return `a ${typeof answer}`;
    const version = answer.startsWith(key) ? Number(answer.slice(1)) : NaN;
    if (!(version >= 1 && version <= this.version[key]) || this.rolledBack.has(answer))
      return `${answer}, which was never committed`;
    if (version < least.version)
      return `${answer}, though the read began when ${valueOf(key, least.version)} was ${least.why}`;
    return undefined;
  }
}
