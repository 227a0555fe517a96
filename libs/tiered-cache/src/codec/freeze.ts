import { MAX_DEPTH } from './json-codec.js';
import { builtinOf, hasInternalState, isDense, isPlainObject } from './types.js';

/**
 * Whether deepFreeze makes `value` immutable: primitives, and arrays and plain objects of nothing else. A frozen Map,
 * Set, Date or class instance can still be changed through its methods, and freezing a Buffer throws. Accessors
 * answer what they like. Walks with its own stack; cycles are fine.
 */
export function canFreeze(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function';
  const seen = new Set<object>([value]);
  // A Set is walked in order of insertion, members added on the way included: its own work list.
  for (const container of seen) {
    if (!isPlainContainer(container)) return false;
    if (Array.isArray(container) && isDense(container)) {
      for (const member of container as unknown[]) if (!note(member, seen)) return false;
      continue;
    }
    for (const key of Reflect.ownKeys(container)) {
      const descriptor = Object.getOwnPropertyDescriptor(container, key);
      if (descriptor?.writable === undefined || !note(descriptor.value, seen)) return false;
    }
  }
  return true;
}

/** Adds an object to those to be walked. False for a function, which may hold anything. */
function note(member: unknown, seen: Set<object>): boolean {
  if (typeof member === 'object' && member !== null) seen.add(member);
  return typeof member !== 'function';
}

/** Freezes `value` and all it holds, in place. Only for what canFreeze accepts. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const seen = new Set<object>([value]);
  for (const container of seen) {
    if (Array.isArray(container) && isDense(container)) {
      for (const member of container as unknown[]) note(member, seen);
    } else {
      for (const key of Reflect.ownKeys(container))
        note((container as Record<PropertyKey, unknown>)[key], seen);
    }
    Object.freeze(container);
  }
  return value;
}

/**
 * Freezes what JSON.parse made: own data properties only, nothing met twice. False, and to be looked at by canFreeze, where
 * it is nested deeper than anything that is written here.
 */
export function freezeTree(value: object, depth = 1): boolean {
  if (depth > MAX_DEPTH) return false;
  for (const member of Array.isArray(value) ? (value as unknown[]) : Object.values(value))
    if (typeof member === 'object' && member !== null && !freezeTree(member, depth + 1)) return false;
  Object.freeze(value);
  return true;
}

function isPlainContainer(value: object): boolean {
  if (Array.isArray(value)) return builtinOf(value) === 'Array';
  return isPlainObject(value) || (Object.getPrototypeOf(value) === null && !hasInternalState(value));
}
