import type { InvalidationSelector } from './options.js';

/** One selector for several: each part once, and only the parts that there are. What is in them is for the cache to judge. */
export function joinSelectors(all: readonly InvalidationSelector[]): InvalidationSelector {
  const keys = new Map<string, { namespace: string; id: string }>();
  for (const key of all.flatMap((one) => one.keys ?? [])) keys.set(`${key.namespace}:${key.id}`, key);
  const tags = all.flatMap(({ tags: named = [], user, symbol }) => [
    ...named,
    ...(user === undefined ? [] : [`user:${user}`]),
    ...(symbol === undefined ? [] : [`symbol:${symbol.toUpperCase()}`]),
  ]);
  const parts = {
    keys: [...keys.values()],
    tags: [...new Set(tags)],
    namespaces: [...new Set(all.flatMap((one) => one.namespaces ?? []))],
    patterns: [...new Set(all.flatMap((one) => one.patterns ?? []))],
  };
  const joined: InvalidationSelector = Object.fromEntries(
    Object.entries(parts).filter(([, list]) => list.length > 0),
  );
  if (all.some((one) => one.all === true)) joined.all = true;
  return joined;
}
