import type { Codecs, Encoded } from '../codec/codecs.js';
import { canFreeze, deepFreeze, freezeTree } from '../codec/freeze.js';
import { jsonCodec } from '../codec/json-codec.js';
import type { ValueSafety } from '../options.js';

/**
 * How a stored value is handed out. Either one settled promise for everybody (frozen copy, primitive or shared
 * object: a hit costs one microtask), or a fresh decode per reader (values that cannot be frozen).
 */
export class Delivery {
  private constructor(
    /** Non-null: the same for all readers. */
    readonly promise: Promise<unknown> | null,
    private readonly value: unknown,
    private readonly encoded: Encoded | null,
    private readonly codecs: Codecs | null,
    /** A cached error of the loader: `promise` rejects. */
    readonly isError = false,
  ) {}

  /** From bytes, of which nobody else holds the object. */
  static decoded(encoded: Encoded, codecs: Codecs, safety: ValueSafety): Delivery {
    const value = codecs.decode(encoded.codec, encoded.payload);
    if (safety === 'shared' || value === null || typeof value !== 'object') return Delivery.same(value);
    if (safety === 'frozen' && encoded.codec === jsonCodec.id && freezeTree(value))
      return Delivery.same(value);
    if (safety === 'frozen' && canFreeze(value)) return Delivery.same(deepFreeze(value));
    return new Delivery(null, undefined, encoded, codecs);
  }

  /** The very object, for everybody. */
  static same(value: unknown): Delivery {
    return new Delivery(Promise.resolve(value), value, null, null);
  }

  /** A cached error of the loader: the same error object for everybody. */
  static failed(error: unknown): Delivery {
    const promise = Promise.reject(error);
    promise.catch(() => undefined); // Readers attach their own handlers; without readers it is no unhandled rejection.
    return new Delivery(promise, undefined, null, null, true);
  }

  /** A value for one reader, now. */
  take(): unknown {
    return this.encoded === null ? this.value : this.codecs!.decode(this.encoded.codec, this.encoded.payload);
  }
}
