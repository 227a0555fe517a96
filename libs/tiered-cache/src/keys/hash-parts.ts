import { createHash } from 'node:crypto';
import { InvalidKeyError, StrataError } from '../errors.js';
import { canonicalText, PLAIN_STRING } from './canonical.js';

/** Longer texts are replaced by their hash. */
const MAX_READABLE = 200;

/**
 * The identity of a list of arguments, as text: the same for arguments that mean the same, and never the same for
 * others. `['AAPL']` is `AAPL`, `['AAPL', 5]` is `AAPL,#5`, `['5']` is `5`; docs/keys.md has the grammar. Above 200
 * characters it is `$sha256:` and the hash of the text.
 *
 * Told apart: 1, '1' and 1n; ['a','b'], 'a,b' and [['a','b']]; null, undefined and absence; Buffer and Uint8Array.
 * Equal: 0 and -0 (as for a Map), objects with their properties in any order, Maps and Sets in any order. An instance
 * of a class counts by the class's name and its own enumerable properties, or without any by its `toJSON`.
 * @throws InvalidKeyError for what has no stable content: functions, symbols, promises, streams, weak collections,
 * iterators, cycles, instances without visible data, nesting above 100 levels, more than a million members.
 */
export function hashParts(parts: readonly unknown[]): string {
  if (parts.length === 1) {
    const only = parts[0];
    if (typeof only === 'string' && only.length <= MAX_READABLE && PLAIN_STRING.test(only)) return only;
    if (typeof only === 'number' && Number.isInteger(only)) return `#${only}`;
  }
  let text: string;
  try {
    text = canonicalText(parts);
  } catch (error) {
    if (error instanceof StrataError) throw error;
    throw new InvalidKeyError(parts, 'could not be read (a getter or toJSON threw)');
  }
  if (text.length <= MAX_READABLE) return text;
  // UTF-16, because UTF-8 would write every lone surrogate alike.
  return `$sha256:${createHash('sha256').update(text, 'utf16le').digest('base64url')}`;
}
