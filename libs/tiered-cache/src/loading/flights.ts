import { type CacheCore, validUntil } from '../cache-core.js';
import type { Marker } from '../coherence/markers.js';
import type { EntryKey } from '../remote/remote-tier.js';
import type { TrackedLoad } from '../tracking/tracked-load.js';
import type { Delivery } from './delivery.js';

/** Where a flight's value came from; decides what its readers are counted as. */
export type FlightOutcome = 'l2-hit' | 'miss' | 'stale';

/** Who waits for a flight; told in the callback in which it is answered. */
export interface FlightWaiter {
  delivered(delivery: Delivery, outcome: FlightOutcome): void;
  failed(error: unknown): void;
}

/** One load of one key in this process, which others join. */
export class Flight {
  outcome: FlightOutcome = 'miss';
  /** Set once the readers have their answer; what goes wrong after that concerns nobody but the counters. */
  delivered = false;
  finished = false;
  /** Opened before the first command was sent: dirty means that the flight may carry something older than an invalidation. */
  readonly first: Marker;
  /** Opened anew for each question to the shared tier; decides whether the answer may enter L1. */
  marker: Marker;
  /** What its loader reads is collected here. */
  tracked: TrackedLoad | null = null;
  /** Where the tag table stood at the start: which tags a value will have is unknown while `tagsOf` has not seen it. */
  private readonly tagEpoch: number;
  /** One nearly always: a list is made for the second only. */
  private waiter: FlightWaiter | null = null;
  private more: FlightWaiter[] | null = null;
  /** Of those that come when the answer is there. */
  private delivery: Delivery | null = null;
  private error: unknown = undefined;
  /** Where it is to be found until it has ended; null also of one that nobody is to join. */
  table: FlightTable | null = null;

  constructor(
    private readonly core: CacheCore,
    readonly key: EntryKey,
    /** Known before the load, the namespace's own first. */
    readonly tags: readonly string[],
    /** How many loads of this key, each older than its lease, are still under way. */
    readonly depth: number,
    readonly startedAt: number,
    /** Its value decides on more tags. */
    private readonly lateTags: boolean,
  ) {
    this.tagEpoch = core.tags.epoch;
    this.first = this.marker = core.markers.open(key, tags);
  }

  /** At once where the answer is there already. */
  wait(waiter: FlightWaiter): void {
    if (this.delivery !== null) waiter.delivered(this.delivery, this.outcome);
    else if (this.delivered) waiter.failed(this.error);
    else if (this.waiter === null) this.waiter = waiter;
    else (this.more ??= []).push(waiter);
  }

  /** Waits for the answer, whatever it is. */
  settled(): Promise<this> {
    return new Promise((resolve) => {
      const done = (): void => resolve(this);
      this.wait({ delivered: done, failed: done });
    });
  }

  /** No invalidation heard since it began can concern its value. */
  get current(): boolean {
    return this.first.clean && (!this.lateTags || this.tagEpoch === this.core.tags.epoch);
  }

  /** A new marker for the next question. */
  remark(): Marker {
    if (this.marker !== this.first) this.core.markers.close(this.marker);
    return (this.marker = this.core.markers.open(this.key, this.tags));
  }

  /** The last word: the load is over, and who asks from now on begins a new one. */
  finish(delivery: Delivery, outcome: FlightOutcome): void {
    this.finished = true;
    // First: who is told now may ask whether anything is under way.
    this.table?.end(this);
    this.deliver(delivery, outcome);
  }

  /** The readers have their answer; the load may go on behind a stale one. */
  deliver(delivery: Delivery, outcome: FlightOutcome): void {
    if (this.delivered) return;
    this.delivered = true;
    this.outcome = outcome;
    this.delivery = delivery;
    const { waiter, more } = this;
    this.waiter = this.more = null;
    if (waiter !== null) waiter.delivered(delivery, outcome);
    if (more !== null) for (const one of more) one.delivered(delivery, outcome);
  }

  fail(error: unknown): void {
    this.finished = true;
    this.table?.end(this);
    if (this.delivered) return;
    this.delivered = true;
    this.error = error;
    const { waiter, more } = this;
    this.waiter = this.more = null;
    // A background flight has no readers; its failure is counted where it happens.
    if (waiter !== null) waiter.failed(error);
    if (more !== null) for (const one of more) one.failed(error);
  }

  closeMarkers(): void {
    this.core.markers.close(this.first);
    if (this.marker !== this.first) this.core.markers.close(this.marker);
  }
}

/**
 * Single flight for (key, generation): the generation is the flight's first marker. An invalidation dirties it, and
 * from then on nobody joins (protocol, Read 2).
 */
export class FlightTable {
  private readonly current = new Map<EntryKey, Flight>();
  private open = 0;

  constructor(private readonly core: CacheCore) {}

  /** A flight that a reader who begins now may join. */
  joinable(key: EntryKey): Flight | undefined {
    const flight = this.current.get(key);
    if (flight === undefined || flight.finished || !flight.current) return undefined;
    const now = this.core.clock.monotonic();
    // While the clock is stopped an invalidation may have gone unheard: only young flights prove freshness.
    if (now >= validUntil(this.core) && now - flight.startedAt >= this.core.options.boundMs) return undefined;
    return flight;
  }

  start(flight: Flight): void {
    this.current.set(flight.key, flight);
    flight.table = this;
    this.open++;
  }

  end(flight: Flight): void {
    if (flight.table === null) return;
    flight.table = null;
    this.open--;
    flight.closeMarkers();
    if (this.current.get(flight.key) === flight) this.current.delete(flight.key);
  }

  get size(): number {
    return this.open;
  }
}
