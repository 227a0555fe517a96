import { escapeTag } from '../../keys/entry-key.js';
import { keyOfTag } from '../../keys/key-tag.js';
import type { EntryKey } from '../remote-tier.js';

/** Values `:v`, leases `:l`, fences `:f` (docs/protocol.md); tag nonces `:n`. */
export type EntrySuffix = 'v' | 'l' | 'f';

/**
 * Where things stand in Redis. The braces are Redis Cluster's hash tag: the three keys of an entry share a slot, so
 * one script may touch them all. Namespace names begin with a letter, so `#tag`, `#log` and `#ok` meet no entry.
 */
export class RedisKeys {
  private readonly head: string;

  /** `prefix`: letters, digits, `_`, `.`, `-`, `:`. Its colons become slashes: `a:b` + `c` must not be `a` + `b:c`. */
  constructor(prefix: string) {
    this.head = `{${prefix.replaceAll(':', '/')}:`;
  }

  entry(key: EntryKey, suffix: EntrySuffix): string {
    return `${this.head}${key}}:${suffix}`;
  }

  /** Value, lease, fences. */
  entryKeys(key: EntryKey): string[] {
    return [this.entry(key, 'v'), this.entry(key, 'l'), this.entry(key, 'f')];
  }

  /** That of an entry's own tag stands beside the entry, so that one script can end both. */
  nonce(tag: string): string {
    const key = keyOfTag(tag);
    if (key !== null) return this.nonceOfEntry(key);
    return `${this.head}#tag:${escapeTag(tag)}}:n`;
  }

  nonceOfEntry(key: EntryKey): string {
    return `${this.head}${key}}:n`;
  }

  /** Channel that says that something was appended; used on a cluster. */
  wakes(): string {
    return `${this.head}#wake}`;
  }

  /** The invalidation log of one shard; a standalone server has one. */
  log(shard = 0): string {
    return `${this.head}#log:${shard}}`;
  }

  /** By namespace tag: the data set that was vouched for. */
  marks(): string {
    return `${this.head}#ok}`;
  }

  /** Glob for SCAN over values and leases of entry keys that begin with `prefix`. */
  scanPattern(prefix: string): string {
    return `${escapeGlob(this.head + prefix)}*}:[vl]`;
  }

  /** The entry key of a `:v` or `:l` key, null for any other. */
  entryOf(key: string): EntryKey | null {
    if (!key.startsWith(this.head) || !/\}:[vl]$/.test(key)) return null;
    return key.slice(this.head.length, -3);
  }
}

function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\]/g, '\\$&');
}
