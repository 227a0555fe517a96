import { CorruptEntryError, UnserialisableValueError } from '../errors.js';
import { Allowance } from './allowance.js';
import type { Codec } from './codec.js';
import { isDense, isPlainObject, prototypeDepth } from './types.js';

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
    try {
      const text = payload.toString();
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
 * most MAX_DEPTH deep. Walks with its own stack. False also, and no more is looked at, once `allowance` is exceeded.
 */
export function isJsonPlain(root: unknown, allowance: Allowance = Allowance.unlimited()): boolean {
  if (typeof root === 'string') return allowance.units(root.length);
  if (typeof root !== 'object' || root === null) return isPlainPrimitive(root);
  const seen = new Set<object>([root]);
  let level: object[] = [root];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return false;
    const next: object[] = [];
    const admit = (member: unknown): boolean => {
      if (typeof member === 'string') return allowance.units(member.length);
      if (typeof member !== 'object' || member === null) return isPlainPrimitive(member);
      if (seen.has(member)) return false;
      seen.add(member);
      next.push(member);
      return true;
    };
    for (const container of level) if (!membersArePlain(container, admit, allowance)) return false;
    level = next;
  }
  return true;
}

function membersArePlain(
  container: object,
  admit: (member: unknown) => boolean,
  allowance: Allowance,
): boolean {
  // JSON.stringify would call it, wherever it is inherited from.
  if (typeof (container as { toJSON?: unknown }).toJSON === 'function') return false;
  if (Array.isArray(container)) {
    if (!allowance.members(container.length)) return false;
    return prototypeDepth(container) === 2 && isDense(container) && container.every(admit);
  }
  const keys = isPlainObject(container) ? ownDataKeys(container) : null;
  return (
    keys !== null &&
    allowance.members(keys.length) &&
    keys.every((key) => admit((container as Record<string, unknown>)[key]))
  );
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

/**
 * The own keys, when all are enumerable data properties under strings other than `__proto__`; null otherwise.
 * `hidden`: how many properties are known not to be enumerable (`length` of an array).
 */
export function ownDataKeys(object: object, hidden = 0): string[] | null {
  const keys = Object.keys(object);
  if (Object.getOwnPropertyNames(object).length !== keys.length + hidden) return null;
  if (Object.getOwnPropertySymbols(object).length > 0) return null;
  for (const key of keys) {
    if (key === '__proto__') return null;
    // Only a data property has `writable`; an accessor would be called, and lost.
    if (Object.getOwnPropertyDescriptor(object, key)?.writable === undefined) return null;
  }
  return keys;
}
