import { CorruptEntryError, UnserialisableValueError } from '../errors.js';
import { Allowance } from './allowance.js';
import { ClassRegistry } from './class-registry.js';
import type { Codec, RegisteredClass } from './codec.js';
import {
  compress,
  type CompressionAlgorithm,
  decompress,
  decompressesAtOnce,
  isCompressed,
  withoutCompression,
} from './compression.js';
import { isJsonPlain, jsonCodec } from './json-codec.js';
import { MSGPACK_ID, MsgpackCodec } from './msgpack/msgpack-codec.js';
import { type Exactness, msgpackExactness } from './msgpack/msgpack-exact.js';
import { createRichCodec } from './rich-codec.js';
import { type SliceQueue, sliceQueue } from './sliced/slice-queue.js';
import { createSlicedCodec, SLICED_ID } from './sliced/sliced-codec.js';
import type { SlicedValue } from './sliced/sliced-reader.js';

/** A value as bytes, and which codec reads them. */
export interface Encoded {
  codec: number;
  payload: Buffer;
}

/** How a namespace stores values. */
export interface StorageSettings {
  /** Most bytes of a payload, before compression. */
  readonly maxEntryBytes: number;
  /** What is written where it is exact; anything is read. */
  readonly codec: CodecName;
  /** Null: none. */
  readonly compression: CompressionAlgorithm | null;
  /** Payloads of fewer bytes are stored as they are. */
  readonly compressionThreshold: number;
}

export type CodecName = 'json' | 'msgpack';

/** The codecs of one cache. */
export interface Codecs {
  /** In one go, however big. JSON when that is exact, else rich. @throws UnserialisableValueError */
  encode(value: unknown): Encoded;
  /**
   * With the namespace's codec where that is exact, else rich; what is big is written in slices. Not compressed.
   * @throws UnserialisableValueError, EntryTooLargeError, MissingPackageError
   */
  encodeFor(value: unknown, settings: StorageSettings): Encoded | Promise<Encoded>;
  /** The form for the shared tier: compressed, where the namespace wants that and it helps. */
  pack(encoded: Encoded, settings: StorageSettings): Encoded | Promise<Encoded>;
  /**
   * What `pack` was given, ready for `decode`. Whatever this namespace would write itself, anything is read.
   * @throws CorruptEntryError 'codec' where this process cannot read it (also by its Node or for want of a package),
   * 'payload'
   */
  unpack(stored: Encoded, settings: StorageSettings): Encoded | Promise<Encoded>;
  /** May `unpack` answer a promise, or is what it answers sliced? */
  isSlow(stored: Encoded): boolean;
  /** In one go, of what is not compressed. A fresh value nobody else holds. @throws CorruptEntryError 'codec' (unknown id) or 'payload' */
  decode(codecId: number, payload: Buffer): unknown;
  /** Is it read in slices (`read`)? */
  isSliced(codecId: number): boolean;
  /** What is sliced; `freeze`: frozen, if everything in it can be. @throws CorruptEntryError, CacheClosedError */
  read(payload: Buffer, freeze: boolean): Promise<SlicedValue>;
  /** Can everything in it be frozen? Told by the bytes; what is decoded holds to it. */
  isPlain(encoded: Encoded): boolean;
  /** Loads the packages that a codec needs. @throws MissingPackageError */
  load(codec: CodecName): Promise<void>;
  /** False when the class is registered already. @throws InvalidOptionsError for a wrong registration or a taken name. */
  register(entry: RegisteredClass): boolean;
  /** What is being sliced ends with CacheClosedError. */
  close(): void;
}

/** @throws InvalidOptionsError when a class is registered wrongly. */
export function createCodecs(
  classes: readonly RegisteredClass[] = [],
  queue: SliceQueue = sliceQueue,
): Codecs {
  const registry = new ClassRegistry(classes);
  const rich = createRichCodec(registry);
  const sliced = createSlicedCodec(registry, queue);
  const byId = new Map<number, Codec>([jsonCodec, rich, sliced].map((codec) => [codec.id, codec]));
  const msgpack = new MsgpackCodec();
  let isClosed = false;
  const closed = () => isClosed;
  /** Null when it is too much. */
  const encodeWithin = (value: unknown, allowance: Allowance): Encoded | null => {
    try {
      if (isJsonPlain(value, allowance))
        return { codec: jsonCodec.id, payload: Buffer.from(JSON.stringify(value)) };
    } catch (error) {
      // A proxy's trap, or text longer than a string can be.
      throw new UnserialisableValueError('reading it failed', { cause: error });
    }
    if (allowance.exceeded) return null;
    const payload = rich.encodeWithin(value, allowance);
    return payload === null ? null : { codec: rich.id, payload };
  };
  /** MessagePack where it is exact, else rich. Null when it is too much. */
  const packWithin = (value: unknown, allowance: Allowance): Encoded | null => {
    let exactness: Exactness;
    try {
      exactness = msgpackExactness(value, allowance);
      if (exactness !== null)
        return { codec: MSGPACK_ID, payload: msgpack.encode(value, exactness === 'plain') };
    } catch (error) {
      throw new UnserialisableValueError('reading it failed', { cause: error });
    }
    if (allowance.exceeded) return null;
    const payload = rich.encodeWithin(value, allowance);
    return payload === null ? null : { codec: rich.id, payload };
  };
  const encodeFor = (value: unknown, settings: StorageSettings): Encoded | Promise<Encoded> => {
    if (settings.codec === 'msgpack' && !msgpack.isLoaded)
      return msgpack.load().then(() => encodeFor(value, settings));
    const encode = settings.codec === 'msgpack' ? packWithin : encodeWithin;
    const encoded = encode(value, new Allowance());
    if (encoded !== null) return encoded;
    return sliced
      .write(value, settings.maxEntryBytes, closed)
      .then((payload) => ({ codec: sliced.id, payload }));
  };
  /** What it takes to decode it is there. */
  const ready = (encoded: Encoded): Encoded | Promise<Encoded> => {
    if (encoded.codec !== MSGPACK_ID || msgpack.isLoaded) return encoded;
    return msgpack.load().then(
      () => encoded,
      () => {
        // Written by a node that has the package: a miss here.
        throw new CorruptEntryError('codec');
      },
    );
  };
  return {
    encode: (value) => encodeWithin(value, Allowance.unlimited())!,
    encodeFor,
    pack: (encoded, { compression, compressionThreshold }) =>
      compression === null || encoded.payload.length < compressionThreshold
        ? encoded
        : compress(encoded, compression),
    unpack(stored, { maxEntryBytes }) {
      const raw = decompress(stored, maxEntryBytes);
      return raw instanceof Promise ? raw.then(ready) : ready(raw);
    },
    isSlow(stored) {
      const { codec } = withoutCompression(stored);
      if (codec === SLICED_ID || (codec === MSGPACK_ID && !msgpack.isLoaded)) return true;
      return isCompressed(stored.codec) && !decompressesAtOnce(stored);
    },
    decode(codecId, payload) {
      if (codecId === MSGPACK_ID && msgpack.isLoaded) return msgpack.decode(payload);
      const codec = byId.get(codecId);
      if (!codec) throw new CorruptEntryError('codec');
      return codec.decode(payload);
    },
    isSliced: (codecId) => codecId === SLICED_ID,
    read: (payload, freeze) => sliced.read(payload, freeze, closed),
    isPlain({ codec, payload }) {
      if (codec === MSGPACK_ID) return msgpack.isPlain(payload);
      return codec === jsonCodec.id || (codec === SLICED_ID && sliced.isPlain(payload));
    },
    load: (codec) => (codec === 'msgpack' ? msgpack.load() : Promise.resolve()),
    register(entry) {
      if (typeof entry?.type === 'function' && registry.has(entry.type)) return false;
      registry.add(entry, 'registerClass');
      return true;
    },
    close() {
      isClosed = true;
    },
  };
}
