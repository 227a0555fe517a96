import { keyOfTag, keyTag } from '../keys/key-tag.js';
import type { EntryKey } from '../remote/remote-tier.js';

/** What this process knows of one tag. Entries and markers keep a reference, so a check is one comparison. */
export interface TagState {
  readonly tag: string;
  /** Moves whenever entries that carry the tag became unusable here: to the epoch at which they did, so it only grows. */
  version: number;
  /** The tag's identity in the shared tier, or null when not known to be current. */
  nonce: string | null;
  /** When (in `TagTable.sequence`) the nonce was learnt and the tag last touched. */
  learntAt: number;
  touchedAt: number;
}

/** States stand in a list by their last use, linked in themselves. */
interface LinkedState extends TagState {
  older: LinkedState | null;
  newer: LinkedState | null;
}

/**
 * Locally known tag nonces, under the validity clock (protocol, "Words"). Invariant I1: a state that was forgotten
 * permits nothing: its version moves first, so everything that refers to it becomes unusable.
 */
export class TagTable {
  /** Orders learning and touching against loads. */
  sequence = 0;
  private readonly states = new Map<string, LinkedState>();
  private oldest: LinkedState | null = null;
  private newest: LinkedState | null = null;
  /** Newest touch among the states that were forgotten for want of room. */
  private forgottenTouch = 0;
  /** Some entry was made of another one. */
  private followsKeys = false;

  constructor(
    private readonly gate: { epoch: number } = { epoch: 0 },
    private readonly maxTags = 100_000,
  ) {}

  get epoch(): number {
    return this.gate.epoch;
  }

  state(tag: string): TagState {
    let state = this.states.get(tag);
    if (state === undefined) {
      state = {
        tag,
        version: this.epoch,
        nonce: null,
        learntAt: 0,
        touchedAt: this.forgottenTouch,
        older: null,
        newer: null,
      };
      this.states.set(tag, state);
      this.append(state);
      this.followsKeys ||= keyOfTag(tag) !== null;
      if (this.states.size > this.maxTags) this.forgetOldest();
    } else if (state !== this.newest) {
      this.unlink(state);
      this.append(state);
    }
    return state;
  }

  /** An invalidation of the tag became known: from the log, or answered to this node. */
  touch(tag: string): void {
    const state = this.state(tag);
    state.version = ++this.gate.epoch;
    state.nonce = null;
    state.touchedAt = ++this.sequence;
  }

  /** A key was invalidated: entries that were made of it carry its tag. */
  touchKey(key: EntryKey): void {
    if (this.followsKeys && this.states.has(keyTag(key))) this.touch(keyTag(key));
  }

  /** Remembers a NONCE answer, only if nothing touched the tag since the question was sent (`versionWhenSent`). */
  learn(state: TagState, versionWhenSent: number, nonce: string): void {
    if (state.version !== versionWhenSent || this.states.get(state.tag) !== state) return;
    if (state.nonce === nonce) return;
    if (state.nonce !== null) {
      // Another identity without a record: evicted and made anew. What carries the old one is lost.
      state.version = ++this.gate.epoch;
    }
    state.nonce = nonce;
    state.learntAt = ++this.sequence;
  }

  /** A gap: nothing known is worth anything. */
  forgetAll(): void {
    const epoch = ++this.gate.epoch;
    for (const state of this.states.values()) {
      state.version = epoch;
      state.nonce = null;
      // Whoever holds on to one state holds on to no other.
      state.older = state.newer = null;
    }
    this.states.clear();
    this.oldest = this.newest = null;
    this.forgottenTouch = ++this.sequence;
  }

  private forgetOldest(): void {
    const state = this.oldest!;
    this.unlink(state);
    this.states.delete(state.tag);
    state.version = ++this.gate.epoch;
    state.nonce = null;
    if (state.touchedAt > this.forgottenTouch) this.forgottenTouch = state.touchedAt;
  }

  private append(state: LinkedState): void {
    state.older = this.newest;
    if (this.newest === null) this.oldest = state;
    else this.newest.newer = state;
    this.newest = state;
  }

  private unlink(state: LinkedState): void {
    if (state.older === null) this.oldest = state.newer;
    else state.older.newer = state.newer;
    if (state.newer === null) this.newest = state.older;
    else state.newer.older = state.older;
    state.older = state.newer = null;
  }
}
