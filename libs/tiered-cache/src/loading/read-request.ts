import type { NamespaceCore } from '../cache-core.js';
import { validateTag } from '../keys/entry-key.js';
import { InvalidTagError } from '../errors.js';
import type { GetOrSetOptions, Loader } from '../options.js';
import type { EntryKey } from '../remote/remote-tier.js';
import type { TrackedLoad } from '../tracking/tracked-load.js';
import type { Delivery } from './delivery.js';
import { pick } from './lifetime.js';

/** One read with a loader, after L1 had no answer that needs no thought. */
export interface ReadRequest {
  ns: NamespaceCore;
  key: EntryKey;
  id: string;
  loader: Loader<unknown>;
  options: GetOrSetOptions<unknown> | undefined;
  /**
   * 'read': take what is stored. 'refresh': renew what is stored, unless somebody else has since `newerThan` (wall
   * clock ms). 'fresh': load, whatever is stored.
   */
  mode: 'read' | 'refresh' | 'fresh';
  newerThan: number;
  /** Nothing known locally counts: a strict namespace, or a `minPosition` that has not been applied here yet. */
  strict: boolean;
  /** The tracked load that asks, which then depends on this entry. */
  outer: TrackedLoad | null;
}

/** A stale value in hand, and until when (wall clock ms) it may be served for which reason. */
export interface Stale {
  delivery: Delivery;
  graceUntil: number;
  swrUntil: number;
  /** False once it was invalidated: then it is not served at all (I7). */
  intact(): boolean;
}

export function staleFrom(
  { ns, options }: ReadRequest,
  delivery: Delivery,
  expires: number,
  staleUntil: number,
  intact: () => boolean,
): Stale {
  const until = (span: number) => Math.min(staleUntil, expires + span);
  return {
    delivery,
    graceUntil: until(pick(options?.grace, ns.settings.graceMs)),
    swrUntil: until(pick(options?.staleWhileRevalidate, ns.settings.swrMs)),
    intact,
  };
}

/** Does the loaded value, or the loading of it, decide on more tags? */
export function hasLateTags(options: GetOrSetOptions<never> | undefined): boolean {
  return options?.tagsOf !== undefined || options?.track === true;
}

/** The tags of an entry that are known before its load; the namespace's own comes first. @throws InvalidTagError */
export function tagsOfRequest(ns: NamespaceCore, tags: readonly string[] | undefined): readonly string[] {
  return tags === undefined ? ns.ownTags : [ns.tag, ...new Set(checkedTags(tags))];
}

/** @throws InvalidTagError */
export function checkedTags(tags: readonly string[]): readonly string[] {
  // Text would be taken for the list of its characters.
  if (!Array.isArray(tags)) throw new InvalidTagError(tags, 'must be in a list');
  for (const tag of tags) {
    validateTag(tag);
    if (tag.startsWith('#')) throw new InvalidTagError(tag, "begins with '#', which is reserved");
  }
  return tags;
}
