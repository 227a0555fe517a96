import { isPlainObject } from './types.js';

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
    for (const key of Reflect.ownKeys(container)) {
      const descriptor = Object.getOwnPropertyDescriptor(container, key);
      if (descriptor === undefined || descriptor.writable === undefined) return false;
      const member: unknown = descriptor.value;
      if (typeof member === 'object' && member !== null) seen.add(member);
      else if (typeof member === 'function') return false;
    }
  }
  return true;
}

/** Freezes `value` and all it holds, in place. Only for what canFreeze accepts. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const seen = new Set<object>([value]);
  for (const container of seen) {
    for (const member of Object.values(container) as unknown[]) {
      if (typeof member === 'object' && member !== null) seen.add(member);
    }
    Object.freeze(container);
  }
  return value;
}

function isPlainContainer(value: object): boolean {
  if (Array.isArray(value)) return true;
  return Object.getPrototypeOf(value) === null || isPlainObject(value);
}
