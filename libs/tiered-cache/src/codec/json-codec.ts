import { CorruptEntryError, UnserialisableValueError } from '../errors.js';
import type { Codec } from './codec.js';
import { isPlainObject, prototypeDepth } from './types.js';

/** Deeper nesting is refused by every codec: JSON and devalue recurse, and the reader's stack is not ours to guess. */
export const MAX_DEPTH = 1_000;

/** Plain JSON text, for values that JSON gives back exactly (isJsonPlain). */
export const jsonCodec: Codec = {
  id: 1,
  name: 'json',
  encode(value) {
    if (!isJsonPlain(value)) throw new UnserialisableValueError('plain JSON would not give it back');
    return Buffer.from(JSON.stringify(value));
  },
  decode(payload) {
    const text = payload.toString();
    try {
      return SUSPECT.test(text) ? JSON.parse(text, refusePrototype) : JSON.parse(text);
    } catch {
      throw new CorruptEntryError('payload');
    }
  },
};

/** `__proto__` as a key, maybe escaped: never written by us, and poison for whoever merges the value later. */
const SUSPECT = /_proto_|\\u00[567]/;

function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new SyntaxError('__proto__ as a key');
  return value;
}

/**
 * Whether JSON.parse(JSON.stringify(value)) is the same in every respect: strings, finite numbers but -0, booleans,
 * null, dense arrays and plain objects of such, each object in one place only (JSON would double it) and nested at
 * most MAX_DEPTH deep. Walks with its own stack.
 */
export function isJsonPlain(root: unknown): boolean {
  if (typeof root !== 'object' || root === null) return isPlainPrimitive(root);
  const seen = new Set<object>([root]);
  let level: object[] = [root];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return false;
    const next: object[] = [];
    for (const container of level) {
      const keys = Array.isArray(container) ? plainArrayKeys(container) : plainKeys(container);
      if (keys === null || typeof (container as { toJSON?: unknown }).toJSON === 'function') return false;
      for (const key of keys) {
        const member: unknown = (container as Record<PropertyKey, unknown>)[key];
        if (typeof member !== 'object' || member === null) {
          if (!isPlainPrimitive(member)) return false;
        } else {
          if (seen.has(member)) return false;
          seen.add(member);
          next.push(member);
        }
      }
    }
    level = next;
  }
  return true;
}

function isPlainPrimitive(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    default:
      return value === null;
  }
}

function plainArrayKeys(array: object): Iterable<PropertyKey> | null {
  const keys = ownDataKeys(array, (array as unknown[]).length, 1);
  return keys !== null && prototypeDepth(array) === 2 ? keys : null;
}

function plainKeys(object: object): string[] | null {
  return isPlainObject(object) ? ownDataKeys(object) : null;
}

/**
 * The own keys, when all are enumerable data properties under strings other than `__proto__`; null otherwise.
 * With `length`, those of an array without holes. `hidden`: how many properties are known not to be enumerable.
 */
export function ownDataKeys(object: object, length?: number, hidden = 0): string[] | null {
  const keys = Object.keys(object);
  if (length !== undefined && keys.length !== length) return null;
  if (Object.getOwnPropertyNames(object).length !== keys.length + hidden) return null;
  if (Object.getOwnPropertySymbols(object).length > 0) return null;
  for (const key of keys) {
    if (key === '__proto__') return null;
    // Only a data property has `writable`; an accessor would be called, and lost.
    if (Object.getOwnPropertyDescriptor(object, key)?.writable === undefined) return null;
  }
  return keys;
}
