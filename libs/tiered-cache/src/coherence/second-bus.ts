import type { InvalidationSelector } from '../options.js';

/** How far somebody has read the second bus: opaque. */
export type BusCursor = string;

export interface BusPage {
  /** What the writes committed since the cursor make wrong, in any order; several may say the same. */
  readonly changes: readonly InvalidationSelector[];
  /** For the next question. */
  readonly cursor: BusCursor;
  /** Writes may be missing (too many, purged, or another database than before). */
  readonly lost: boolean;
}

/** An invalidation of the application's own, written to the bus. */
export interface BusRecord {
  /** The shared tier has answered it, at this position of its log: nobody need replay it there. */
  settle(position: string | null): void;
}

/**
 * The port of the second bus: where every change is written down that entries of a namespace depend on, even while the
 * shared tier is away. In practice the outbox of the database. All methods reject when it is away, or cannot see all writes.
 */
export interface SecondBus {
  /**
   * Where to begin so that nothing is left out which the log of the shared tier did not hold at that time (monotonic
   * ms); null: nobody knows.
   */
  checkpoint(before: number): BusCursor | null;
  /** One look: every change committed since. `from` null: only the cursor. */
  poll(from: BusCursor | null): Promise<BusPage>;
  /** Has the shared tier, in the data set `epoch`, been told all changes that were visible at `at`? */
  settled(at: BusCursor, epoch: string): Promise<boolean>;
  /** Writes an invalidation down for the others; resolves when it is durable. */
  record(selector: InvalidationSelector): Promise<BusRecord>;
}
