import { UnserialisableValueError } from '../errors.js';

/** A container on the way to what is refused: where it stands in the one around it. */
interface Place {
  readonly step: PropertyKey;
}

/** Names the place by keys only, never by values. @throws UnserialisableValueError */
export function refuse(what: string, stack: readonly Place[], step: PropertyKey): never {
  const path = [...stack.slice(1).map((frame) => frame.step), ...(stack.length > 0 ? [step] : [])];
  const shown = path.length > 12 ? [...path.slice(0, 6), '…', ...path.slice(-5)] : path;
  throw new UnserialisableValueError(`it holds ${what}${shown.length > 0 ? ` at ${shown.join('.')}` : ''}`);
}

/** What is kept of an error of the language. @throws UnserialisableValueError */
export function errorData(
  error: Error,
  stack: readonly Place[],
  step: PropertyKey,
): { type: string; message: string; stack: string } {
  const extra = Reflect.ownKeys(error).filter((key) => key !== 'message' && key !== 'stack');
  if (extra.length > 0)
    refuse(`an error with more than message and stack (${String(extra[0])})`, stack, step);
  return { type: error.constructor.name, message: String(error.message), stack: String(error.stack) };
}

export function nameOf(value: object): string {
  const name: unknown = value.constructor?.name;
  return typeof name === 'string' && name !== '' ? name : 'an unnamed class';
}
