import type { CacheCore, NamespaceCore } from '../cache-core.js';
import { encodeEntry } from '../codec/wire-header.js';
import type { Encoded, StorageSettings } from '../codec/codecs.js';
import { estimateBytes } from '../codec/estimate-size.js';
import {
  EntryTooLargeError,
  MissingPackageError,
  UnserialisableValueError,
  UntrackedReadError,
} from '../errors.js';
import { parseEntryKey } from '../keys/entry-key.js';
import type { EntryKey } from '../remote/remote-tier.js';
import { Delivery } from './delivery.js';
import type { Lifetime } from './lifetime.js';

/** A value made ready for the tiers. */
export interface PreparedEntry {
  delivery: Delivery;
  /** For the shared tier, compressed where that is wanted; null without one. */
  encoded: Encoded | null;
  bytes: number;
  life: Lifetime;
  created: number;
  loadMs: number;
}

/** Bytes that an entry of L1 costs beside key and payload, where it has nothing special (admit.ts); measured on Node 20. */
const NODE_OVERHEAD = 150;

/**
 * Encodes the value where the namespace needs it (for the shared tier, or to hand out a copy); a promise where that is
 * done in slices: until it settles, the value must not be changed.
 * @throws UnserialisableValueError, EntryTooLargeError, also as a rejection: nothing was stored.
 */
export function prepareEntry(
  core: CacheCore,
  ns: NamespaceCore,
  key: EntryKey,
  value: unknown,
  life: Lifetime,
  loadMs: number,
): PreparedEntry | Promise<PreparedEntry> {
  const { settings } = ns;
  const byReference = settings.values === 'shared' || isPrimitive(value);
  const encoded = settings.l2 || !byReference ? core.codecs.encodeFor(value, settings) : null;
  const finish = (made: Encoded | null): PreparedEntry | Promise<PreparedEntry> => {
    const payloadBytes = made?.payload.length ?? estimateBytes(value);
    if (payloadBytes > settings.maxEntryBytes)
      throw new EntryTooLargeError(payloadBytes, settings.maxEntryBytes);
    const entry = (delivery: Delivery, stored: Encoded | null): PreparedEntry => {
      const bytes = nodeBytes(key, payloadBytes);
      return { delivery, encoded: stored, bytes, life, created: core.clock.now(), loadMs };
    };
    if (made === null) return entry(Delivery.same(value), null);
    const stored = settings.l2 ? core.codecs.pack(made, settings) : null;
    const delivery = byReference
      ? Delivery.same(value)
      : Delivery.written(made, core.codecs, settings.values);
    if (delivery instanceof Promise || stored instanceof Promise)
      return Promise.all([delivery, stored]).then((both) => entry(...both));
    return entry(delivery, stored);
  };
  return encoded instanceof Promise ? encoded.then(finish) : finish(encoded);
}

/**
 * How to hand out a value that is not stored: as it would be from the cache, so that callers who joined one load share
 * nothing that one of them could change. What cannot be copied is handed out itself.
 */
export async function unstored(
  core: CacheCore,
  { settings }: NamespaceCore,
  value: unknown,
): Promise<Delivery> {
  if (settings.values === 'shared' || isPrimitive(value)) return Delivery.same(value);
  try {
    const encoded = await core.codecs.encodeFor(value, UNLIMITED);
    return await Delivery.written(encoded, core.codecs, settings.values);
  } catch (error) {
    if (error instanceof UnserialisableValueError) return Delivery.same(value);
    throw error;
  }
}

/** What is too large to be stored is still handed out as a copy. */
const UNLIMITED: StorageSettings = {
  maxEntryBytes: Infinity,
  codec: 'json',
  compression: null,
  compressionThreshold: Infinity,
};

/** The stored form for the shared tier. `nonces` pair with `tags`. */
export function storedForm(
  ns: NamespaceCore,
  key: EntryKey,
  id: string,
  entry: PreparedEntry,
  tags: readonly string[],
  nonces: readonly string[],
): Buffer {
  const { created, life, loadMs } = entry;
  const header = {
    codec: entry.encoded!.codec,
    created,
    expires: created + life.ttlMs,
    staleUntil: created + life.staleMs,
    tags,
    nonces,
    schema: ns.settings.schema,
    originalId: parseEntryKey(key).hashed ? id : '',
    loadMs,
    slidingMs: life.slidingMs,
  };
  return encodeEntry(header, entry.encoded!.payload);
}

/** What the shared tier is told: milliseconds to keep the entry, null for ever. */
export function remainingLife(life: Lifetime): number | null {
  return Number.isFinite(life.staleMs) ? Math.max(1, Math.ceil(life.staleMs)) : null;
}

export function nodeBytes(key: EntryKey, payloadBytes: number): number {
  return NODE_OVERHEAD + key.length * 2 + payloadBytes;
}

/** True for errors that say "return it, do not store it". */
export function isNotStorable(error: unknown): boolean {
  return (
    error instanceof UnserialisableValueError ||
    error instanceof EntryTooLargeError ||
    error instanceof MissingPackageError ||
    error instanceof UntrackedReadError
  );
}

function isPrimitive(value: unknown): boolean {
  return (
    value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')
  );
}
