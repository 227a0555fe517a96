import { type InvalidationSelector, joinSelectors } from '#tiered-cache';
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
    return changes.length === 0 ? selector : joinSelectors([selector, ...changes]);
  }
}
