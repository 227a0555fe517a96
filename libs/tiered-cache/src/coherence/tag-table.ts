import { LRUCache } from 'lru-cache';
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

/**
 * Locally known tag nonces, under the validity clock (protocol, "Words"). Invariant I1: a state that was forgotten
 * permits nothing: its version moves first, so everything that refers to it becomes unusable.
 */
export class TagTable {
  /** Orders learning and touching against loads. */
  sequence = 0;
  private readonly states: LRUCache<string, TagState>;
  /** Newest touch among the states that were forgotten for want of room. */
  private forgottenTouch = 0;
  private clearing = false;
  /** Some entry was made of another one. */
  private followsKeys = false;

  constructor(
    private readonly gate: { epoch: number } = { epoch: 0 },
    maxTags = 100_000,
  ) {
    this.states = new LRUCache<string, TagState>({
      max: maxTags,
      dispose: (state) => this.retire(state),
    });
  }

  get epoch(): number {
    return this.gate.epoch;
  }

  state(tag: string): TagState {
    let state = this.states.get(tag);
    if (state === undefined) {
      state = { tag, version: this.epoch, nonce: null, learntAt: 0, touchedAt: this.forgottenTouch };
      this.states.set(tag, state);
      this.followsKeys ||= keyOfTag(tag) !== null;
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
    if (state.version !== versionWhenSent || this.states.peek(state.tag) !== state) return;
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
    this.clearing = true;
    this.states.clear();
    this.clearing = false;
    this.forgottenTouch = ++this.sequence;
    this.gate.epoch++;
  }

  private retire(state: TagState): void {
    state.version = ++this.gate.epoch;
    state.nonce = null;
    if (!this.clearing && state.touchedAt > this.forgottenTouch) this.forgottenTouch = state.touchedAt;
  }
}
