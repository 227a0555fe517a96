import { believes, type CacheCore, type NamespaceCore, readsStrictly } from '../cache-core.js';
import { captureVector } from '../coherence/vectors.js';
import { RemoteUnavailableError } from '../errors.js';
import type { GetOrSetOptions, ManyLoader } from '../options.js';
import type { Acquired, EntryKey } from '../remote/remote-tier.js';
import { promote } from './admit.js';
import { type Lease, newToken, releaseLease } from './ask-shared.js';
import type { Delivery } from './delivery.js';
import { Flight, type FlightTable } from './flights.js';
import { judge } from './judge.js';
import { checkCallOptions, pick } from './lifetime.js';
import { store } from './load-and-store.js';
import { hasLateTags, type ReadRequest, tagsOfRequest } from './read-request.js';
import type { ReadThrough } from './read-through.js';
import { slideStored } from './retime.js';
import { type Loaded, runLoader } from './run-loader.js';
import { askingLoad, dependOnFlight } from '../tracking/made-of-entries.js';
import { trackedLoads } from '../tracking/tracked-context.js';
import { TrackedLoad } from '../tracking/tracked-load.js';

interface Wanted {
  id: string;
  request: ReadRequest;
  flight: Flight;
  lease: Lease | null;
}

/** Reads of many ids at once: one MGET, one call of the loader for all that is missing, leases as for single reads. */
export class BatchRead {
  constructor(
    private readonly core: CacheCore,
    private readonly flights: FlightTable,
    private readonly single: ReadThrough,
  ) {}

  /**
   * Reads of ids that L1 does not have. Absent from the answer is what the loader does not know.
   * @throws what the loader throws
   */
  async read<T>(
    ns: NamespaceCore,
    ids: readonly (readonly [string, EntryKey])[],
    loader: ManyLoader<T>,
    options: GetOrSetOptions<T> | undefined,
  ): Promise<Map<string, unknown>> {
    checkCallOptions(options);
    const tags = tagsOfRequest(ns, options?.tags);
    const strict = readsStrictly(this.core, ns, options?.minPosition);
    const values = new Map<string, unknown>();
    const elsewhere: Promise<void>[] = [];
    const mine: Wanted[] = [];
    const one = (id: string) => async () => (await loader([id])).get(id);
    for (const [id, key] of ids) {
      const mode = options?.fresh === true ? 'fresh' : 'read';
      const request: ReadRequest = {
        ns,
        key,
        id,
        loader: one(id),
        options: options as GetOrSetOptions<unknown>,
        mode,
        newerThan: -Infinity,
        strict,
        outer: trackedLoads === 0 ? null : askingLoad(this.core, key),
      };
      if (this.single.joins(request)) {
        const joined = this.single.read(request).then((value) => void values.set(id, value));
        // Met by the Promise.all below; until then, and when this batch fails first, it must not count as unhandled.
        joined.catch(() => undefined);
        elsewhere.push(joined);
        continue;
      }
      const late = hasLateTags(options);
      const flight = new Flight(this.core, key, tags, 0, this.core.clock.monotonic(), late);
      this.flights.start(flight);
      mine.push({ id, request, flight, lease: null });
    }
    elsewhere.push(...(await this.readMine(ns, mine, loader, values)));
    await Promise.all(elsewhere);
    return values;
  }

  /** Answers the reads that have to go their own way: those whose lease somebody else holds. */
  private async readMine<T>(
    ns: NamespaceCore,
    mine: Wanted[],
    loader: ManyLoader<T>,
    values: Map<string, unknown>,
  ): Promise<Promise<void>[]> {
    const startedAt = this.core.clock.monotonic();
    const open = new Set(mine);
    const slow: Promise<void>[] = [];
    const answer = (wanted: Wanted, delivery: Delivery, outcome: 'l2-hit' | 'miss') => {
      if (wanted.request.outer !== null) dependOnFlight(wanted.request.outer, wanted.flight);
      open.delete(wanted);
      if (delivery.isSlow) {
        const taken = Promise.resolve(delivery.take()).then((value) => void values.set(wanted.id, value));
        taken.catch(() => undefined); // As below.
        slow.push(taken);
      } else values.set(wanted.id, delivery.take());
      if (outcome === 'miss') ns.counters.misses++;
      else ns.counters.l2Hits++;
    };
    const settle = (wanted: Wanted, delivery: Delivery, outcome: 'l2-hit' | 'miss') => {
      wanted.flight.finish(delivery, outcome);
      answer(wanted, delivery, outcome);
    };
    try {
      const { missing, busy } = await this.askShared(ns, mine, settle, startedAt);
      // Others load or commit these: single reads wait for them, while this batch loads its own.
      const waiting = busy.map(async ({ id, flight, request }) => {
        values.set(id, await this.single.readInstead(flight, request));
      });
      for (const wanted of busy) open.delete(wanted);
      // A rejection is met by the caller's Promise.all; until then it must not count as unhandled.
      for (const wait of waiting) wait.catch(() => undefined);
      if (missing.length > 0) {
        const options = missing[0]!.request.options;
        const hardTimeoutMs = pick(options?.hardTimeout, ns.settings.hardTimeoutMs);
        const keys = missing.map(({ flight }) => flight.key);
        const load = () => this.single.whileCalling(keys, () => loader(missing.map(({ id }) => id)));
        const id = `(${missing.length} ids)`;
        // One load: every entry of it depends on all that it reads.
        const tracked = options?.track === true ? new TrackedLoad(this.core, ns, keys[0]!) : null;
        try {
          const { value: loaded, loadMs } = await runLoader(this.core, {
            ns,
            id,
            loader: load,
            stale: undefined,
            hardTimeoutMs,
            tracked,
          });
          const stored = missing.map((wanted) => {
            wanted.flight.tracked = tracked;
            return this.place(wanted, { value: loaded.get(wanted.id), loadMs }, answer);
          });
          await Promise.all(stored);
        } finally {
          tracked?.close();
        }
      }
      return [...waiting, ...slow];
    } catch (error) {
      for (const { flight, lease } of open) {
        if (lease !== null) void releaseLease(this.core, flight.key, lease.token);
        flight.fail(error);
        this.flights.end(flight);
        ns.counters.misses++;
      }
      throw error;
    }
  }

  /** Waits until it is stored, or, where the namespace fills behind the answer, until it is known. */
  private place(
    wanted: Wanted,
    loaded: Loaded,
    answer: (wanted: Wanted, delivery: Delivery, outcome: 'miss') => void,
  ): Promise<void> {
    const { request, flight, lease } = wanted;
    return new Promise((resolve, reject) => {
      let answered = false;
      const deliver = (delivery: Delivery): void => {
        if (answered) return;
        answered = true;
        flight.deliver(delivery, 'miss');
        answer(wanted, delivery, 'miss');
        resolve();
      };
      const options = { tracked: flight.tracked, flight: { deliver } };
      store(this.core, request, flight.marker, loaded, flight.tags, lease, options).then(
        (delivery) => {
          flight.finish(delivery, 'miss');
          deliver(delivery);
        },
        (error: unknown) => {
          flight.fail(error);
          reject(error);
        },
      );
    });
  }

  private async askShared(
    ns: NamespaceCore,
    mine: Wanted[],
    settle: (wanted: Wanted, delivery: Delivery, outcome: 'l2-hit') => void,
    startedAt: number,
  ): Promise<{ missing: Wanted[]; busy: Wanted[] }> {
    const { core } = this;
    if (mine.length === 0) return { missing: [], busy: [] };
    const { tags } = mine[0]!.flight;
    const { strict } = mine[0]!.request;
    const bypassed = tags.some((tag) => core.pending.hasTag(tag));
    if (!ns.settings.l2 || core.remote === null || !core.remote.usable || bypassed)
      return { missing: mine, busy: [] };
    const asked = mine.filter(({ flight }) => !core.pending.hasKey(flight.key));
    const missing = mine.filter(({ flight }) => core.pending.hasKey(flight.key));
    const remote = core.remote;
    let unanswered = asked;
    try {
      if (!(await believes(core, ns)))
        throw new RemoteUnavailableError('Nobody knows yet what the shared tier holds.');
      const raws = await remote.run((tier) => tier.getMany(asked.map(({ flight }) => flight.key)));
      const rejected = new Map<Wanted, { rejected: Buffer; keep: boolean }>();
      const misses: Wanted[] = [];
      for (const [i, wanted] of asked.entries()) {
        const raw = raws[i] ?? null;
        const verdict = raw === null ? null : await judge(core, ns, strict, wanted.flight.marker, raw);
        if (verdict?.kind === 'hit' && wanted.request.mode === 'read') {
          promote(core, ns, wanted.flight.key, wanted.flight.marker, verdict.entry, wanted.id);
          settle(wanted, verdict.entry.delivery, 'l2-hit');
          slideStored(core, ns, wanted.flight.key, verdict.entry);
          continue;
        }
        misses.push(wanted);
        if (verdict?.kind === 'rejected')
          rejected.set(wanted, { rejected: verdict.fingerprint, keep: false });
        else if (verdict !== null) rejected.set(wanted, { rejected: verdict.entry.fingerprint, keep: true });
      }
      core.recorder.l2Latency.record(core.clock.monotonic() - startedAt);
      unanswered = misses;
      ns.counters.l2Misses += misses.length;
      if (misses.length === 0) return { missing, busy: [] };
      const markers = misses.map(({ flight }) => flight.remark());
      const tokens = misses.map(newToken);
      const { leaseMs } = ns.settings;
      const [acquired, nonces] = await Promise.all([
        remote.run((tier) =>
          tier.acquireMany(
            misses.map((wanted, i) => ({
              key: wanted.flight.key,
              token: tokens[i]!,
              leaseMs,
              ...rejected.get(wanted),
            })),
          ),
        ),
        captureVector(core, strict, markers[0]!, tags),
      ]);
      const busy: Wanted[] = [];
      for (const [i, wanted] of misses.entries()) {
        const { outcome } = acquired[i] as Acquired;
        if (outcome === 'granted') {
          if (nonces !== null) wanted.lease = { token: tokens[i]!, nonces };
          else void releaseLease(core, wanted.flight.key, tokens[i]!);
        }
        if (outcome === 'busy' || outcome === 'fenced' || outcome === 'value') busy.push(wanted);
        else missing.push(wanted);
      }
      return { missing, busy };
    } catch (error) {
      if (!(error instanceof RemoteUnavailableError)) throw error;
      return { missing: [...missing, ...unanswered], busy: [] };
    }
  }
}
