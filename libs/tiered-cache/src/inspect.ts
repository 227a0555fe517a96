import { type CacheCore, namespaceTag } from './cache-core.js';
import { literalPrefix } from './coherence/invalidator.js';
import { readHeader } from './codec/wire-header.js';
import { CorruptEntryError } from './errors.js';
import { globMatcher } from './keys/glob.js';
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

/**
 * Counts the entries a selection covers, per namespace, by walking the keys of both tiers (never KEYS): for people,
 * not for hot paths. Tags are read off the headers.
 */
export async function countSelection(
  core: CacheCore,
  selection: Selection,
  namespaces: readonly string[],
  limit = 100_000,
): Promise<Count> {
  const matchers = selection.patterns.map((pattern) => globMatcher(pattern));
  const seen = new Set<EntryKey>();
  let truncated = false;
  const byKey = (key: EntryKey) => selection.keys.has(key) || matchers.some((matches) => matches(key));
  for (const [key, node] of core.l1.entries()) {
    if (seen.size >= limit) break;
    if (byKey(key) || node.tags.some(({ tag }) => selection.tags.has(tag))) seen.add(key);
  }
  if (core.remote !== null && core.remote.usable) {
    const { remote } = core;
    const wholly = namespaces.filter((name) => selection.tags.has(namespaceTag(name)));
    const otherTags = [...selection.tags].some((tag) => !wholly.some((name) => tag === namespaceTag(name)));
    const prefixes = otherTags
      ? ['']
      : [...wholly.map((name) => `${name}:`), ...selection.patterns.map(literalPrefix)];
    for (const key of selection.keys) if ((await remote.run((tier) => tier.get(key))) !== null) seen.add(key);
    for (const prefix of prefixes) {
      for await (const batch of remote.scan(prefix)) {
        if (seen.size >= limit) {
          truncated = true;
          break;
        }
        const undecided = batch.filter((key) => {
          if (!byKey(key) && !wholly.some((name) => key.startsWith(`${name}:`))) return true;
          seen.add(key);
          return false;
        });
        if (!otherTags || undecided.length === 0) continue;
        const values = await remote.run((tier) => tier.getMany(undecided));
        undecided.forEach((key, i) => {
          if (values[i] !== null && tagsOfStored(values[i]!).some((tag) => selection.tags.has(tag)))
            seen.add(key);
        });
      }
    }
  }
  const counts: Record<string, number> = {};
  for (const key of seen) {
    const namespace = key.slice(0, key.indexOf(':'));
    counts[namespace] = (counts[namespace] ?? 0) + 1;
  }
  return { counts, total: seen.size, truncated };
}

function tagsOfStored(value: Buffer): readonly string[] {
  try {
    return readHeader(value).tags;
  } catch (error) {
    if (error instanceof CorruptEntryError) return [];
    throw error;
  }
}
