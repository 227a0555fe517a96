import type { CacheCore, NamespaceCore } from '../cache-core.js';
import type { Marker } from '../coherence/markers.js';
import type { Delivery } from './delivery.js';
import type { StoredEntry } from './judge.js';
import { nodeBytes, type PreparedEntry } from './prepare-entry.js';
import type { EntryKey } from '../remote/remote-tier.js';
import type { Special } from '../memory/memory-store.js';

/** What an entry in the side table costs more, and one of which each reader gets a copy; measured on Node 20. */
const SPECIAL_BYTES = 200;
const COPIED_BYTES = 200;

/** What L1 needs to know of an entry. Spans in milliseconds from now; Infinity lives for ever. */
export interface Admission {
  delivery: Delivery;
  bytes: number;
  /** Remaining logical life. */
  expiresInMs: number;
  staleInMs: number;
  /** Total life, for refresh-ahead. */
  lifeMs: number;
  created: number;
  loadMs: number;
  slidingMs: number;
}

/**
 * Puts an entry into L1 iff nothing invalidated it since `marker` was opened; the tags that the marker watched become its
 * vector, in which nothing has moved by now. Answers whether it was admitted.
 * @param id as it was asked for, where that is known: text that is asked for again is found faster than another copy of it
 */
export function admit(
  core: CacheCore,
  ns: NamespaceCore,
  key: EntryKey,
  marker: Marker,
  entry: Admission,
  id?: string,
): boolean {
  if (core.closed || !ns.settings.l1 || !marker.clean || entry.expiresInMs <= 0) return false;
  // An unanswered invalidation concerns what the shared tier still holds; here it was applied at once.
  if (ns.settings.l2 && core.pending.hasKey(key)) return false;
  const now = core.clock.monotonic();
  const expiresAt = now + entry.expiresInMs;
  const refreshAt = refreshTime(core, ns, now, entry);
  const { delivery, bytes } = entry;
  const isPlain = delivery.isShared && !delivery.isError;
  const isSpecial =
    !isPlain || entry.staleInMs !== entry.expiresInMs || entry.slidingMs !== 0 || refreshAt !== Infinity;
  return core.l1.put(ns.shelf, key, {
    id: ns.settings.normalizeId === null ? id : undefined,
    value: isPlain ? delivery.take() : undefined,
    bytes: bytes + (isSpecial ? SPECIAL_BYTES : 0) + (isPlain ? 0 : COPIED_BYTES),
    expiresAt,
    tags: marker.tags,
    special: isSpecial ? specialOf(entry, isPlain ? null : delivery, now, refreshAt) : undefined,
  });
}

function specialOf(entry: Admission, delivery: Delivery | null, now: number, refreshAt: number): Special {
  const { expiresInMs, staleInMs, slidingMs, created } = entry;
  return {
    delivery,
    expiresAt: now + expiresInMs,
    staleUntil: now + staleInMs,
    refreshAt,
    slideAt: slidingMs > 0 ? now + slideStepMs(slidingMs) : Infinity,
    slidingMs,
    created,
  };
}

/** An entry of the shared tier enters L1 with its *remaining* life, clamped to its whole life (clocks differ). */
export function promote(
  core: CacheCore,
  ns: NamespaceCore,
  key: EntryKey,
  marker: Marker,
  { header, delivery, payloadBytes }: StoredEntry,
  id?: string,
): boolean {
  const lifeMs = header.expires - header.created;
  const expiresInMs = Math.min(header.expires - core.clock.now(), lifeMs);
  const { created, loadMs, slidingMs, staleUntil, expires } = header;
  const bytes = nodeBytes(key, payloadBytes);
  const admission = {
    delivery,
    bytes,
    expiresInMs,
    staleInMs: expiresInMs + spare(staleUntil, expires),
    lifeMs,
    created,
    loadMs,
    slidingMs,
  };
  return admit(core, ns, key, marker, admission, id);
}

/** A freshly loaded entry, with its whole life before it. */
export function admissionOf(entry: PreparedEntry): Admission {
  const { delivery, bytes, life, created, loadMs } = entry;
  return {
    delivery,
    bytes,
    expiresInMs: life.ttlMs,
    staleInMs: life.staleMs,
    lifeMs: life.ttlMs,
    created,
    loadMs,
    slidingMs: life.slidingMs,
  };
}

function spare(staleUntil: number, expires: number): number {
  return expires === Infinity ? 0 : staleUntil - expires;
}

/** A sliding entry is renewed by reads at most every tenth of its idle time. */
export function slideStepMs(slidingMs: number): number {
  return slidingMs / 10;
}

/**
 * When a background refresh is due: after a fixed fraction of the life, or by XFetch (Vattani, Chierichetti,
 * Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015): expiry + loadMs * ln(random). XFetch draws
 * per read; one draw per node and process gives each process the same distribution of its first refresh at no cost
 * per hit.
 */
function refreshTime(core: CacheCore, ns: NamespaceCore, now: number, entry: Admission): number {
  const { refreshAhead } = ns.settings;
  if (refreshAhead === null || !Number.isFinite(entry.lifeMs)) return Infinity;
  if (refreshAhead === 'xfetch')
    return now + entry.expiresInMs + Math.max(entry.loadMs, 1) * Math.log(1 - core.options.random());
  return now + entry.expiresInMs - entry.lifeMs * (1 - refreshAhead);
}
