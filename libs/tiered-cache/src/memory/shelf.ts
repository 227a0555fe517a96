import type { TagState } from '../coherence/tag-table.js';
import { escapeText, unescapeText } from '../keys/escape.js';
import type { EntryKey } from '../remote/remote-tier.js';

const TILDE = 0x7e;

/**
 * The entries of one namespace: the only index there is, from the id itself to the slot, so that a hit neither makes nor
 * hashes a key. Ids too long for a key, which go by their hash, stand on a shelf of their own: no id can be mistaken for
 * such a hash.
 */
export class Shelf {
  readonly index = new Map<string, number>();
  /** The namespace's own tag; what carries only that has no vector of its own. */
  own: TagState | null = null;

  constructor(
    readonly namespace: string,
    readonly number: number,
    /** Of the policy's hashes, so that one id in two namespaces is two keys. */
    readonly seed: number,
    private readonly isHashed: boolean,
  ) {}

  keyOf(id: string): EntryKey {
    return `${this.namespace}:${this.isHashed ? id : escapeText(id)}`;
  }
}

/** Does this key end in the hash of an id? */
export function goesByHash(key: EntryKey, namespace: string): boolean {
  // An escaped id never begins with it.
  return key.charCodeAt(namespace.length + 1) === TILDE;
}

/** The id in a key of `namespace`, or its hash. Null for what is no key of an entry. */
export function idIn(key: EntryKey, namespace: string): string | null {
  const text = key.slice(namespace.length + 1);
  return text.includes('%') ? unescapeText(text) : text;
}

const scratch = Buffer.alloc(1_024);

/**
 * The same text in memory of its own: a slice of a longer one (as are ids cut out of keys, headers and bodies) would keep
 * that alive, and joined text its parts.
 */
export function ownText(id: string): string {
  // Up to there V8 makes no slices.
  if (id.length < 13) return id;
  const length = id.length > scratch.length ? 0 : scratch.write(id, 0, 'latin1');
  const copy = scratch.toString('latin1', 0, length);
  return copy === id ? copy : id;
}
