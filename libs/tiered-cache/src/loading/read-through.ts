import { AsyncResource } from 'node:async_hooks';
import { believes, type CacheCore, l1Serves } from '../cache-core.js';
import { ReentrantLoadError, RemoteUnavailableError } from '../errors.js';
import { type L1Node, tagsUnchanged } from '../memory/node.js';
import type { EntryKey } from '../remote/remote-tier.js';
import type { Asker } from '../resilience/coalesced.js';
import { askShared, type FirstAnswer, type Lease, mayAskShared, type SharedAnswer } from './ask-shared.js';
import { promote } from './admit.js';
import type { Delivery } from './delivery.js';
import { judgeNow, type StoredEntry } from './judge.js';
import { checkCallOptions, pick } from './lifetime.js';
import { Flight, type FlightOutcome, type FlightTable, type FlightWaiter } from './flights.js';
import { loadAndStore } from './load-and-store.js';
import { asksForLeaseFirst, PlainMiss } from './plain-miss.js';
import { hasLateTags, type ReadRequest, type Stale, staleFrom, tagsOfRequest } from './read-request.js';
import { slideStored } from './retime.js';
import { runLoader } from './run-loader.js';
import { dependOnFlight } from '../tracking/made-of-entries.js';

/** A joined load that outlives its lease is taken over, twice at most; each time is waited for twice as long. */
const MAX_TAKEOVERS = 2;

/** The way of a read (docs/architecture.md): join the flight - GET - ACQUIRE - load - FILL - L1. */
export class ReadThrough {
  /** Keys whose loader is in its synchronous part: the same key asked from in there calls through. */
  private readonly calling = new Set<EntryKey>();
  /** Strict reads that wait for the flight before them: they share the next one, which is not sent yet. */
  private readonly queued = new Map<EntryKey, Promise<Flight>>();

  constructor(
    readonly core: CacheCore,
    private readonly flights: FlightTable,
  ) {}

  /** Answers the value, joining a load under way where that is allowed. */
  read(request: ReadRequest): Promise<unknown> {
    try {
      return this.begin(request);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private begin(request: ReadRequest): Promise<unknown> {
    const { ns, key, id, loader } = request;
    checkCallOptions(request.options);
    if (this.calling.size > 0 && this.calling.has(key))
      return runLoader(this.core, { ns, id, loader, stale: undefined, hardTimeoutMs: null }).then(
        ({ value }) => value,
      );
    const startedAt = this.core.clock.monotonic();
    if (request.mode === 'read') {
      const flight = this.flights.joinable(key);
      if (flight !== undefined && !this.joinsSent(request)) return this.readNext(flight, request, startedAt);
      if (flight !== undefined) return this.join(flight, request, startedAt);
    }
    const node = request.mode === 'read' ? this.staleNode(request, startedAt) : undefined;
    return this.answer(this.launch(request, node, 0, startedAt), request, startedAt);
  }

  /** Would this read join a load under way (or call through), rather than begin one? */
  joins(request: ReadRequest): boolean {
    const { key, mode } = request;
    if (this.calling.has(key)) return true;
    return mode === 'read' && this.joinsSent(request) && this.flights.joinable(key) !== undefined;
  }

  /** Runs the synchronous part of a loader of `keys`. */
  whileCalling<R>(keys: readonly EntryKey[], fn: () => R): R {
    for (const key of keys) this.calling.add(key);
    try {
      return fn();
    } finally {
      for (const key of keys) this.calling.delete(key);
    }
  }

  /** Reads anew in place of a flight that could not be finished, whose joiners get the same answer. */
  async readInstead(old: Flight, request: ReadRequest): Promise<unknown> {
    const startedAt = this.core.clock.monotonic();
    this.flights.end(old);
    const flight = this.launch(request, undefined, 0);
    flight.wait({
      delivered: (delivery, outcome) => old.finish(delivery, outcome),
      failed: (error) => old.fail(error),
    });
    return this.answer(flight, request, startedAt);
  }

  /** May this expired node be served at once while a background load renews it? */
  mayRevalidate(
    { ns, options }: ReadRequest,
    node: Pick<L1Node, 'expiresAt' | 'staleUntil'>,
    now: number,
  ): boolean {
    const spanMs = pick(options?.staleWhileRevalidate, ns.settings.swrMs);
    return now < Math.min(node.staleUntil, node.expiresAt + spanMs);
  }

  /** Renews an entry without anybody waiting; one load at a time per key. */
  refresh(request: ReadRequest): void {
    if (this.core.closed || this.flights.joinable(request.key) !== undefined) return;
    this.core.background.runInAsyncScope(() => {
      const { ns, id } = request;
      this.launch(request, undefined, 0).wait({
        delivered: () => undefined,
        failed: (error) => {
          if (this.core.events.watched('refresh-failed'))
            this.core.events.emit('refresh-failed', { namespace: ns.settings.name, id, error });
        },
      });
    });
  }

  /** Listeners are told in the reader's own async context, which a promise of its own brings along. */
  private answer(flight: Flight, request: ReadRequest, startedAt: number): Promise<unknown> {
    if (!this.core.events.readsWatched) return this.hear(flight, request, startedAt);
    return flight.settled().then(() => this.hear(flight, request, startedAt));
  }

  private hear(flight: Flight, request: ReadRequest, startedAt: number): Promise<unknown> {
    return new Promise((resolve, reject) =>
      flight.wait(new Reader(this, flight, request, startedAt, resolve, reject)),
    );
  }

  count({ ns, id }: ReadRequest, outcome: FlightOutcome, startedAt: number): void {
    const { counters } = ns;
    const ms = this.core.clock.monotonic() - startedAt;
    if (outcome === 'l2-hit') {
      counters.l2Hits++;
      this.core.recorder.l2Latency.record(ms);
    } else if (outcome === 'stale') counters.staleServed++;
    else counters.misses++;
    if (this.core.events.readsWatched)
      this.core.events.emit('read', { namespace: ns.settings.name, id, outcome, ms });
  }

  /**
   * Waits for somebody's load, at most one lease. After that the loader is slow, stuck, or waits for its own result:
   * late comers share one new load, and when that too is late twice over, they are told.
   * @throws ReentrantLoadError
   */
  private join(flight: Flight, request: ReadRequest, startedAt: number): Promise<unknown> {
    // Listeners are told in the reader's own async context (`answer`).
    if (this.core.events.readsWatched) return this.joinNext(flight, request, startedAt, false);
    return new Promise((resolve, reject) => {
      let waits = true;
      const cancel = this.core.clock.setTimer(this.patienceMs(request, flight), () => {
        waits = false;
        this.joinNext(flight, request, startedAt, true).then(resolve, reject);
      });
      // As many as there are callers in a stampede: a promise and a timer each, and no more.
      const done = (): void => {
        if (!waits) return;
        cancel();
        resolve(this.answer(flight, request, startedAt));
      };
      flight.wait({ delivered: done, failed: done });
    });
  }

  /**
   * `isLate`: the flight was waited for in vain already. Whichever of those that are joined ends first answers: the slow one
   * may still come in before the one that took over.
   */
  private async joinNext(
    flight: Flight,
    request: ReadRequest,
    startedAt: number,
    isLate: boolean,
  ): Promise<unknown> {
    const { ns, key, id } = request;
    const joined = [flight];
    for (let late = isLate; ; late = false) {
      const current = joined.at(-1)!;
      const settled = late ? null : await this.firstWithin(joined, this.patienceMs(request, current));
      if (settled !== null) return this.answer(settled, request, startedAt);
      const newer = this.flights.joinable(key);
      if (newer !== undefined && newer !== current) {
        joined.push(newer);
        continue;
      }
      if (current.depth >= MAX_TAKEOVERS) throw new ReentrantLoadError(ns.settings.name, id);
      joined.push(this.launch(request, undefined, current.depth + 1));
    }
  }

  /**
   * A strict read may not join a flight that is under way, which may have been sent before a write that was answered
   * since. But all that come meanwhile share the flight after it: at most two at a time, also when the shared tier and
   * its leases are away.
   */
  private async readNext(running: Flight, request: ReadRequest, startedAt: number): Promise<unknown> {
    let next = this.queued.get(request.key);
    if (next === undefined) {
      next = this.launchAfter(running, request);
      this.queued.set(request.key, next);
    }
    return this.answer(await next, request, startedAt);
  }

  /** @throws ReentrantLoadError */
  private async launchAfter(running: Flight, request: ReadRequest): Promise<Flight> {
    const { ns, key, id } = request;
    const settled = await this.firstWithin([running], this.patienceMs(request, running));
    this.queued.delete(key);
    if (settled !== null) return this.launch(request, undefined, 0);
    if (running.depth >= MAX_TAKEOVERS) throw new ReentrantLoadError(ns.settings.name, id);
    return this.launch(request, undefined, running.depth + 1);
  }

  /** Without a shared tier every invalidation is local and moves the generation at once: joining is as strict as it gets. */
  private joinsSent({ strict }: ReadRequest): boolean {
    return !strict || this.core.remote === null;
  }

  private patienceMs({ ns, options }: ReadRequest, { depth }: Flight): number {
    const hardMs = pick(options?.hardTimeout, ns.settings.hardTimeoutMs) ?? 0;
    return Math.max(ns.settings.leaseMs, hardMs) * 2 ** depth;
  }

  private async firstWithin(flights: readonly Flight[], ms: number): Promise<Flight | null> {
    let cancel!: () => void;
    const late = new Promise<null>((resolve) => {
      cancel = this.core.clock.setTimer(ms, () => resolve(null));
    });
    const settled = flights.map((flight) => flight.settled());
    try {
      return await Promise.race([...settled, late]);
    } finally {
      cancel();
    }
  }

  /** An expired L1 node that was not invalidated and may be served stale. */
  private staleNode({ ns, key, strict, options }: ReadRequest, now: number): L1Node | undefined {
    const { l2, graceMs, swrMs } = ns.settings;
    // Of no use here; a loader that wants it is handed what the shared tier has.
    if (strict || (l2 && options === undefined && graceMs === 0 && swrMs === 0)) return undefined;
    const node = this.core.l1.peek(key);
    if (node === undefined || now >= node.staleUntil || !l1Serves(this.core, ns.settings, now))
      return undefined;
    return tagsUnchanged(node) ? node : undefined;
  }

  private launch(
    request: ReadRequest,
    staleNode: L1Node | undefined,
    depth: number,
    now = this.core.clock.monotonic(),
  ): Flight {
    const { core } = this;
    const tags = tagsOfRequest(request.ns, request.options?.tags);
    const flight = new Flight(core, request.key, tags, depth, now, hasLateTags(request.options));
    this.flights.start(flight);
    let stale: Stale | null = null;
    if (staleNode !== undefined) {
      const toWall = core.clock.now() - now;
      stale = staleFrom(
        request,
        staleNode.delivery,
        staleNode.expiresAt + toWall,
        staleNode.staleUntil + toWall,
        () => flight.first.clean && tagsUnchanged(staleNode),
      );
    }
    if (stale !== null || !this.askAtOnce(flight, request)) void this.run(flight, request, stale);
    return flight;
  }

  /**
   * The common case without a chain of async functions: a GET, whose answer can be judged by what is known here. False
   * where it was not sent; what the answer turns out to be otherwise is handled as in any other read.
   */
  private askAtOnce(flight: Flight, request: ReadRequest): boolean {
    const { core } = this;
    const { ns, key, mode, strict } = request;
    if (mode !== 'read' || strict || !mayAskShared(core, ns, key, flight.tags)) return false;
    if (believes(core, ns) !== true) return false;
    if (!asksForLeaseFirst(ns) || !PlainMiss.begin(this, flight, request))
      core.remote!.gets.add(key, new Question(this, flight, request));
    return true;
  }

  /** False where it takes more than what is known here to tell what this is. */
  settle(flight: Flight, request: ReadRequest, raw: Buffer | null): boolean {
    const { core } = this;
    const { ns, key } = request;
    const entry = raw === null ? null : judgeNow(core, ns, flight.marker, raw);
    if (entry === null) return false;
    ns.missesInARow = 0;
    try {
      promote(core, ns, key, flight.marker, entry, request.id);
      flight.finish(entry.delivery, 'l2-hit');
      slideStored(core, ns, key, entry);
    } catch (error) {
      flight.fail(error);
    }
    return true;
  }

  /** Settles the flight; never rejects. */
  async run(flight: Flight, request: ReadRequest, stale: Stale | null, first?: FirstAnswer): Promise<void> {
    const { core, flights } = this;
    try {
      if (mayAskShared(core, request.ns, request.key, flight.tags))
        await this.runShared(flight, request, stale, first);
      else await this.load(flight, request, stale, null);
    } catch (error) {
      if (flight.delivered && core.events.watched('refresh-failed'))
        core.events.emit('refresh-failed', { namespace: request.ns.settings.name, id: request.id, error });
      flight.fail(error);
    } finally {
      flights.end(flight);
    }
  }

  private async runShared(
    flight: Flight,
    request: ReadRequest,
    firstStale: Stale | null,
    first: FirstAnswer | undefined,
  ): Promise<void> {
    let stale = firstStale;
    const onStale = ({ delivery, header }: StoredEntry) => {
      // Judged just now; the first marker watches the key for the whole flight, this one knows the entry's own tags.
      const judged = flight.marker;
      const intact = () => flight.first.clean && judged.clean;
      stale = staleFrom(request, delivery, header.expires, header.staleUntil, intact);
      if (request.mode === 'read' && this.core.clock.now() < stale.swrUntil)
        flight.deliver(stale.delivery, 'stale');
    };
    let answer: SharedAnswer;
    try {
      answer = await askShared(this.core, flight, request, onStale, true, first);
    } catch (error) {
      if (!(error instanceof RemoteUnavailableError)) throw error;
      answer = { entry: null, lease: null }; // No answer: load, fill nothing.
    }
    if (answer.entry !== null) {
      flight.finish(answer.entry.delivery, 'l2-hit');
      slideStored(this.core, request.ns, request.key, answer.entry);
    } else await this.load(flight, request, stale, answer.lease);
  }

  private async load(
    flight: Flight,
    request: ReadRequest,
    stale: Stale | null,
    lease: Lease | null,
  ): Promise<void> {
    await this.whileCalling([request.key], () => loadAndStore(this.core, flight, request, stale, lease));
  }
}

/** The GET of a read that waits for nothing else. Answers come in somebody else's async context; loaders run in the reader's. */
class Question extends AsyncResource implements Asker<Buffer | null> {
  constructor(
    private readonly reads: ReadThrough,
    private readonly flight: Flight,
    private readonly request: ReadRequest,
  ) {
    super('StrataRead');
  }

  answered(raw: Buffer | null): void {
    const { reads, flight, request } = this;
    if (raw !== null) {
      if (!reads.settle(flight, request, raw)) this.goOn({ raw });
      return;
    }
    request.ns.missesInARow++;
    if (!mayAskShared(reads.core, request.ns, request.key, flight.tags)) return this.goOn({ raw });
    flight.remark();
    this.runInAsyncScope(() => {
      if (!PlainMiss.begin(reads, flight, request)) this.goOn({ raw });
    });
  }

  failed(error: unknown): void {
    this.goOn({ error });
  }

  private goOn(first: FirstAnswer): void {
    this.runInAsyncScope(() => void this.reads.run(this.flight, this.request, null, first));
  }
}

/** One caller that waits for a flight. */
class Reader implements FlightWaiter {
  constructor(
    private readonly reads: ReadThrough,
    private readonly flight: Flight,
    private readonly request: ReadRequest,
    private readonly startedAt: number,
    private readonly resolve: (value: unknown) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  delivered(delivery: Delivery, outcome: FlightOutcome): void {
    const { request } = this;
    try {
      this.reads.count(request, outcome, this.startedAt);
      if (request.outer !== null) dependOnFlight(request.outer, this.flight);
      this.resolve(delivery.take());
    } catch (error) {
      this.failed(error);
    }
  }

  failed(error: unknown): void {
    this.request.ns.counters.misses++;
    this.reject(error);
  }
}
