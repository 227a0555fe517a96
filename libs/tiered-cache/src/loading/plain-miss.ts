import { AsyncResource } from 'node:async_hooks';
import type { CacheCore, NamespaceCore } from '../cache-core.js';
import { knownVector } from '../coherence/vectors.js';
import type { Acquired } from '../remote/remote-tier.js';
import type { Asker } from '../resilience/coalesced.js';
import { admit, admissionOf } from './admit.js';
import { type FirstAnswer, type Lease, newToken, releaseLease } from './ask-shared.js';
import type { Flight } from './flights.js';
import { loadFailed, makeEntry, mayFill, store } from './load-and-store.js';
import { type PreparedEntry, remainingLife, storedForm } from './prepare-entry.js';
import type { ReadRequest } from './read-request.js';
import { type Loaded, runLoader } from './run-loader.js';

/** What a miss needs of the read path that it began on. */
export interface MissPath {
  readonly core: CacheCore;
  /** Judges a value and delivers it; false where it takes more than what is known here. */
  settle(flight: Flight, request: ReadRequest, raw: Buffer | null): boolean;
  /** Goes on as any other read. */
  run(flight: Flight, request: ReadRequest, stale: null, first?: FirstAnswer): Promise<void>;
  whileCalling<R>(keys: readonly string[], fn: () => R): R;
}

/**
 * A miss that needs nothing but ACQUIRE, the loader and FILL, in callbacks instead of a chain of async functions: the same
 * steps as `askShared` and `loadAndStore`, to which it hands over whatever is not plain (somebody else loads, a fence, a fault).
 * Answers of the tier come in somebody else's async context; the loader runs in the reader's.
 */
export class PlainMiss extends AsyncResource implements Asker<Acquired | boolean> {
  private lease!: Lease;
  private entry: PreparedEntry | null = null;

  private constructor(
    private readonly path: MissPath,
    private readonly flight: Flight,
    private readonly request: ReadRequest,
  ) {
    super('StrataMiss');
  }

  /** Sends ACQUIRE; false where this is no plain miss. The flight's marker is one that was opened for this question. */
  static begin(path: MissPath, flight: Flight, request: ReadRequest): boolean {
    const { core } = path;
    const { ns, key } = request;
    const nonces = isPlain(request) ? knownVector(core, flight.marker, flight.tags) : null;
    if (nonces === null) return false;
    const miss = new PlainMiss(path, flight, request);
    const token = newToken();
    miss.lease = { token, nonces };
    core.remote!.acquires.add({ key, token, leaseMs: ns.settings.leaseMs }, miss);
    return true;
  }

  answered(answer: Acquired | boolean): void {
    try {
      if (typeof answer === 'boolean') this.filled(answer);
      else if (answer.outcome === 'granted') this.runInAsyncScope(() => this.load());
      else this.notGranted(answer);
    } catch (error) {
      this.flight.fail(error);
    }
  }

  /** The guard has counted it. */
  failed(error: unknown): void {
    if (this.entry === null) this.goOn({ error });
    else this.notStored(this.entry); // Landing late is harmless: the lease decides.
  }

  private notGranted(answer: Exclude<Acquired, { outcome: 'granted' }>): void {
    const raw = answer.outcome === 'value' ? answer.value : null;
    if (raw === null || !this.path.settle(this.flight, this.request, raw)) this.goOn({ raw });
  }

  private goOn(first: FirstAnswer): void {
    this.runInAsyncScope(() => void this.path.run(this.flight, this.request, null, first));
  }

  private load(): void {
    const { path, request } = this;
    const { ns, id, key, loader } = request;
    ns.counters.l2Misses++;
    const load = { ns, id, loader, stale: undefined, hardTimeoutMs: null, tracked: null };
    path
      .whileCalling([key], () => runLoader(path.core, load))
      .then(
        (loaded) => this.loaded(loaded),
        (error: unknown) => {
          void releaseLease(path.core, key, this.lease.token);
          loadFailed(path.core, request, this.flight.marker, error);
          this.flight.fail(error);
        },
      );
  }

  private loaded(loaded: Loaded): void {
    const { core } = this.path;
    const { flight, request } = this;
    const { ns, key, id } = request;
    let made: ReturnType<typeof makeEntry>;
    try {
      made = makeEntry(core, request, loaded.value, loaded.loadMs);
    } catch (error) {
      return this.storeOtherwise(loaded, () => {
        throw error;
      });
    }
    if (made === null || made instanceof Promise) return this.storeOtherwise(loaded, () => made);
    try {
      this.entry = made;
      if (!mayFill(core, request, flight.marker, flight.tags)) {
        ns.counters.fillsRejected++;
        return this.notStored(made);
      }
      const { token, nonces } = this.lease;
      const value = storedForm(ns, key, id, made, flight.tags, nonces);
      if (ns.settings.fillBehind) flight.deliver(made.delivery, 'miss');
      const ttlMs = remainingLife(made.life);
      core.remote!.fills.add({ key, token, value, ttlMs }, this);
    } catch (error) {
      flight.fail(error);
    }
  }

  /** Big values, and those that are not stored. */
  private storeOtherwise(loaded: Loaded, make: () => ReturnType<typeof makeEntry>): void {
    const { flight, request, path, lease } = this;
    store(path.core, request, flight.marker, loaded, flight.tags, lease, { make, flight }).then(
      (delivery) => flight.finish(delivery, 'miss'),
      (error: unknown) => flight.fail(error),
    );
  }

  private filled(accepted: boolean): void {
    const { core } = this.path;
    const { flight, request } = this;
    const entry = this.entry!;
    if (!accepted) {
      request.ns.counters.fillsRejected++;
      return this.notStored(entry);
    }
    admit(core, request.ns, request.key, flight.marker, admissionOf(entry), request.id);
    flight.finish(entry.delivery, 'miss');
  }

  private notStored({ delivery }: PreparedEntry): void {
    void releaseLease(this.path.core, this.request.key, this.lease.token);
    this.flight.finish(delivery, 'miss');
  }
}

function isPlain({ ns, options, strict, mode }: ReadRequest): boolean {
  if (mode !== 'read' || strict || ns.settings.hardTimeoutMs !== null) return false;
  return (
    options === undefined ||
    (options.track !== true && options.tagsOf === undefined && options.hardTimeout === undefined)
  );
}

/** After so many misses in a row of a namespace it asks for the lease at once: a value that is there is answered all the same. */
const ACQUIRE_FIRST = 8;

export function asksForLeaseFirst(ns: NamespaceCore): boolean {
  return ns.missesInARow >= ACQUIRE_FIRST;
}
