/**
 * Turns values into bytes and back without losing their type (A10): Date, Map, Set, BigInt, Buffer and typed arrays,
 * undefined, null, 0, -0, '', NaN, Infinity, RegExp, URL, cycles, and instances of registered classes.
 */
export interface Codec {
  /** One byte, part of the wire format; never reused. */
  readonly id: number;
  readonly name: string;
  /** @throws UnserialisableValueError when something would be lost. */
  encode(value: unknown): Buffer;
  /** A fresh value nobody else holds. @throws CorruptEntryError */
  decode(payload: Buffer): unknown;
}

/** A class whose instances keep their type through the shared tier. */
export interface RegisteredClass<T = unknown> {
  /** Stable name on the wire; not the class's own name, which minifiers change. */
  name: string;
  type: abstract new (...args: never[]) => T;
  /** Plain data of an instance; default: its own enumerable properties. */
  serialise?(instance: T): unknown;
  /** An instance from that data; default: Object.create(prototype) and assign. */
  deserialise?(data: unknown): T;
}

/** Everything in the header of a stored entry (docs/wire-format.md). */
export interface EntryHeader {
  codec: number;
  /** Wall clock ms. */
  created: number;
  /** Logical expiry, wall clock ms; Infinity lives for ever. */
  expires: number;
  /** Last moment it may be served stale, wall clock ms; >= expires. */
  staleUntil: number;
  /** Tag vector: tags and the nonces captured before the load, in order. */
  tags: readonly string[];
  nonces: readonly string[];
  schema: string;
  /** The id before escaping and hashing, for admin tools; '' when the key itself shows it. */
  originalId: string;
  /** How long the load took, ms: the delta of XFetch. */
  loadMs: number;
  /** Idle time of a sliding entry in ms, 0 when absolute: reads renew `expires` to now + slidingMs. */
  slidingMs: number;
}

export interface DecodedEntry {
  header: EntryHeader;
  payload: Buffer;
}
