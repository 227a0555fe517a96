import { parse, stringify } from 'devalue';
import { CorruptEntryError, StrataError, UnserialisableValueError } from '../errors.js';
import { Allowance } from './allowance.js';
import type { ClassRegistry } from './class-registry.js';
import type { Codec } from './codec.js';
import { type Reduction, reduceValue } from './reduce.js';
import { errorFrom, fillInstance } from './revive.js';

export interface RichCodec extends Codec {
  /** Null when `allowance` does not suffice. @throws UnserialisableValueError */
  encodeWithin(value: unknown, allowance: Allowance): Buffer | null;
}

/** The one custom type of ours in devalue's format: `["~", [name, data]]`. */
const TYPE = '~';

/**
 * Everything JSON loses: Date, Map, Set, BigInt, Buffer, typed arrays, ArrayBuffer, undefined, NaN, infinities, -0,
 * RegExp, URL, errors of the language (name, message, stack), cycles, shared references, instances of registered
 * classes. Two views of one ArrayBuffer stay so only if both cover it whole: otherwise each takes its own bytes
 * along and nothing else (a small view may sit in a pool that holds other people's secrets).
 */
export function createRichCodec(classes: ClassRegistry): RichCodec {
  const encodeWithin = (value: unknown, allowance: Allowance): Buffer | null => {
    try {
      const reductions = reduceValue(value, classes, allowance);
      if (reductions === null) return null;
      const reduce = (thing: unknown): Reduction | undefined =>
        typeof thing === 'object' && thing !== null ? reductions.get(thing) : undefined;
      return Buffer.from(stringify(value, { [TYPE]: reduce }, { operations: { viewInfo } }));
    } catch (error) {
      if (error instanceof UnserialisableValueError) throw error;
      // A getter, proxy, serialise function or the stack's end.
      throw new UnserialisableValueError('reading it failed', { cause: error });
    }
  };
  return {
    id: 2,
    name: 'rich',
    encodeWithin,
    encode: (value) => encodeWithin(value, Allowance.unlimited())!,
    decode(payload) {
      try {
        const revival = new Revival(classes);
        const value: unknown = parse(payload.toString(), { [TYPE]: (pair) => revival.revive(pair) });
        revival.finish();
        return value;
      } catch (error) {
        if (error instanceof StrataError) throw error;
        throw new CorruptEntryError('payload');
      }
    },
  };
}

/** Visible bytes only. */
function viewInfo(view: ArrayBufferView & { length?: number }) {
  const { buffer, byteOffset, byteLength } = view;
  const whole = byteLength === buffer.byteLength;
  const length = view.length ?? byteLength;
  return {
    buffer: whole ? buffer : buffer.slice(byteOffset, byteOffset + byteLength),
    byteOffset: 0,
    byteLength,
    length,
    bufferByteLength: byteLength,
  };
}

/**
 * Objects being revived from one payload. Where a cycle leads back to an instance, devalue asks for it first while
 * its data is incomplete, then again: the same instance is answered, and filled anew.
 */
class Revival {
  readonly #made = new Map<unknown[], unknown>();
  /** Instances made without a deserialise of their class, by their pair. */
  readonly #filled = new Map<unknown[], object>();

  constructor(private readonly classes: ClassRegistry) {}

  revive(pair: unknown): unknown {
    if (!Array.isArray(pair) || typeof pair[0] !== 'string') throw new CorruptEntryError('payload');
    if (!this.#made.has(pair)) this.#made.set(pair, this.#make(pair));
    const instance = this.#filled.get(pair);
    if (instance && typeof pair[1] === 'object' && pair[1] !== null) fillInstance(instance, pair[1]);
    return this.#made.get(pair);
  }

  /** @throws CorruptEntryError when an instance never got its data. */
  finish(): void {
    for (const pair of this.#filled.keys()) {
      if (typeof pair[1] !== 'object' || pair[1] === null) throw new CorruptEntryError('payload');
    }
  }

  #make(pair: unknown[]): unknown {
    const [name, data] = pair as [string, unknown];
    if (name === 'Buffer') {
      if (typeof data !== 'string') throw new CorruptEntryError('payload');
      return Buffer.from(data, 'base64');
    }
    if (name === 'Error') return errorFrom(data);
    const registered = this.classes.named(name);
    if (!registered) throw new CorruptEntryError('payload');
    if (registered.deserialise) return registered.deserialise(data);
    const instance = Object.create(registered.type.prototype as object) as object;
    this.#filled.set(pair, instance);
    return instance;
  }
}
