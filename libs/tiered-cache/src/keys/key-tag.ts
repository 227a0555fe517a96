import type { EntryKey } from '../remote/remote-tier.js';

const KEY_TAG = '#key:';

/**
 * The tag of an entry by its key, for entries that were made of it. It has no record of its own: every invalidation of
 * the key, which deletes value and lease, deletes its nonce as well, and a record that names the key touches the tag.
 */
export function keyTag(key: EntryKey): string {
  return KEY_TAG + key;
}

/** The key that the tag stands for, or null. */
export function keyOfTag(tag: string): EntryKey | null {
  return tag.startsWith(KEY_TAG) ? tag.slice(KEY_TAG.length) : null;
}

/** Goes with every pattern: entries that were made of others need not match it themselves. */
export const PATTERNS_TAG = '#patterns';
