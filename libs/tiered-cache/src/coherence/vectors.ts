import type { CacheCore } from '../cache-core.js';
import type { Marker } from './markers.js';
import type { TagState } from './tag-table.js';

/**
 * A tag's known nonce, or null when it may not be relied on: unknown, strict, or bypassed. That it is known under the
 * validity clock is seen to where an entry is judged; a vector that was captured with an old nonce makes a dead entry.
 */
function usableNonce(core: CacheCore, strict: boolean, state: TagState): string | null {
  return strict || core.pending.hasTag(state.tag) ? null : state.nonce;
}

async function askNonces(core: CacheCore, marker: Marker, states: readonly TagState[]): Promise<string[]> {
  const versions = states.map((state) => marker.watch(state));
  const nonces = await core.remote!.run((tier) => tier.nonces(states.map((state) => state.tag)));
  states.forEach((state, i) => {
    if (!core.pending.hasTag(state.tag)) core.tags.learn(state, versions[i]!, nonces[i]!);
  });
  return nonces;
}

/**
 * The vector of a load that is about to begin: every tag with its nonce, in hand before the load (I2).
 * Null: a tag is bypassed, so nothing may be filled. `strict`: every nonce is asked. @throws RemoteUnavailableError
 */
export async function captureVector(
  core: CacheCore,
  strict: boolean,
  marker: Marker,
  tags: readonly string[],
): Promise<string[] | null> {
  if (tags.some((tag) => core.pending.hasTag(tag))) return null;
  const states = tags.map((tag) => core.tags.state(tag));
  for (const state of states) marker.watch(state);
  const nonces = states.map((state) => usableNonce(core, strict, state));
  const missing = states.filter((_, i) => nonces[i] === null);
  if (missing.length === 0) return nonces as string[];
  const answers = await askNonces(core, marker, missing);
  return nonces.map((nonce, i) => nonce ?? answers[missing.indexOf(states[i]!)]!);
}

/** As `captureVector`, of what is known here: null where something would have to be asked, or is bypassed. */
export function knownVector(core: CacheCore, marker: Marker, tags: readonly string[]): string[] | null {
  const nonces: string[] = [];
  for (const tag of tags) {
    const state = core.tags.state(tag);
    marker.watch(state);
    const nonce = usableNonce(core, false, state);
    if (nonce === null) return null;
    nonces.push(nonce);
  }
  return nonces;
}

/**
 * Does every tag of a stored entry still have the nonce in its vector? What is known locally decides; the unknown is
 * asked, and a mismatch is confirmed by asking, because the local nonce may be the older one.
 * @throws RemoteUnavailableError
 */
export async function vectorHolds(
  core: CacheCore,
  strict: boolean,
  marker: Marker,
  tags: readonly string[],
  nonces: readonly string[],
): Promise<boolean> {
  const doubtful: TagState[] = [];
  const expected: string[] = [];
  for (let i = 0; i < tags.length; i++) {
    const state = core.tags.state(tags[i]!);
    if (core.pending.hasTag(state.tag)) return false;
    marker.watch(state);
    if (usableNonce(core, strict, state) === nonces[i]) continue;
    doubtful.push(state);
    expected.push(nonces[i]!);
  }
  if (doubtful.length === 0) return true;
  const answers = await askNonces(core, marker, doubtful);
  return answers.every((answer, i) => answer === expected[i]);
}

/** As `vectorHolds`, of what is known here: false where something would have to be asked. */
export function vectorKnown(
  core: CacheCore,
  marker: Marker,
  tags: readonly string[],
  nonces: readonly string[],
): boolean {
  for (let i = 0; i < tags.length; i++) {
    // Those of the request come first in both lists, mostly.
    const watched = marker.tags[i];
    const state = watched !== undefined && watched.tag === tags[i] ? watched : core.tags.state(tags[i]!);
    if (state !== watched) marker.watch(state);
    const nonce = usableNonce(core, false, state);
    if (nonce === null || nonce !== nonces[i]) return false;
  }
  return true;
}
