import { type CacheCore, namespaceTag } from './cache-core.js';
import type { EntryHeader } from './codec/codec.js';
import { literalPrefix } from './coherence/invalidator.js';
import { readHeader } from './codec/wire-header.js';
import { CorruptEntryError, InvalidOptionsError } from './errors.js';
import { globMatcher } from './keys/glob.js';
import { checkedTags } from './loading/read-request.js';
import { tagsUnchanged } from './memory/node.js';
import type { InvalidationSelector } from './options.js';
import type { EntryKey } from './remote/remote-tier.js';

/** What an invalidation selector comes down to. */
export interface Selection {
  keys: ReadonlySet<EntryKey>;
  tags: ReadonlySet<string>;
  patterns: readonly string[];
}

export interface Count {
  counts: Record<string, number>;
  total: number;
  truncated: boolean;
}

const PARTS = [
  'keys',
  'tags',
  'namespaces',
  'patterns',
  'user',
  'symbol',
  'all',
] satisfies (keyof InvalidationSelector)[];

/**
 * All tags a selector names by itself, and its patterns; a part that is misspelt would silently select nothing.
 * @throws InvalidOptionsError, InvalidTagError
 */
export function readSelector(selector: InvalidationSelector): {
  tags: string[];
  patterns: readonly string[];
} {
  if (typeof selector !== 'object' || selector === null)
    throw new InvalidOptionsError('selector', selector, `an object of ${PARTS.join(', ')}`);
  for (const [part, value] of Object.entries(selector))
    if (!(PARTS as string[]).includes(part))
      throw new InvalidOptionsError(`selector.${part}`, value, `one of ${PARTS.join(', ')}`);
  const { tags = [], patterns = [], user, symbol } = selector;
  for (const pattern of patterns)
    if (typeof pattern !== 'string' || pattern === '')
      throw new InvalidOptionsError('selector.patterns', pattern, 'globs that are not empty');
  const named = [...checkedTags(tags)];
  // Each by itself must be a tag: not empty, a string.
  if (user !== undefined) named.push(`user:${checkedTags([user])[0]}`);
  if (symbol !== undefined) named.push(`symbol:${checkedTags([symbol])[0]!.toUpperCase()}`);
  return { tags: named, patterns };
}

/** Values fetched at once while counting. */
const CHUNK = 100;

/**
 * Counts the entries a selection covers, per namespace, by walking both tiers (never KEYS): for people, not for hot
 * paths. An entry counts when it could still be served: leases, locks, and bytes whose tags were invalidated do not.
 * @throws RemoteUnavailableError
 */
export async function countSelection(
  core: CacheCore,
  selection: Selection,
  namespaces: readonly string[],
  limit = 100_000,
): Promise<Count> {
  const matchers = selection.patterns.map((pattern) => globMatcher(pattern));
  const covers = (key: EntryKey, tags: readonly string[]) =>
    selection.keys.has(key) ||
    matchers.some((matches) => matches(key)) ||
    tags.some((tag) => selection.tags.has(tag));
  const seen = new Set<EntryKey>();
  const monotonic = core.clock.monotonic();
  for (const [key, node] of core.l1.entries()) {
    if (monotonic >= node.staleUntil || node.isError || !tagsUnchanged(node)) continue;
    const tags = node.tags.map(({ tag }) => tag);
    if (covers(key, tags)) seen.add(key);
    if (seen.size >= limit) return summary(seen, true);
  }
  const { remote } = core;
  if (remote === null || !remote.usable) return summary(seen, false);

  const nonceOf = new Map<string, string>();
  const look = async (keys: readonly EntryKey[]): Promise<void> => {
    const unseen = keys.filter((key) => !key.startsWith('#') && !seen.has(key));
    if (unseen.length === 0) return;
    const values = await remote.run((tier) => tier.getMany(unseen));
    const covered = new Map<EntryKey, EntryHeader>();
    for (const [i, key] of unseen.entries()) {
      const header = values[i] ? headerOf(values[i]) : null;
      if (header !== null && core.clock.now() < header.staleUntil && covers(key, header.tags))
        covered.set(key, header);
    }
    const unknown = new Set(
      [...covered.values()].flatMap(({ tags }) => tags).filter((tag) => !nonceOf.has(tag)),
    );
    const nonces = unknown.size > 0 ? await remote.run((tier) => tier.nonces([...unknown])) : [];
    [...unknown].forEach((tag, i) => nonceOf.set(tag, nonces[i]!));
    for (const [key, { tags, nonces: vector }] of covered)
      if (tags.every((tag, i) => nonceOf.get(tag) === vector[i])) seen.add(key);
  };

  await inChunks([...selection.keys], look);
  for (const prefix of prefixesOf(selection, namespaces)) {
    for await (const keys of remote.scan(prefix)) {
      await inChunks(keys, look);
      if (seen.size >= limit) return summary(seen, true);
    }
  }
  return summary(seen, false);
}

/** Where entries of the selection may lie; a tag's may lie anywhere. */
function prefixesOf({ tags, patterns }: Selection, namespaces: readonly string[]): string[] {
  const wholly = namespaces.filter((name) => tags.has(namespaceTag(name)));
  if (tags.size > wholly.length) return [''];
  return [...wholly.map((name) => `${name}:`), ...patterns.map(literalPrefix)];
}

function summary(seen: ReadonlySet<EntryKey>, truncated: boolean): Count {
  const counts: Record<string, number> = {};
  for (const key of seen) {
    const namespace = key.slice(0, key.indexOf(':'));
    counts[namespace] = (counts[namespace] ?? 0) + 1;
  }
  return { counts, total: seen.size, truncated };
}

async function inChunks(keys: readonly EntryKey[], look: (keys: EntryKey[]) => Promise<void>): Promise<void> {
  for (let at = 0; at < keys.length; at += CHUNK) await look(keys.slice(at, at + CHUNK));
}

function headerOf(value: Buffer): EntryHeader | null {
  try {
    return readHeader(value);
  } catch (error) {
    if (error instanceof CorruptEntryError) return null;
    throw error;
  }
}
