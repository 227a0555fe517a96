import { types } from 'node:util';

/**
 * Questions about values that hold across realms (Jest, vm): no instanceof, which compares with this realm's
 * constructors only, but internal slots, tags and the shape of the prototype chain.
 */

/** Made by `{}` or its equal in another realm. An object without prototype is not. */
export function isPlainObject(value: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) return true;
  return (
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'constructor') &&
    prototype.constructor.name === 'Object'
  );
}

/** How many prototypes an object has: 2 for an instance of Map itself, 3 for one of a class that extends it. */
export function prototypeDepth(value: object): number {
  let depth = 0;
  for (let at: object | null = Object.getPrototypeOf(value); at !== null; at = Object.getPrototypeOf(at))
    depth++;
  return depth;
}

export type Builtin =
  | 'Array'
  | 'Map'
  | 'Set'
  | 'Date'
  | 'RegExp'
  | 'URL'
  | 'Buffer'
  | 'TypedArray'
  | 'DataView'
  | 'ArrayBuffer'
  | 'Error';

/** The built-in type an object is an instance of, itself and not through a subclass; null otherwise. */
export function builtinOf(value: object): Builtin | null {
  if (Array.isArray(value)) return prototypeDepth(value) === 2 ? 'Array' : null;
  if (types.isTypedArray(value)) {
    if (Buffer.isBuffer(value)) return prototypeDepth(value) === 4 ? 'Buffer' : null;
    return prototypeDepth(value) === 3 ? 'TypedArray' : null;
  }
  if (types.isNativeError(value)) return isBuiltinError(value) ? 'Error' : null;
  const kind = kindOf(value);
  return kind !== null && prototypeDepth(value) === 2 ? kind : null;
}

function kindOf(value: object): Builtin | null {
  if (types.isMap(value)) return 'Map';
  if (types.isSet(value)) return 'Set';
  if (types.isDate(value)) return 'Date';
  if (types.isRegExp(value)) return 'RegExp';
  if (types.isDataView(value)) return 'DataView';
  // A SharedArrayBuffer is shared with other threads: a copy would be something else.
  if (types.isAnyArrayBuffer(value)) return types.isSharedArrayBuffer(value) ? null : 'ArrayBuffer';
  // URL has no test in util.types.
  return Object.prototype.toString.call(value) === '[object URL]' && value.constructor?.name === 'URL'
    ? 'URL'
    : null;
}

/** Errors of the language, not classes derived from them. */
export const ERROR_NAMES = [
  'Error',
  'EvalError',
  'RangeError',
  'ReferenceError',
  'SyntaxError',
  'TypeError',
  'URIError',
];

function isBuiltinError(value: Error): boolean {
  const name = value.constructor?.name;
  return ERROR_NAMES.includes(name) && prototypeDepth(value) === (name === 'Error' ? 2 : 3);
}

/** Whether an object holds something that copying its properties loses, whatever its prototype says. */
export function hasInternalState(value: object): boolean {
  return (
    Array.isArray(value) ||
    kindOf(value) !== null ||
    types.isArrayBufferView(value) ||
    types.isSharedArrayBuffer(value) ||
    types.isNativeError(value) ||
    types.isPromise(value) ||
    types.isBoxedPrimitive(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value)
  );
}

/**
 * Whether an array has all its elements and no other enumerable member, as nearly all do: then a loop over the
 * indices sees everything, at a tenth of the cost of looking at every property by name.
 */
export function isDense(array: readonly unknown[]): boolean {
  // First the keys: of a sparse array there may be few where its length is in the billions.
  if (Object.keys(array).length !== array.length || Object.getOwnPropertySymbols(array).length > 0)
    return false;
  for (let i = 0; i < array.length; i++) if (!(i in array)) return false;
  return true;
}
