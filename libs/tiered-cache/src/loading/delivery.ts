import type { Codecs, Encoded } from '../codec/codecs.js';
import { canFreeze, deepFreeze, freezeTree } from '../codec/freeze.js';
import type { ValueSafety } from '../options.js';

/** There is none. */
const NONE = Symbol('none');

/**
 * How a stored value is handed out. Either one settled promise for everybody (frozen copy, primitive or shared
 * object: a hit costs one microtask), or a fresh decode per reader (values that cannot be frozen).
 */
export class Delivery {
  /** Made when somebody is handed it: most values are read once. */
  private settled: Promise<unknown> | null = null;

  private constructor(
    private readonly value: unknown,
    private readonly encoded: Encoded | null,
    private readonly codecs: Codecs | null,
    /** A cached error of the loader: `promise` rejects. */
    readonly isError = false,
    /** Read already, for whoever comes first. */
    private spare: unknown = NONE,
  ) {}

  /** The same value for all readers. */
  get isShared(): boolean {
    return this.encoded === null;
  }

  /** Non-null where `isShared`. */
  get promise(): Promise<unknown> | null {
    return (this.settled ??= this.encoded === null ? Promise.resolve(this.value) : null);
  }

  /** From bytes, of which nobody else holds the object. In one go, however big. @throws CorruptEntryError */
  static decoded(encoded: Encoded, codecs: Codecs, safety: ValueSafety): Delivery {
    const value = codecs.decode(encoded.codec, encoded.payload);
    if (safety === 'shared' || value === null || typeof value !== 'object') return Delivery.same(value);
    if (safety === 'frozen' && codecs.isPlain(encoded) && freezeTree(value)) return Delivery.same(value);
    if (safety === 'frozen' && canFreeze(value)) return Delivery.same(deepFreeze(value));
    return new Delivery(undefined, { codec: encoded.codec, payload: ownBytes(encoded.payload) }, codecs);
  }

  /** As `decoded`, in slices where the value is big. @throws CorruptEntryError, CacheClosedError */
  static of(encoded: Encoded, codecs: Codecs, safety: ValueSafety): Delivery | Promise<Delivery> {
    return codecs.isSliced(encoded.codec)
      ? Delivery.inSlices(encoded, codecs, safety)
      : Delivery.decoded(encoded, codecs, safety);
  }

  /** As `of`, from bytes that were written just now: what each reader decodes anyway is not decoded before. */
  static written(encoded: Encoded, codecs: Codecs, safety: ValueSafety): Delivery | Promise<Delivery> {
    if (!codecs.isSliced(encoded.codec)) return Delivery.decoded(encoded, codecs, safety);
    return safety === 'frozen' && codecs.isPlain(encoded)
      ? Delivery.inSlices(encoded, codecs, safety)
      : new Delivery(undefined, encoded, codecs);
  }

  private static async inSlices(encoded: Encoded, codecs: Codecs, safety: ValueSafety): Promise<Delivery> {
    const { value, frozen } = await codecs.read(encoded.payload, safety === 'frozen');
    if (frozen || safety === 'shared' || value === null || typeof value !== 'object')
      return Delivery.same(value);
    return new Delivery(undefined, encoded, codecs, false, value);
  }

  /** The very object, for everybody. */
  static same(value: unknown): Delivery {
    return new Delivery(value, null, null);
  }

  /** A cached error of the loader: the same error object for everybody. */
  static failed(error: unknown): Delivery {
    const failed = new Delivery(undefined, null, null, true);
    failed.settled = Promise.reject(error);
    failed.settled.catch(() => undefined); // Readers attach their own handlers; without readers it is no unhandled rejection.
    return failed;
  }

  /** Every reader's own copy of a big value is made in slices: `take` answers a promise. */
  get isSlow(): boolean {
    return this.encoded !== null && this.codecs!.isSliced(this.encoded.codec);
  }

  /** A value for one reader: now, or a promise of it where `isSlow`. */
  take(): unknown {
    if (this.encoded === null) return this.value;
    if (!this.isSlow) return this.takeNow();
    if (this.spare !== NONE) return Promise.resolve(this.takeNow());
    return this.codecs!.read(this.encoded.payload, false).then(({ value }) => value);
  }

  /** A value for one reader, however long that keeps everybody else waiting. */
  takeNow(): unknown {
    if (this.encoded === null) return this.value;
    const { spare } = this;
    this.spare = NONE;
    return spare === NONE ? this.codecs!.decode(this.encoded.codec, this.encoded.payload) : spare;
  }
}

/** A view keeps alive whatever else was received with it: a hundred entries, where one command brought them. */
function ownBytes(payload: Buffer): Buffer {
  const { byteLength } = payload.buffer;
  return byteLength > Math.max(Buffer.poolSize, 2 * payload.length) ? Buffer.from(payload) : payload;
}
