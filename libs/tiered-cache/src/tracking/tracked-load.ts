import type { CacheCore, NamespaceCore } from '../cache-core.js';
import type { Marker } from '../coherence/markers.js';
import type { TagState } from '../coherence/tag-table.js';
import { captureVector } from '../coherence/vectors.js';
import { InvalidTagError, RemoteUnavailableError, UntrackedReadError } from '../errors.js';
import { validateTag } from '../keys/entry-key.js';
import { keyTag } from '../keys/key-tag.js';
import type { L1Node } from '../memory/node.js';
import type { EntryKey } from '../remote/remote-tier.js';
import { enter, leave } from './tracked-context.js';

/** What a load that tracks itself is told by those who see what it reads. */
export interface TrackedReads {
  /**
   * Before a read is sent: the tags that end what it will answer. To be awaited before sending.
   * `fresh`: the answer will be of a moment after this one; not so on a connection that reads from an older snapshot.
   */
  reads(tags: readonly string[], options?: { fresh?: boolean }): Promise<void> | void;
  /** Tags that were met only in what a read answered. */
  found(tags: readonly string[]): void;
  /** Something was read of which nobody knows what ends it: nothing is stored. The first reason counts. */
  refuse(reason: string): void;
}

export interface TrackedTag {
  readonly tag: string;
  readonly nonce: string;
}

interface Dependency {
  readonly state: TagState;
  /** In hand before what depends on it was read; null: to be proved. */
  nonce: string | null;
}

/** A vector of more tags costs more than it is worth: readers compare it whenever any tag moved. */
export const MAX_TRACKED_TAGS = 2_000;

/**
 * Collects the tags of one load while it runs. A tag counts only with a nonce that stood since before the read that
 * depends on it (protocol, "Tag nonce"). There are two ways to know that, see docs/decisions/0013:
 *
 * - the nonce was in hand before: known under the clock when the load began, or asked before the read was sent;
 * - the log proves it: the nonce and the log's end L are answered by one step; this node has applied the log up to L, and
 *   since the load began no record touched the tag. Only where BUMP and record are one step.
 */
export class TrackedLoad implements TrackedReads {
  /** The loader has ended: what is reported later concerns nobody. */
  over = false;
  /** Why nothing may be stored. */
  problem: string | null = null;
  /** Was anything seen at all? */
  private seen = false;
  /** Something it depends on was touched before it was known to be. */
  private outdated = false;
  private readonly dependencies = new Map<string, Dependency>();
  private readonly marker: Marker;
  private readonly losses: number;
  private readonly believed: boolean;
  /** One for all entries of a batch. */
  private proof: Promise<boolean> | undefined;

  constructor(
    readonly core: CacheCore,
    private readonly ns: NamespaceCore,
    key: EntryKey,
  ) {
    this.marker = core.markers.open(key, [ns.tag]);
    this.losses = core.log?.losses ?? 0;
    this.believed = core.log === null || core.log.believes(ns.tag);
  }

  /** Runs the loader in a context of its own. */
  async run<T>(loader: () => Promise<T> | T): Promise<T> {
    try {
      return await enter(this, loader);
    } finally {
      this.leave();
    }
  }

  /** Nobody waits for the loader any longer. */
  leave(): void {
    if (this.over) return;
    this.over = true;
    leave();
  }

  /** When the vector was taken or is not wanted. */
  close(): void {
    this.core.markers.close(this.marker);
  }

  reads(tags: readonly string[], { fresh = true }: { fresh?: boolean } = {}): Promise<void> | void {
    this.seen = true;
    const { core } = this;
    if (!fresh || core.remote === null || core.remote.tier.atomicLog || !core.remote.usable) {
      this.found(tags);
      return;
    }
    const unknown = tags.filter((tag) => this.accepts(tag) && this.known(core.tags.state(tag)) === null);
    this.found(tags.filter((tag) => !unknown.includes(tag)));
    if (unknown.length > 0) return this.capture(unknown);
  }

  found(tags: readonly string[]): void {
    this.seen = true;
    for (const tag of tags) {
      if (!this.accepts(tag)) continue;
      // Touched since the load began: the read may have been before that.
      if (!this.marker.watchLate(tag)) this.outdated = true;
      this.add(tag, this.known(this.core.tags.state(tag)));
    }
  }

  refuse(reason: string): void {
    this.seen = true;
    this.problem ??= reason;
  }

  /** An entry is about to be read: whoever invalidates or replaces it, ends this one too. */
  readsEntry(core: CacheCore, key: EntryKey): boolean {
    this.seen = true;
    if (core !== this.core) {
      this.refuse('it was made of an entry of another cache');
      return false;
    }
    const tag = keyTag(key);
    if (this.accepts(tag)) this.watchNow(core.tags.state(tag), true);
    return true;
  }

  /** Made of a node of L1, which is valid now. */
  foundNode(node: L1Node): void {
    // Of one version there is one nonce, and it is the one in the entry's vector.
    for (const state of node.tags) if (this.accepts(state.tag)) this.watchNow(state, true);
  }

  /**
   * Made of an entry that was judged or loaded under `marker`. `isHit`: its vector was compared, so that what is known is
   * what it carries.
   */
  foundEntry(marker: Marker, isHit: boolean): void {
    if (!marker.clean) this.outdated = true;
    for (const state of marker.tags)
      if (this.accepts(state.tag)) this.watchNow(state, isHit || state.learntAt <= marker.sequence);
  }

  /** Made of what another tracked load has answered, stored or not. */
  foundLoad(other: TrackedLoad): void {
    if (other.problem !== null) this.refuse(other.problem);
    if (other.outdated) this.outdated = true;
    this.foundEntry(other.marker, false);
  }

  /**
   * The tags with their nonces, or null: nothing may be stored.
   * @param shared whether the entry goes into the shared tier
   * @throws UntrackedReadError when it never could be
   */
  async vector(shared: boolean): Promise<TrackedTag[] | null> {
    this.assertTracked();
    const { core } = this;
    const all = [...this.dependencies.values()];
    if (this.dirty || all.some(({ state }) => this.bypassed(state.tag))) return null;
    if (!shared) return all.map(({ state }) => ({ tag: state.tag, nonce: '' }));
    const unknown = all.filter(({ nonce }) => nonce === null);
    if (unknown.length > 0 && !(await (this.proof ??= this.prove(unknown)))) return null;
    if (this.dirty || core.log?.losses !== this.losses) return null;
    return all.map(({ state, nonce }) => ({ tag: state.tag, nonce: nonce! }));
  }

  /** The entry goes into L1 under `marker`: it lives by the same tags. False when one of them was touched by now. */
  handOver(marker: Marker): boolean {
    if (this.dirty) return false;
    for (const { state } of this.dependencies.values()) marker.watch(state);
    return true;
  }

  /** Something it depends on may have changed since it was read. */
  private get dirty(): boolean {
    return this.outdated || this.marker.gapped || !this.marker.tagsClean;
  }

  private assertTracked(): void {
    if (!this.seen)
      throw new UntrackedReadError('nothing that it read was seen (is CacheTypeOrmModule imported?)');
    if (this.dependencies.size > MAX_TRACKED_TAGS)
      throw new UntrackedReadError(`it depends on more than ${MAX_TRACKED_TAGS} tags`);
    if (this.problem !== null) throw new UntrackedReadError(this.problem);
  }

  /** New here, and a tag that may be kept. */
  private accepts(tag: string): boolean {
    if (this.over || this.dependencies.has(tag) || this.dependencies.size > MAX_TRACKED_TAGS) return false;
    try {
      validateTag(tag);
      return true;
    } catch (error) {
      if (!(error instanceof InvalidTagError)) throw error;
      this.refuse(error.message);
      return false;
    }
  }

  private add(tag: string, nonce: string | null): void {
    this.dependencies.set(tag, { state: this.core.tags.state(tag), nonce });
  }

  /** Known here since before the load. */
  private known(state: TagState): string | null {
    return state.learntAt <= this.marker.sequence && !this.bypassed(state.tag) ? state.nonce : null;
  }

  private watchNow(state: TagState, isCarried: boolean): void {
    this.marker.watch(state);
    this.dependencies.set(state.tag, { state, nonce: isCarried ? state.nonce : null });
  }

  private bypassed(tag: string): boolean {
    return this.core.pending.hasTag(tag);
  }

  /** Asks before the read is sent; what stays out is left to be proved. */
  private async capture(tags: readonly string[]): Promise<void> {
    const { core } = this;
    const states = tags.map((tag) => core.tags.state(tag));
    let nonces: string[] | null = null;
    try {
      nonces = await captureVector(core, false, this.marker, tags);
    } catch (error) {
      if (!(error instanceof RemoteUnavailableError)) throw error;
    }
    states.forEach((state, i) => {
      if (!this.dependencies.has(state.tag))
        this.dependencies.set(state.tag, { state, nonce: nonces?.[i] ?? null });
    });
  }

  /** By the log, that the nonces which stand now have stood since the load began. */
  private async prove(unknown: readonly Dependency[]): Promise<boolean> {
    const { core, marker } = this;
    const versions = unknown.map(({ state }) => marker.watch(state));
    try {
      const { nonces, at } = await core.remote!.run((tier) =>
        tier.noncesAt(unknown.map(({ state }) => state.tag)),
      );
      unknown.forEach((one, i) => {
        // Learnt even where nothing is proved: then it is in hand for the next load.
        if (!this.bypassed(one.state.tag)) core.tags.learn(one.state, versions[i]!, nonces[i]!);
      });
      if (at === null || core.log === null || !this.believed || core.log.losses !== this.losses) return false;
      if (!(await core.log.hasApplied(at))) return false;
      unknown.forEach((one, i) => (one.nonce = nonces[i]!));
      return true;
    } catch (error) {
      if (error instanceof RemoteUnavailableError) return false;
      throw error;
    }
  }
}
