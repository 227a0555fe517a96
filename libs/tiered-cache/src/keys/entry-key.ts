import { InvalidKeyError, InvalidOptionsError, InvalidTagError } from '../errors.js';
import type { EntryKey } from '../remote/remote-tier.js';
import { escapeText, unescapeText } from './escape.js';

export const MAX_ID_BYTES = 65_536;
export const MAX_TAG_BYTES = 1_024;

const NAMESPACE = /^[A-Za-z][A-Za-z0-9_-]{0,127}$/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** The parts of an entry key; `id` is the hash marker (`~...`) when `hashed`. */
export interface ParsedEntryKey {
  namespace: string;
  id: string;
  hashed: boolean;
}

/**
 * `namespace:id`, escaped; ordinary ids (`AAPL:1h`, `user@example.com`) stay as they are. Distinct ids never share
 * a key: escaping is injective, and ids above 512 bytes go by their sha256 behind a marker no escaped id equals.
 * `namespace` must have passed validateNamespace: it holds no colon, so the first one ends it.
 * @throws InvalidKeyError for anything but a non-empty string of at most 64 KiB.
 */
export function entryKey(namespace: string, id: string): EntryKey {
  validateId(id);
  return `${namespace}:${escapeText(id)}`;
}

/** Takes an entry key apart. @throws InvalidKeyError when it is not the output of entryKey. */
export function parseEntryKey(key: EntryKey): ParsedEntryKey {
  const colon = key.indexOf(':');
  const namespace = key.slice(0, Math.max(colon, 0));
  const escaped = key.slice(colon + 1);
  if (colon < 1 || escaped === '' || !NAMESPACE.test(namespace)) {
    throw new InvalidKeyError(key, 'is not of the form namespace:id');
  }
  if (/^~[0-9a-f]{64}$/.test(escaped)) return { namespace, id: escaped, hashed: true };
  const id = unescapeText(escaped);
  if (id === null) throw new InvalidKeyError(key, 'is not an escaped entry key');
  return { namespace, id, hashed: false };
}

/** @throws InvalidKeyError for anything but a non-empty string of at most 64 KiB (UTF-8). */
export function validateId(id: unknown): asserts id is string {
  if (typeof id !== 'string') throw new InvalidKeyError(id, 'must be a string');
  if (id === '') throw new InvalidKeyError(id, 'must not be empty');
  if (longerThan(id, MAX_ID_BYTES)) throw new InvalidKeyError(id, `is longer than ${MAX_ID_BYTES} bytes`);
}

/**
 * Tags travel as UTF-8 in the invalidation log, where a lone surrogate would arrive as another tag: refused.
 * @throws InvalidTagError for anything but a non-empty, well-formed string of at most 1 KiB (UTF-8).
 */
export function validateTag(tag: unknown): asserts tag is string {
  if (typeof tag !== 'string') throw new InvalidTagError(tag, 'must be a string');
  if (tag === '') throw new InvalidTagError(tag, 'must not be empty');
  if (longerThan(tag, MAX_TAG_BYTES)) throw new InvalidTagError(tag, `is longer than ${MAX_TAG_BYTES} bytes`);
  if (LONE_SURROGATE.test(tag)) throw new InvalidTagError(tag, 'holds half a surrogate pair');
}

/** A tag as it may stand in a key of the shared tier; same rules as ids. */
export function escapeTag(tag: string): string {
  return escapeText(tag);
}

/** @throws InvalidOptionsError unless it is a letter and then letters, digits, `_` and `-`, at most 128. */
export function validateNamespace(name: unknown): asserts name is string {
  if (typeof name !== 'string' || !NAMESPACE.test(name)) {
    throw new InvalidOptionsError(
      'namespace',
      name,
      'a letter, then letters, digits, "_" and "-", at most 128',
    );
  }
}

function longerThan(text: string, bytes: number): boolean {
  // A UTF-16 unit is at most three bytes of UTF-8: short strings need no counting.
  return text.length > bytes || (text.length * 3 > bytes && Buffer.byteLength(text) > bytes);
}
