import { CorruptEntryError, UnserialisableValueError } from '../errors.js';
import { Allowance } from './allowance.js';
import { ClassRegistry } from './class-registry.js';
import type { Codec, RegisteredClass } from './codec.js';
import { isJsonPlain, jsonCodec } from './json-codec.js';
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
}

/** The codecs of one cache. */
export interface Codecs {
  /** In one go, however big. JSON when that is exact, else rich. @throws UnserialisableValueError */
  encode(value: unknown): Encoded;
  /** As `encode`; what is big is written in slices. @throws UnserialisableValueError, EntryTooLargeError */
  encodeFor(value: unknown, settings: StorageSettings): Encoded | Promise<Encoded>;
  /** In one go. A fresh value nobody else holds. @throws CorruptEntryError 'codec' (unknown id) or 'payload' */
  decode(codecId: number, payload: Buffer): unknown;
  /** Is it read in slices (`read`)? */
  isSliced(codecId: number): boolean;
  /** What is sliced; `freeze`: frozen, if everything in it can be. @throws CorruptEntryError, CacheClosedError */
  read(payload: Buffer, freeze: boolean): Promise<SlicedValue>;
  /** Can all of a sliced value be frozen? Only of bytes that were written here. */
  isPlain(payload: Buffer): boolean;
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
  return {
    encode: (value) => encodeWithin(value, Allowance.unlimited())!,
    encodeFor(value, { maxEntryBytes }) {
      const encoded = encodeWithin(value, new Allowance());
      if (encoded !== null) return encoded;
      return sliced.write(value, maxEntryBytes, closed).then((payload) => ({ codec: sliced.id, payload }));
    },
    decode(codecId, payload) {
      const codec = byId.get(codecId);
      if (!codec) throw new CorruptEntryError('codec');
      return codec.decode(payload);
    },
    isSliced: (codecId) => codecId === SLICED_ID,
    read: (payload, freeze) => sliced.read(payload, freeze, closed),
    isPlain: sliced.isPlain,
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
