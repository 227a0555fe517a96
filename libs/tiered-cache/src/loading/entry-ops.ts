import { believes, type CacheCore, type NamespaceCore } from '../cache-core.js';
import type { Marker } from '../coherence/markers.js';
import { captureVector } from '../coherence/vectors.js';
import type { Invalidator } from '../coherence/invalidator.js';
import { ttlMs } from '../duration.js';
import { RemoteUnavailableError } from '../errors.js';
import type { InvalidationResult, SetOptions } from '../options.js';
import type { EntryKey } from '../remote/remote-tier.js';
import { admit, admissionOf, promote } from './admit.js';
import { newToken, releaseLease } from './ask-shared.js';
import { judge, judgeNow, type StoredEntry } from './judge.js';
import { checkCallOptions, lifetimeOf } from './lifetime.js';
import { type PreparedEntry, prepareEntry, remainingLife, storedForm } from './prepare-entry.js';
import { tagsOfRequest } from './read-request.js';
import { askingLoad } from '../tracking/made-of-entries.js';
import { trackedLoads } from '../tracking/tracked-context.js';
import { liveNode, retime, slideStored } from './retime.js';

interface Fillable {
  id: string;
  key: EntryKey;
  entry: PreparedEntry;
  /** Of the lease that the INVALIDATE left. */
  token: string;
  /** False once this process knows of an invalidation that came after the value. */
  intact(): boolean;
}

/** What can be done with entries without a loader: look up, store, renew, end their time. */
export class EntryOps {
  constructor(
    private readonly core: CacheCore,
    private readonly invalidator: Invalidator,
  ) {}

  /** As `find`, for a reader: sliding entries are renewed. */
  async lookUp(
    ns: NamespaceCore,
    keys: readonly EntryKey[],
    strict: boolean,
  ): Promise<Map<EntryKey, StoredEntry>> {
    const found = await this.find(ns, keys, strict);
    for (const [key, entry] of found) slideStored(this.core, ns, key, entry);
    return found;
  }

  /** Live entries of the shared tier among `keys`, promoted; misses and faults are simply absent. */
  private async find(
    ns: NamespaceCore,
    keys: readonly EntryKey[],
    strict = ns.settings.consistency === 'strict',
  ): Promise<Map<EntryKey, StoredEntry>> {
    const { core } = this;
    const found = new Map<EntryKey, StoredEntry>();
    const outer = trackedLoads === 0 ? null : keys.map((key) => askingLoad(core, key))[0]!;
    const asked = keys.filter((key) => !core.pending.hasKey(key));
    if (!ns.settings.l2 || core.remote === null || !core.remote.usable || asked.length === 0) return found;
    const startedAt = core.clock.monotonic();
    const markers = asked.map((key) => core.markers.open(key, ns.ownTags));
    try {
      const believed = believes(core, ns);
      if (!(believed === true || (await believed))) return found;
      const raws =
        asked.length === 1
          ? [await core.remote.gets.send(asked[0]!)]
          : await core.remote.run((tier) => tier.getMany(asked));
      for (let i = 0; i < raws.length; i++) {
        const raw = raws[i]!;
        if (raw === null) continue;
        const key = asked[i]!;
        const marker = markers[i]!;
        let entry = strict ? null : judgeNow(core, ns, marker, raw);
        if (entry === null) {
          const verdict = await judge(core, ns, strict, marker, raw);
          if (verdict.kind !== 'hit') continue;
          ({ entry } = verdict);
        }
        found.set(key, entry);
        outer?.foundEntry(marker, true);
        promote(core, ns, key, marker, entry);
      }
      core.recorder.l2Latency.record(core.clock.monotonic() - startedAt);
    } catch (error) {
      if (!(error instanceof RemoteUnavailableError)) throw error;
    } finally {
      for (const marker of markers) core.markers.close(marker);
    }
    return found;
  }

  /**
   * INVALIDATE, which leaves this writer the leases in the same step, then a leased fill, never a blind SET: whatever is
   * invalidated or set after that, on any node, ends the lease and wins.
   * @throws UnserialisableValueError, EntryTooLargeError, InvalidTtlError, InvalidTagError: nothing was changed then
   */
  async set<T>(
    ns: NamespaceCore,
    entries: readonly { id: string; key: EntryKey; value: T }[],
    options: SetOptions<T> | undefined,
  ): Promise<InvalidationResult> {
    const { core } = this;
    checkCallOptions(options);
    const tags = tagsOfRequest(ns, options?.tags);
    // The value is known from here on: what is invalidated later, by anybody, must win over it.
    const markers = entries.map(({ key }) => core.markers.open(key, tags));
    core.writes++;
    try {
      const prepared: { id: string; key: EntryKey; entry: PreparedEntry | null }[] = [];
      for (const { id, key, value } of entries) {
        const life = lifetimeOf(value, ns.settings, options, core.clock.now(), core.options.random);
        const made = life === null ? null : prepareEntry(core, ns, key, value, life, 0);
        // Only for a big value: the others are gone from L1 before `set` returns to its caller.
        prepared.push({ id, key, entry: made instanceof Promise ? await made : made });
      }
      ns.counters.writes += entries.length;
      const keys = entries.map(({ key }) => key);
      const touches = { own: 0 };
      const tokens = prepared.map(({ entry }) => (entry === null || !ns.settings.l2 ? '' : newToken()));
      const [result, nonces] = await Promise.all([
        this.invalidator.send({
          keys,
          tags: [],
          hold: { tokens, leaseMs: ns.settings.leaseMs },
          touches,
          origin: { keys: entries.map(({ id }) => ({ namespace: ns.settings.name, id })) },
        }),
        this.vectorFor(ns, markers[0], tags),
      ]);
      // Without a tier of its own in the shared tier, what is unanswered there only concerns the other nodes.
      if (nonces === null || !(result.acknowledged || !ns.settings.l2)) {
        if (result.acknowledged) this.giveBack(keys, tokens);
        return result;
      }
      const intact = (marker: Marker) => marker.keyTouches <= touches.own && marker.tagsClean;
      const fills = prepared.flatMap(({ id, key, entry }, i) =>
        entry === null ? [] : [{ id, key, entry, token: tokens[i]!, intact: () => intact(markers[i]!) }],
      );
      if (fills.length > 0) await this.fillAll(ns, fills, tags, nonces);
      return result;
    } finally {
      core.writes--;
      for (const marker of markers) core.markers.close(marker);
    }
  }

  /** The vector of a value that is known already. Null: a tag is bypassed, or the shared tier gave no answer. */
  private async vectorFor(
    ns: NamespaceCore,
    marker: Marker | undefined,
    tags: readonly string[],
  ): Promise<readonly string[] | null> {
    if (!ns.settings.l2 || this.core.remote === null || marker === undefined) return [];
    try {
      return await captureVector(this.core, ns.settings.consistency === 'strict', marker, tags);
    } catch (error) {
      if (error instanceof RemoteUnavailableError) return null;
      throw error;
    }
  }

  private giveBack(keys: readonly EntryKey[], tokens: readonly string[]): void {
    keys.forEach((key, i) => {
      if (tokens[i] !== '') void releaseLease(this.core, key, tokens[i]!);
    });
  }

  private async fillAll(
    ns: NamespaceCore,
    entries: readonly Fillable[],
    tags: readonly string[],
    nonces: readonly string[],
  ): Promise<void> {
    const { core } = this;
    const markers = entries.map(({ key }) => core.markers.open(key, tags));
    const keep = (one: Fillable, marker: Marker) => {
      if (one.intact()) admit(core, ns, one.key, marker, admissionOf(one.entry), one.id);
    };
    try {
      if (!ns.settings.l2 || core.remote === null) return entries.forEach((one, i) => keep(one, markers[i]!));
      const current = entries
        .map((one, i) => ({ one, marker: markers[i]! }))
        .filter(({ one }) => {
          if (one.intact()) return true;
          this.giveBack([one.key], [one.token]);
          return false;
        });
      const fills = current.map(({ one: { key, id, entry, token } }) => {
        const value = storedForm(ns, key, id, entry, tags, nonces);
        return { key, token, value, ttlMs: remainingLife(entry.life) };
      });
      const accepted = fills.length === 0 ? [] : await core.remote.run((tier) => tier.fillMany(fills));
      current.forEach(({ one, marker }, i) => {
        if (accepted[i]) keep(one, marker);
      });
      ns.counters.fillsRejected += entries.length - accepted.filter(Boolean).length;
    } catch (error) {
      // The old value is gone on every tier; that the new one is not stored costs a load.
      if (!(error instanceof RemoteUnavailableError)) throw error;
    } finally {
      for (const marker of markers) core.markers.close(marker);
    }
  }

  /** Remaining life in ms, Infinity for ever, null when there is no live entry. */
  async remaining(ns: NamespaceCore, key: EntryKey): Promise<number | null> {
    const node = liveNode(this.core, ns, key);
    if (node !== undefined) return node.expiresAt - this.core.clock.monotonic();
    const entry = (await this.find(ns, [key])).get(key);
    return entry === undefined ? null : entry.header.expires - this.core.clock.now();
  }

  /** Gives a live entry the life `ttl` (default: the namespace's) from now. False when there is none. */
  async touch(ns: NamespaceCore, key: EntryKey, ttl: unknown): Promise<boolean> {
    return retime(this.core, ns, key, ttl === undefined ? ns.settings.ttlMs : ttlMs(ttl));
  }

  /** Ends the time of a live entry: it may still be served stale, unlike after an invalidation. */
  async expire(ns: NamespaceCore, key: EntryKey): Promise<boolean> {
    return retime(this.core, ns, key, 0);
  }
}
