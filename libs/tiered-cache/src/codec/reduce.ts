import { types } from 'node:util';
import { Allowance } from './allowance.js';
import type { ClassRegistry } from './class-registry.js';
import type { RegisteredClass } from './codec.js';
import { MAX_DEPTH, ownDataKeys } from './json-codec.js';
import { errorData, nameOf, refuse } from './refusals.js';
import { builtinOf, hasInternalState, isDense, isPlainObject } from './types.js';

/** What stands on the wire for an object that devalue does not know: a name and plain data. */
export type Reduction = readonly [name: string, data: unknown];

/**
 * Walks a value before it is written: refuses, with the path, whatever would not come back the same, and collects
 * the reductions of Buffers, errors and registered classes. Depth first in the order of writing, with its own stack.
 *
 * A class with a `deserialise` of its own needs its data whole, which on a cycle through the instance it never is:
 * that is refused here rather than found out by every reader.
 * Null as soon as `allowance` is exceeded.
 * @throws UnserialisableValueError
 */
export function reduceValue(
  root: unknown,
  classes: ClassRegistry,
  allowance: Allowance = Allowance.unlimited(),
): Map<object, Reduction> | null {
  const reductions = new Map<object, Reduction>();
  /** Depth of the objects on the way to the current one; 0 once they are done. */
  const open = new Map<object, number>();
  const stack: Frame[] = [];
  /** Depths of the open instances that have a deserialise of their own. */
  const whole: number[] = [];

  const enter = (value: unknown, step: PropertyKey): void => {
    if (typeof value !== 'object' || value === null) {
      if (typeof value === 'string') allowance.units(value.length);
      if (typeof value === 'function' || typeof value === 'symbol') refuse(`a ${typeof value}`, stack, step);
      return;
    }
    const known = open.get(value);
    if (known !== undefined) {
      const deepest = whole.at(-1);
      if (known > 0 && deepest !== undefined && deepest >= known) {
        refuse('a cycle through an instance whose class has its own deserialise', stack, step);
      }
      return;
    }
    const depth = stack.length + 1;
    if (depth > MAX_DEPTH) refuse(`nesting deeper than ${MAX_DEPTH} levels`, stack, step);
    // Before its members are listed, which of a huge one takes long.
    if (!allowance.members(sizeOf(value))) return;
    const frame = describe(value, step, classes, reductions, stack);
    if (!allowance.members(frame.members.length)) return;
    open.set(value, depth);
    if (frame.whole) whole.push(depth);
    stack.push(frame);
  };

  enter(root, '');
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    if (allowance.exceeded) return null;
    if (frame.next < frame.members.length) {
      const at = frame.next++;
      enter(frame.members[at], frame.keys?.[at] ?? at);
    } else {
      stack.pop();
      open.set(frame.value, 0);
      if (frame.whole) whole.pop();
    }
  }
  return allowance.exceeded ? null : reductions;
}

/** Of what lists its members at once; asked past whatever the value itself may say. */
function sizeOf(value: object): number {
  if (Array.isArray(value)) return value.length;
  if (types.isMap(value)) return Reflect.get(Map.prototype, 'size', value);
  if (types.isSet(value)) return Reflect.get(Set.prototype, 'size', value);
  if (types.isTypedArray(value)) return (Reflect.get(TYPED_ARRAY, 'byteLength', value) as number) / 8;
  return types.isArrayBuffer(value) ? Reflect.get(ArrayBuffer.prototype, 'byteLength', value) / 8 : 0;
}

const TYPED_ARRAY = Object.getPrototypeOf(Uint8Array.prototype) as object;

interface Frame {
  value: object;
  step: PropertyKey;
  members: readonly unknown[];
  keys?: readonly string[];
  next: number;
  whole: boolean;
}

function describe(
  value: object,
  step: PropertyKey,
  classes: ClassRegistry,
  reductions: Map<object, Reduction>,
  stack: readonly Frame[],
): Frame {
  const leaf: Frame = { value, step, members: [], next: 0, whole: false };
  const registered = classes.of(value);
  if (registered) {
    const data = classData(value, registered, stack, step);
    reductions.set(value, [registered.name, data]);
    return {
      ...leaf,
      members: [data],
      keys: [`<${registered.name}>`],
      whole: registered.deserialise !== undefined,
    };
  }
  if (isPlainObject(value) || (Object.getPrototypeOf(value) === null && !hasInternalState(value))) {
    const keys = dataKeys(value, stack, step);
    return { ...leaf, keys, members: keys.map((key) => (value as Record<string, unknown>)[key]) };
  }
  const kind = builtinOf(value);
  switch (kind) {
    case null:
      return refuse(`an instance of ${nameOf(value)}, which is not a registered class`, stack, step);
    case 'Array':
      return { ...leaf, members: arrayMembers(value as unknown[], stack, step) };
    case 'Buffer':
      reductions.set(value, ['Buffer', (value as Buffer).toString('base64')]);
      return leaf;
    case 'TypedArray':
    case 'DataView': {
      const { buffer } = value as ArrayBufferView;
      if (builtinOf(buffer) !== 'ArrayBuffer') refuse('a view of shared memory', stack, step);
      return leaf;
    }
    case 'Error':
      reductions.set(value, ['Error', errorData(value as Error, stack, step)]);
      return leaf;
    default:
      if (dataKeys(value, stack, step, kind === 'RegExp' ? 1 : 0).length > 0) {
        refuse(`a ${kind} with properties of its own`, stack, step);
      }
  }
  if (kind === 'Map') return { ...leaf, members: [...(value as Map<unknown, unknown>)].flat(1) };
  if (kind === 'Set') return { ...leaf, members: [...(value as Set<unknown>)] };
  return leaf;
}

function dataKeys(value: object, stack: readonly Frame[], step: PropertyKey, hidden = 0): string[] {
  const keys = ownDataKeys(value, hidden);
  if (keys === null) {
    refuse('an object with symbol, hidden, accessor or __proto__ properties', stack, step);
  }
  return keys;
}

/** A holed array comes back holed; an array with further members does not. */
function arrayMembers(array: unknown[], stack: readonly Frame[], step: PropertyKey): readonly unknown[] {
  if (isDense(array)) return array;
  const keys = ownDataKeys(array, 1);
  if (keys === null || keys.some((key) => !/^(?:0|[1-9]\d{0,9})$/.test(key) || Number(key) >= array.length)) {
    refuse('an array with members other than its elements', stack, step);
  }
  return keys.map((key) => array[Number(key)]);
}

function classData(
  value: object,
  registered: RegisteredClass,
  stack: readonly Frame[],
  step: PropertyKey,
): unknown {
  const { name } = registered;
  if (registered.serialise) {
    const data = registered.serialise(value);
    if (registered.deserialise || (typeof data === 'object' && data !== null && isPlainObject(data)))
      return data;
    return refuse(`a ${name}, which without deserialise must serialise to a plain object`, stack, step);
  }
  if (hasInternalState(value))
    refuse(`a ${name}, which extends a built-in and needs serialise and deserialise`, stack, step);
  const keys = dataKeys(value, stack, step);
  return Object.fromEntries(keys.map((key) => [key, (value as Record<string, unknown>)[key]]));
}
