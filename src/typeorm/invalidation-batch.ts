import type { InvalidationSelector } from '#tiered-cache';
import { anyRowTag, entityTag } from './entity-tag.js';

/** What one write ends. */
export interface Invalidation {
  readonly keys: readonly EntryKey[];
  readonly tags: readonly string[];
  readonly namespaces: readonly string[];
  /** Every namespace of the cache. */
  readonly all: boolean;
  /** Whose rows these are. */
  readonly scope: EntityScope;
}

export interface EntryKey {
  readonly namespace: string;
  readonly id: string;
}

/** What stands for an entity when its rows are not known. */
export interface EntityScope {
  readonly type: string;
  /** The namespaces its entries are in; null: nobody can tell. */
  readonly namespaces: readonly string[] | null;
}

/** The most keys and tags one transaction sends one by one; above, namespaces are cleared instead. */
export const MAX_TARGETS = 5_000;

/** What goes when a write does not say which row it touched: O(1), however many rows there are. */
export function unknownRow(scope: EntityScope): Invalidation {
  return {
    scope,
    keys: [],
    tags: [entityTag(scope.type), anyRowTag(scope.type)],
    namespaces: scope.namespaces ?? [],
    all: scope.namespaces === null,
  };
}

/** One selector for all writes of a transaction; each key and tag once. */
export function batch(parts: readonly Invalidation[], maxTargets = MAX_TARGETS): InvalidationSelector {
  const exact = collect(parts);
  if ((exact.keys?.length ?? 0) + (exact.tags?.length ?? 0) <= maxTargets) return exact;
  return collect([...new Set(parts.map((part) => part.scope))].map(unknownRow));
}

function collect(parts: readonly Invalidation[]): InvalidationSelector {
  const keys = new Map<string, EntryKey>();
  const tags = new Set<string>();
  const namespaces = new Set<string>();
  for (const part of parts) {
    for (const key of part.keys) keys.set(`${key.namespace}:${key.id}`, key);
    for (const tag of part.tags) tags.add(tag);
    for (const namespace of part.namespaces) namespaces.add(namespace);
  }
  const all = parts.some((part) => part.all);
  // A key needs no mention of its own where its namespace goes.
  const left = all ? [] : [...keys.values()].filter((key) => !namespaces.has(key.namespace));
  const selector: InvalidationSelector = {};
  if (left.length > 0) selector.keys = left;
  if (tags.size > 0) selector.tags = [...tags];
  if (all) selector.all = true;
  else if (namespaces.size > 0) selector.namespaces = [...namespaces];
  return selector;
}

export function isEmpty(selector: InvalidationSelector): boolean {
  return Object.keys(selector).length === 0;
}
