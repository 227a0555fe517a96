import type { InvalidationSelector } from '#tiered-cache';
import { batch, type Invalidation } from '../invalidation-batch.js';
import type { OutboxRow } from './outbox-row.js';

/** Keys and tags of many rows at once are told one by one up to here: what a backlog of an outage comes to, batch by batch. */
const MAX_TARGETS = 20_000;

/** What rows of the outbox mean for one cache: the writes to its entities, and what the application wrote for it. */
export class RowsSelector {
  constructor(
    private readonly cacheName: string,
    private readonly meaning: (row: OutboxRow) => Invalidation[],
  ) {}

  of(rows: readonly OutboxRow[]): InvalidationSelector {
    const selector = batch(
      rows.flatMap((row) => this.meaning(row)),
      MAX_TARGETS,
    );
    const changes = rows.flatMap(({ change }) => (change?.cache === this.cacheName ? [change.selector] : []));
    return changes.length === 0 ? selector : merge([selector, ...changes]);
  }
}

/** The parts add up. Patterns, users and symbols too: what the application wrote is for the cache to judge. */
function merge(all: readonly InvalidationSelector[]): InvalidationSelector {
  const tags = all.flatMap(({ tags = [], user, symbol }) => [
    ...tags,
    ...(user === undefined ? [] : [`user:${user}`]),
    ...(symbol === undefined ? [] : [`symbol:${symbol.toUpperCase()}`]),
  ]);
  const parts = {
    keys: all.flatMap(({ keys = [] }) => keys),
    tags: [...new Set(tags)],
    namespaces: [...new Set(all.flatMap(({ namespaces = [] }) => namespaces))],
    patterns: [...new Set(all.flatMap(({ patterns = [] }) => patterns))],
  };
  const merged: InvalidationSelector = Object.fromEntries(
    Object.entries(parts).filter(([, list]) => list.length > 0),
  );
  if (all.some((one) => one.all === true)) merged.all = true;
  return merged;
}
