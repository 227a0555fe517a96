import type { CacheCore } from '../cache-core.js';
import { RemoteUnavailableError } from '../errors.js';
import type { SetOptions } from '../options.js';
import { askShared, type Lease, mayAskShared, releaseLease } from './ask-shared.js';
import { Flight } from './flights.js';
import { store } from './load-and-store.js';
import { type ReadRequest, tagsOfRequest } from './read-request.js';

/** What a read finds that loads by itself, with no loader to hand in: the stored value, or a place for its own. */
export interface Reserved<T> {
  readonly hit: boolean;
  /** Undefined without a hit. */
  readonly value: T | undefined;
  /**
   * Stores what was loaded since, unless an invalidation came in between or the lease has run out; once. Nothing is
   * stored either where somebody else loads the same, or the shared tier gives no answer.
   */
  store(value: T, options?: Pick<SetOptions<T>, 'ttl'>): Promise<void>;
  /** Nothing will be stored. Happens by itself when the lease ends. */
  release(): void;
}

/**
 * The two halves of a load for callers that cannot be given a loader: lease and tag vector are taken here, before the
 * load (I2), and the fill is refused as that of any load would be. Joins nobody, waits for nobody, and nobody joins it.
 */
export async function reserve(core: CacheCore, request: ReadRequest): Promise<Reserved<unknown>> {
  const { ns, key } = request;
  const startedAt = core.clock.monotonic();
  const tags = tagsOfRequest(ns, request.options?.tags);
  const flight = new Flight(core, key, tags, 0, startedAt, false);
  let lease: Lease | null = null;
  if (mayAskShared(core, ns, key, tags)) {
    try {
      const answer = await askShared(core, flight, request, () => undefined, false);
      if (answer.entry !== null) {
        flight.closeMarkers();
        ns.counters.l2Hits++;
        core.recorder.l2Latency.record(core.clock.monotonic() - startedAt);
        return hit(await answer.entry.delivery.take());
      }
      lease = answer.lease;
    } catch (error) {
      if (!(error instanceof RemoteUnavailableError)) {
        flight.closeMarkers();
        throw error;
      }
    }
  }
  ns.counters.misses++;
  const loadedFrom = core.clock.monotonic();
  let open = true;
  const end = (): boolean => {
    const was = open;
    open = false;
    cancel();
    return was;
  };
  const release = (): void => {
    if (!end()) return;
    flight.closeMarkers();
    if (lease !== null) void releaseLease(core, key, lease.token);
  };
  const cancel = core.clock.setTimer(ns.settings.leaseMs, release);
  return {
    hit: false,
    value: undefined,
    release,
    store: async (value, options) => {
      if (!end()) return;
      try {
        const loaded = { value, loadMs: core.clock.monotonic() - loadedFrom };
        const asked = { ...request, options: { ...request.options, ...options } };
        await store(core, asked, flight.marker, loaded, tags, lease);
      } finally {
        flight.closeMarkers();
      }
    },
  };
}

/** Nothing to store, whatever is loaded. */
export function hit<T>(value: T): Reserved<T> {
  return { hit: true, value, store: async () => {}, release: () => {} };
}

/** As a miss, and what is loaded concerns nobody else. */
export function unreserved<T>(): Reserved<T> {
  return { hit: false, value: undefined, store: async () => {}, release: () => {} };
}
