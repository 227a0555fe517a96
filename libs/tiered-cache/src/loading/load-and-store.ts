import { type CacheCore, keepsLocally } from '../cache-core.js';
import type { Marker } from '../coherence/markers.js';
import { captureVector } from '../coherence/vectors.js';
import { admit, admissionOf } from './admit.js';
import { type Lease, releaseLease } from './ask-shared.js';
import { RemoteUnavailableError, UnserialisableValueError } from '../errors.js';
import { Delivery } from './delivery.js';
import type { Flight } from './flights.js';
import { judge } from './judge.js';
import { lifetimeOf, pick } from './lifetime.js';
import {
  isNotStorable,
  nodeBytes,
  type PreparedEntry,
  prepareEntry,
  unstored,
  remainingLife,
  storedForm,
} from './prepare-entry.js';
import { checkedTags, type ReadRequest, type Stale } from './read-request.js';
import { type Loaded, runLoader } from './run-loader.js';
import { TrackedLoad } from '../tracking/tracked-load.js';

interface LateTag {
  tag: string;
  nonce: string;
}

/**
 * Load, then FILL with the lease, then L1, and deliver. Without a lease only a namespace that has no shared tier
 * (or has lost it and serves locally) keeps the value.
 * @throws what the loader throws, unless a stale value may be served in its place
 */
export async function loadAndStore(
  core: CacheCore,
  flight: Flight,
  request: ReadRequest,
  stale: Stale | null,
  lease: Lease | null,
): Promise<void> {
  const { ns, key } = request;
  const { marker } = flight;
  const cancelSoftTimeout = startSoftTimeout(core, flight, request, stale);
  if (request.options?.track === true) flight.tracked = new TrackedLoad(core, ns, key);
  const { tracked } = flight;
  let loaded: Loaded;
  try {
    loaded = await callLoader(core, request, stale, tracked);
  } catch (error) {
    tracked?.close();
    if (lease !== null) void releaseLease(core, key, lease.token);
    const graced = stale !== null && core.clock.now() < stale.graceUntil;
    const delivery = !graced ? null : stale.intact() ? stale.delivery : await storedStill(core, request);
    if (delivery === null) {
      loadFailed(core, request, marker, error);
      throw error;
    }
    if (core.events.watched('refresh-failed'))
      core.events.emit('refresh-failed', { namespace: ns.settings.name, id: request.id, error });
    return flight.finish(delivery, 'stale');
  } finally {
    cancelSoftTimeout?.();
  }
  try {
    flight.finish(
      await store(core, request, marker, loaded, flight.tags, lease, { flight, tracked }),
      'miss',
    );
  } finally {
    tracked?.close();
  }
}

/**
 * A record named the key during the load: it was invalidated, or given another time (`touch`, `expire`), which leaves
 * the value where it is. The shared tier knows which; without its answer nothing is served (I7).
 */
async function storedStill(core: CacheCore, { ns, key, strict }: ReadRequest): Promise<Delivery | null> {
  if (!ns.settings.l2 || core.remote === null || core.pending.hasKey(key)) return null;
  const marker = core.markers.open(key, [ns.tag]);
  try {
    const raw = await core.remote.gets.send(key);
    const verdict = raw === null ? null : await judge(core, ns, strict, marker, raw);
    return verdict === null || verdict.kind === 'rejected' ? null : verdict.entry.delivery;
  } catch (error) {
    if (error instanceof RemoteUnavailableError) return null;
    throw error;
  } finally {
    core.markers.close(marker);
  }
}

export interface StoreOptions {
  tracked?: TrackedLoad | null;
  /** Who is told at once where the namespace fills behind the answer; null: nobody before it is stored. */
  flight?: Pick<Flight, 'deliver'> | null;
  make?: () => ReturnType<typeof makeEntry>;
}

/** Stores what may be stored and answers how to hand it out. A value that cannot be stored is handed out as it is. */
export async function store(
  core: CacheCore,
  request: ReadRequest,
  marker: Marker,
  loaded: Loaded,
  tags: readonly string[],
  lease: Lease | null,
  { tracked = null, flight = null, make }: StoreOptions = {},
): Promise<Delivery> {
  const { ns, key } = request;
  const { value, loadMs } = loaded;
  let filled = false;
  try {
    const made = make === undefined ? makeEntry(core, request, value, loadMs) : make();
    const entry = made instanceof Promise ? await made : made;
    if (entry === null) return await unstored(core, ns, value);
    const read = tracked === null ? [] : await trackedTags(tracked, marker, lease !== null);
    if (read === null) {
      ns.counters.fillsRejected++;
      return entry.delivery;
    }
    const found = lateTags(core, request, marker, value, tags);
    const late = found === null || read.length === 0 ? found : [...found, ...withoutKnown(read, tags, found)];
    const may = mayFill(core, request, marker, tags);
    if (!may) ns.counters.fillsRejected++;
    if (late !== null && may) {
      if (lease === null) filled = !ns.settings.l2 || keepsLocally(core, ns.settings, core.clock.monotonic());
      else {
        if (ns.settings.fillBehind) flight?.deliver(entry.delivery, 'miss');
        filled = await fill(core, request, lease, entry, tags, late);
      }
      if (filled) admit(core, ns, key, marker, admissionOf(entry), request.id);
    }
    if (late === null) learnTags(core, request, value);
    return entry.delivery;
  } catch (error) {
    if (!isNotStorable(error)) throw error;
    ns.counters.notStored++;
    if (core.events.watched('not-stored'))
      core.events.emit('not-stored', { namespace: ns.settings.name, id: request.id, error });
    return error instanceof UnserialisableValueError ? Delivery.same(value) : unstored(core, ns, value);
  } finally {
    if (lease !== null && !filled) void releaseLease(core, key, lease.token);
  }
}

/** What the loader was seen to read; null: it cannot be proved unchanged since. @throws UntrackedReadError */
async function trackedTags(tracked: TrackedLoad, marker: Marker, shared: boolean): Promise<LateTag[] | null> {
  const read = await tracked.vector(shared);
  return read !== null && tracked.handOver(marker) ? read : null;
}

function withoutKnown(read: LateTag[], known: readonly string[], late: readonly LateTag[]): LateTag[] {
  const there = new Set([...known, ...late.map(({ tag }) => tag)]);
  return read.filter(({ tag }) => !there.has(tag));
}

/**
 * The lease and the vector decide in the shared tier what is too old to be kept. A record that names the key and is
 * heard during the load may well be of the write that the load has seen, so it only keeps the value out of L1 (`admit`).
 * What is invalidated here and not answered yet, or followed by a gap, is not offered.
 */
export function mayFill(
  { pending }: CacheCore,
  { ns, key }: ReadRequest,
  marker: Marker,
  tags: readonly string[],
): boolean {
  if (!ns.settings.l2) return marker.clean;
  return !marker.gapped && !pending.hasKey(key) && !tags.some((tag) => pending.hasTag(tag));
}

function callLoader(
  core: CacheCore,
  request: ReadRequest,
  stale: Stale | null,
  tracked: TrackedLoad | null,
): Promise<Loaded> {
  const { ns, id, loader, options } = request;
  const hardTimeoutMs = pick(options?.hardTimeout, ns.settings.hardTimeoutMs);
  // At once, however big: the loader's own first steps belong to this turn (ReadThrough.whileCalling).
  const taken = stale?.delivery.takeNow();
  return runLoader(core, { ns, id, loader, stale: taken, hardTimeoutMs, tracked });
}

function startSoftTimeout(
  core: CacheCore,
  flight: Flight,
  { ns, options }: ReadRequest,
  stale: Stale | null,
): (() => void) | undefined {
  const softMs = pick(options?.softTimeout, ns.settings.softTimeoutMs);
  if (softMs === null || stale === null) return undefined;
  return core.clock.setTimer(softMs, () => {
    if (core.clock.now() < Math.max(stale.graceUntil, stale.swrUntil) && stale.intact())
      flight.deliver(stale.delivery, 'stale');
  });
}

/** Null: not to be stored. @throws UnserialisableValueError, EntryTooLargeError, InvalidTtlError */
export function makeEntry(
  core: CacheCore,
  { ns, key, options }: ReadRequest,
  value: unknown,
  loadMs: number,
): PreparedEntry | Promise<PreparedEntry> | null {
  if (options?.storeIf !== undefined && !options.storeIf(value)) return null;
  const life = lifetimeOf(value, ns.settings, options, core.clock.now(), core.options.random);
  return life === null ? null : prepareEntry(core, ns, key, value, life, loadMs);
}

/**
 * Tags met only in the value, with their nonces. Null: one of them cannot be proved untouched since before the load,
 * so nothing may be stored (protocol, "Tag nonce").
 */
function lateTags(
  core: CacheCore,
  { ns, options, strict }: ReadRequest,
  marker: Marker,
  value: unknown,
  known: readonly string[],
): LateTag[] | null {
  if (options?.tagsOf === undefined) return [];
  const late: LateTag[] = [];
  for (const tag of new Set(checkedTags(options.tagsOf(value)))) {
    if (known.includes(tag)) continue;
    if (!marker.watchLate(tag) || core.pending.hasTag(tag)) return null;
    const state = core.tags.state(tag);
    const provable =
      !ns.settings.l2 ||
      // Not for the shared tier, whose nonces are not needed then.
      keepsLocally(core, ns.settings, core.clock.monotonic()) ||
      (state.nonce !== null && state.learntAt <= marker.sequence && !strict);
    if (!provable) return null;
    late.push({ tag, nonce: state.nonce ?? '' });
  }
  return late;
}

/** Learns the nonces of tags met in a value that was not stored for want of them, so that the next load is. */
function learnTags(core: CacheCore, { ns, key, options, strict }: ReadRequest, value: unknown): void {
  if (!ns.settings.l2 || core.remote === null || !core.remote.usable) return;
  const marker = core.markers.open(key, []);
  captureVector(core, strict, marker, [...new Set(options!.tagsOf!(value))])
    .catch(() => undefined) // Counted by the guard; the next load asks again.
    .finally(() => core.markers.close(marker));
}

async function fill(
  core: CacheCore,
  { ns, key, id }: ReadRequest,
  lease: Lease,
  entry: PreparedEntry,
  tags: readonly string[],
  late: readonly LateTag[],
): Promise<boolean> {
  const allTags = [...tags, ...late.map((one) => one.tag)];
  const nonces = [...lease.nonces, ...late.map((one) => one.nonce)];
  const value = storedForm(ns, key, id, entry, allTags, nonces);
  try {
    const ttlMs = remainingLife(entry.life);
    const accepted = await core.remote!.fills.send({ key, token: lease.token, value, ttlMs });
    if (!accepted) ns.counters.fillsRejected++;
    return accepted;
  } catch {
    return false; // Counted by the guard. Landing late is harmless: the lease decides.
  }
}

/** `errorTtl`: the loader's error, in this process only. */
export function loadFailed(core: CacheCore, { ns, key }: ReadRequest, marker: Marker, error: unknown): void {
  const ms = ns.settings.errorTtlMs;
  if (ms === null || ms === 0) return;
  const span = {
    expiresInMs: ms,
    staleInMs: ms,
    lifeMs: Infinity,
    created: core.clock.now(),
    loadMs: 0,
    slidingMs: 0,
  };
  admit(core, ns, key, marker, { delivery: Delivery.failed(error), bytes: nodeBytes(key, 512), ...span });
}
