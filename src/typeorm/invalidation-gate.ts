import type { Clock, Fence, InvalidateOptions, InvalidationSelector, TieredCache } from '#tiered-cache';
import { isEmpty } from './invalidation-batch.js';
import { outsideTransaction } from './transactions/ambient-context.js';

/** What a gate needs of a logger. */
export interface GateLog {
  warn(message: string): void;
  error(message: string, stack?: string): void;
}

/** Since the start of the application. */
export interface GateCounts {
  /** Invalidations handed to the cache; one per committed transaction. */
  sent: number;
  /** Not answered within `maxDelayMs`: the write went on, the invalidation went on behind it. */
  late: number;
  /** Taken by the cache, but not acknowledged by the shared tier; the cache sends them again. */
  unacknowledged: number;
  /** Refused by the cache; it was cleared instead. */
  failed: number;
}

export interface SendOptions {
  /** Goes with the invalidation. */
  fence?: Pick<Fence, 'invalidate'> | undefined;
  /** Called once the shared tier has answered, with the position in its log. */
  acknowledged?: (position: string | null) => void;
  /** How long the write has waited for the cache already, milliseconds. */
  waitedMs?: number | undefined;
  /** The outbox has it, too. */
  recorded?: boolean | undefined;
}

/** How many keys and tags a log line names. */
const NAMED = 20;

/**
 * Between a committed write and the cache. The row is committed whatever the cache does, so nothing here throws,
 * and the writer waits for the cache only for a limited time: normally it is told first, and a read that
 * follows the write on this node sees the write.
 */
export class InvalidationGate {
  readonly counts: GateCounts = { sent: 0, late: 0, unacknowledged: 0, failed: 0 };

  constructor(
    private readonly cache: Pick<TieredCache, 'invalidate'>,
    private readonly maxDelayMs: number,
    private readonly clock: Clock,
    private readonly log: GateLog,
  ) {}

  /** Resolves when the cache has answered, or when the write has waited for `maxDelayMs` in all. Never rejects. */
  async send(
    selector: InvalidationSelector,
    { fence, acknowledged, waitedMs = 0, recorded = false }: SendOptions = {},
  ): Promise<void> {
    if (isEmpty(selector)) return;
    this.counts.sent += 1;
    const patience = Math.max(0, this.maxDelayMs - waitedMs);
    // From then on the cache bypasses here what it has not been answered: this write's own reads must not meet the old value.
    const how = { recorded, patience };
    const sending = this.attempt(selector, fence ?? this.cache, how, acknowledged);
    let cancel = (): void => {};
    const limit = new Promise<'late'>((resolve) => {
      cancel = this.clock.setTimer(patience, () => resolve('late'));
    });
    const first = await Promise.race([sending, limit]);
    cancel();
    if (first !== 'late') return;
    this.counts.late += 1;
    this.log.warn(
      `invalidation not answered within ${this.maxDelayMs} ms, the write goes on without it: ${targets(selector)}`,
    );
  }

  private async attempt(
    selector: InvalidationSelector,
    by: Pick<Fence, 'invalidate'>,
    how: InvalidateOptions,
    onAcknowledged?: (position: string | null) => void,
  ): Promise<void> {
    try {
      const { acknowledged, position } = await outsideTransaction(() => by.invalidate(selector, how));
      // The cache keeps it, bypasses the entries here, sends it again, and logs it.
      if (acknowledged) onAcknowledged?.(position);
      else this.counts.unacknowledged += 1;
    } catch (error) {
      this.counts.failed += 1;
      this.log.error(`invalidation failed (${targets(selector)}): ${text(error)}`);
      // Faults of the tier are no rejections, so the selector was refused: rather an empty cache than a wrong one.
      if (selector.all !== true && !isClosed(error))
        await this.attempt({ all: true }, by, { ...how, recorded: false });
    }
  }
}

function isClosed(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === 'STRATA_CLOSED';
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function targets({ keys = [], tags = [], namespaces = [], all }: InvalidationSelector): string {
  const names = [
    ...(all ? ['every namespace'] : namespaces.map((namespace) => `namespace ${namespace}`)),
    ...keys.map(({ namespace, id }) => `${namespace}:${id}`),
    ...tags.map((tag) => `tag ${tag}`),
  ];
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
