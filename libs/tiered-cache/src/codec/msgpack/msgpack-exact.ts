import { types } from 'node:util';
import type { Allowance } from '../allowance.js';
import { MAX_DEPTH, ownDataKeys } from '../json-codec.js';
import { builtinOf, isDense, isPlainObject } from '../types.js';

/** 'plain': arrays, objects and primitives only, which can be frozen. Null: MessagePack would lose something. */
export type Exactness = 'plain' | 'typed' | null;

const MIN_INT64 = -(2n ** 63n);
const MAX_UINT64 = 2n ** 64n - 1n;
/** Names that msgpackr uses for itself in the same objects as those of properties, and the one nobody may write. */
const REFUSED_KEYS = new Set(['__proto__', '__keys__']);
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Whether msgpackr gives a value back the same in every respect: what JSON does (isJsonPlain), undefined, NaN and
 * infinities, bigints of 64 bits, and Date, Map, Set and Buffer as they are; each object in one place only. Null also, and
 * no more is looked at, once `allowance` is exceeded. Walks with its own stack; calls no accessor.
 */
export function msgpackExactness(root: unknown, allowance: Allowance): Exactness {
  let isTyped = false;
  const seen = new Set<object>();
  let next: object[] = [];
  const admit = (member: unknown): boolean => {
    switch (typeof member) {
      case 'string':
        return allowance.units(member.length) && !LONE_SURROGATE.test(member);
      case 'number':
        return !Object.is(member, -0);
      case 'bigint':
        return member >= MIN_INT64 && member <= MAX_UINT64;
      case 'boolean':
      case 'undefined':
        return true;
      case 'object':
        if (member === null) return true;
        if (seen.has(member)) return false;
        seen.add(member);
        next.push(member);
        return true;
      default:
        return false;
    }
  };
  const membersAreExact = (container: object): boolean => {
    if (Array.isArray(container)) {
      if (!allowance.members(container.length) || builtinOf(container) !== 'Array') return false;
      return isDense(container) && container.every(admit);
    }
    if (isPlainObject(container)) {
      const keys = ownDataKeys(container);
      if (keys === null || !allowance.members(keys.length)) return false;
      return keys.every((key) => !REFUSED_KEYS.has(key) && !LONE_SURROGATE.test(key) && admit((container as Record<string, unknown>)[key])); // prettier-ignore
    }
    isTyped = true;
    return isExactBuiltin(container, allowance, admit);
  };
  if (!admit(root)) return null;
  for (let depth = 1; next.length > 0; depth++) {
    if (depth > MAX_DEPTH) return null;
    const level = next;
    next = [];
    for (const container of level) if (!membersAreExact(container)) return null;
  }
  return isTyped ? 'typed' : 'plain';
}

function isExactBuiltin(value: object, allowance: Allowance, admit: (member: unknown) => boolean): boolean {
  const kind = builtinOf(value);
  if (kind === 'Buffer') return allowance.units((value as Buffer).length);
  if ((kind !== 'Date' && kind !== 'Map' && kind !== 'Set') || Reflect.ownKeys(value).length > 0)
    return false;
  // msgpackr asks instanceof, which those of another realm are not.
  if (kind === 'Date') return value instanceof Date && !Number.isNaN(value.getTime());
  if (types.isMap(value)) {
    if (!(value instanceof Map) || !allowance.members(value.size * 2)) return false;
    for (const [key, member] of value) if (!admit(key) || !admit(member)) return false;
    return true;
  }
  if (!(value instanceof Set) || !allowance.members(value.size)) return false;
  for (const member of value as Set<unknown>) if (!admit(member)) return false;
  return true;
}
