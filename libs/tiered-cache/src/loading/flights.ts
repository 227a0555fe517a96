import { type CacheCore, validUntil } from '../cache-core.js';
import type { Marker } from '../coherence/markers.js';
import type { EntryKey } from '../remote/remote-tier.js';
import type { TrackedLoad } from '../tracking/tracked-load.js';
import type { Delivery } from './delivery.js';

/** Where a flight's value came from; decides what its readers are counted as. */
export type FlightOutcome = 'l2-hit' | 'miss' | 'stale';

/** One load of one key in this process, which others join. */
export class Flight {
  readonly promise: Promise<Delivery>;
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
  private resolve!: (delivery: Delivery) => void;
  private reject!: (error: unknown) => void;

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
    this.promise = new Promise<Delivery>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // A background flight has no readers; its failure is counted where it happens.
    this.promise.catch(() => undefined);
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
    this.deliver(delivery, outcome);
  }

  /** The readers have their answer; the load may go on behind a stale one. */
  deliver(delivery: Delivery, outcome: FlightOutcome): void {
    if (this.delivered) return;
    this.delivered = true;
    this.outcome = outcome;
    this.resolve(delivery);
  }

  fail(error: unknown): void {
    this.finished = true;
    if (this.delivered) return;
    this.delivered = true;
    this.reject(error);
  }

  closeMarkers(): void {
    this.core.markers.close(this.first);
    this.core.markers.close(this.marker);
  }
}

/**
 * Single flight for (key, generation): the generation is the flight's first marker. An invalidation dirties it, and
 * from then on nobody joins (protocol, Read 2).
 */
export class FlightTable {
  private readonly current = new Map<EntryKey, Flight>();
  private readonly all = new Set<Flight>();

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
    this.all.add(flight);
  }

  end(flight: Flight): void {
    flight.closeMarkers();
    this.all.delete(flight);
    if (this.current.get(flight.key) === flight) this.current.delete(flight.key);
  }

  get size(): number {
    return this.all.size;
  }
}
