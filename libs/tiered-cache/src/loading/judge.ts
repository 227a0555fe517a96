import { believes, type CacheCore, type NamespaceCore } from '../cache-core.js';
import type { Marker } from '../coherence/markers.js';
import { vectorHolds, vectorKnown } from '../coherence/vectors.js';
import type { EntryHeader } from '../codec/codec.js';
import type { Encoded } from '../codec/codecs.js';
import { decodeEntry, fingerprint } from '../codec/wire-header.js';
import { CorruptEntryError, RemoteUnavailableError } from '../errors.js';
import { Delivery } from './delivery.js';

/** A value of the shared tier that may be served: now, or as stale. */
export class StoredEntry {
  constructor(
    readonly header: EntryHeader,
    readonly delivery: Delivery,
    readonly payloadBytes: number,
    private readonly raw: Buffer,
  ) {}

  get fingerprint(): Buffer {
    return fingerprint(this.raw);
  }
}

export type Verdict =
  | { kind: 'hit' | 'stale'; entry: StoredEntry }
  /** Corrupt, of another schema, expired for good, or invalidated by a tag: to be rejected. */
  | { kind: 'rejected'; fingerprint: Buffer };

/**
 * Judges bytes read from the shared tier. Never throws at the caller for what the bytes hold; expiry compares the
 * header's wall clock with ours (freshness by time, never correctness: the one exception to I5).
 * @throws RemoteUnavailableError when a nonce had to be asked and was not answered, or when it cannot be proved that the
 * bytes are of the data set that this node follows.
 */
export async function judge(
  core: CacheCore,
  ns: NamespaceCore,
  strict: boolean,
  marker: Marker,
  raw: Buffer,
): Promise<Verdict> {
  try {
    const { header, payload } = decodeEntry(raw, ns.settings.schema);
    // Before the vector is compared, since the nonces known here count only under the clock; and after it, since asking
    // for nonces takes time, and somebody else may have answered.
    if (!(await believes(core, ns))) throw unbelievable();
    const now = core.clock.now();
    if (now < header.staleUntil && (await vectorHolds(core, strict, marker, header.tags, header.nonces))) {
      // Promises for what is compressed or big only.
      const unpacked = core.codecs.unpack({ codec: header.codec, payload }, ns.settings);
      const encoded = unpacked instanceof Promise ? await unpacked : unpacked;
      const made = Delivery.of(encoded, core.codecs, ns.settings.values);
      const delivery = made instanceof Promise ? await made : made;
      if (!(await believes(core, ns)) || marker.gapped) throw unbelievable();
      const entry = new StoredEntry(header, delivery, encoded.payload.length, raw);
      return { kind: now < header.expires ? 'hit' : 'stale', entry };
    }
  } catch (error) {
    if (!(error instanceof CorruptEntryError)) throw error;
    ns.counters.errors++;
  }
  return { kind: 'rejected', fingerprint: fingerprint(raw) };
}

/**
 * As `judge`, of the common case, in which all that has to be known is known: a live entry of the data set that is
 * followed, under nonces known here, and nothing that takes longer than a moment to read. Null: to be judged as any other.
 */
export function judgeNow(
  core: CacheCore,
  ns: NamespaceCore,
  marker: Marker,
  raw: Buffer,
): StoredEntry | null {
  if (marker.gapped || believes(core, ns) !== true) return null;
  try {
    const { header, payload } = decodeEntry(raw, ns.settings.schema, ns.strings);
    const stored = { codec: header.codec, payload };
    if (core.codecs.isSlow(stored) || core.clock.now() >= header.expires) return null;
    if (!vectorKnown(core, marker, header.tags, header.nonces)) return null;
    const encoded = core.codecs.unpack(stored, ns.settings) as Encoded;
    const delivery = Delivery.decoded(encoded, core.codecs, ns.settings.values);
    return new StoredEntry(header, delivery, encoded.payload.length, raw);
  } catch {
    return null; // What is wrong with it is found, and counted, when it is judged again.
  }
}

function unbelievable(): RemoteUnavailableError {
  return new RemoteUnavailableError(
    'Nobody knows whether the data set behind the connection is the one that was followed.',
  );
}
