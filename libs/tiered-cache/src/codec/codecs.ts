import { CorruptEntryError, UnserialisableValueError } from '../errors.js';
import { ClassRegistry } from './class-registry.js';
import type { Codec, RegisteredClass } from './codec.js';
import { isJsonPlain, jsonCodec } from './json-codec.js';
import { createRichCodec } from './rich-codec.js';

/** A value as bytes, and which codec reads them. */
export interface Encoded {
  codec: number;
  payload: Buffer;
}

/** The codecs of one cache. */
export interface Codecs {
  /** JSON when that is exact, else rich. @throws UnserialisableValueError */
  encode(value: unknown): Encoded;
  /** A fresh value nobody else holds. @throws CorruptEntryError 'codec' (unknown id) or 'payload' */
  decode(codecId: number, payload: Buffer): unknown;
  /** False when the class is registered already. @throws InvalidOptionsError for a wrong registration or a taken name. */
  register(entry: RegisteredClass): boolean;
}

/** @throws InvalidOptionsError when a class is registered wrongly. */
export function createCodecs(classes: readonly RegisteredClass[] = []): Codecs {
  const registry = new ClassRegistry(classes);
  const rich = createRichCodec(registry);
  const byId = new Map<number, Codec>([jsonCodec, rich].map((codec) => [codec.id, codec]));
  return {
    encode(value) {
      try {
        if (isJsonPlain(value)) return { codec: jsonCodec.id, payload: Buffer.from(JSON.stringify(value)) };
      } catch (error) {
        // A proxy's trap, or text longer than a string can be.
        throw new UnserialisableValueError('reading it failed', { cause: error });
      }
      return { codec: rich.id, payload: rich.encode(value) };
    },
    decode(codecId, payload) {
      const codec = byId.get(codecId);
      if (!codec) throw new CorruptEntryError('codec');
      return codec.decode(payload);
    },
    register(entry) {
      if (typeof entry?.type === 'function' && registry.has(entry.type)) return false;
      registry.add(entry, 'registerClass');
      return true;
    },
  };
}
