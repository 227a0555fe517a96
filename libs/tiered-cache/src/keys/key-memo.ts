import type { EntryKey } from '../remote/remote-tier.js';
import { entryKey } from './entry-key.js';

const REMEMBERED = 10_000;

/**
 * Raw id to entry key, remembered: normalising, escaping and joining cost several times a Map look-up, and the
 * remembered string has its hash computed already. Cleared when full; ids above 256 characters are not kept.
 */
export class KeyMemo {
  private readonly known = new Map<string, EntryKey>();

  constructor(
    private readonly namespace: string,
    private readonly normalizeId: ((id: string) => string) | null,
  ) {}

  /** @throws InvalidKeyError */
  key(id: string): EntryKey {
    return this.known.get(id) ?? this.make(id);
  }

  private make(id: string): EntryKey {
    // entryKey checks that it is a string before and after the user's function.
    const key = entryKey(
      this.namespace,
      this.normalizeId === null || typeof id !== 'string' || id === '' ? id : this.normalizeId(id),
    );
    if (id.length <= 256) {
      if (this.known.size >= REMEMBERED) this.known.clear();
      this.known.set(id, key);
    }
    return key;
  }
}
