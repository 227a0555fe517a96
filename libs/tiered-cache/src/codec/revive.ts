import { CorruptEntryError } from '../errors.js';
import { ERROR_NAMES } from './types.js';

/** Defines rather than assigns: no setter of the class runs, and read-only accessors of its prototype do not throw. */
export function fillInstance(instance: object, data: object): void {
  for (const [key, value] of Object.entries(data)) {
    Object.defineProperty(instance, key, { value, writable: true, enumerable: true, configurable: true });
  }
}

const ERROR_TYPES = new Map(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((type) => [
    type.name,
    type,
  ]),
);

/** @throws CorruptEntryError when it is none of the language. */
export function errorFrom(data: unknown): Error {
  const { type, message, stack } = (data ?? {}) as Record<string, unknown>;
  const Type = typeof type === 'string' && ERROR_NAMES.includes(type) ? ERROR_TYPES.get(type) : undefined;
  if (!Type || typeof message !== 'string' || typeof stack !== 'string')
    throw new CorruptEntryError('payload');
  const error = new Type(message);
  Object.defineProperty(error, 'stack', { value: stack, writable: true, configurable: true });
  return error;
}
