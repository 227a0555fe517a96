import type { EntryKey } from '../remote/remote-tier.js';
import { entryKey, validateId } from './entry-key.js';

const REMEMBERED = 10_000;
/** Longer ids are not held on to. */
const LONGEST = 256;

/**
 * Ids as they are given to ids as the namespace knows them, and to entry keys. What a user's function makes of an id is
 * remembered; so are the keys of a namespace in the shared tier (`remembersKeys`), where one id is asked for again and
 * again without being in L1: escaping and joining cost more than a look-up, and a remembered string has its hash computed
 * already. Cleared when full.
 */
export class KeyMemo {
  private readonly keys = new Map<string, EntryKey>();
  private readonly normalised = new Map<string, string>();

  constructor(
    private readonly namespace: string,
    private readonly normalizeId: ((id: string) => string) | null,
    private readonly remembersKeys: boolean,
  ) {}

  /** The same, as far as it is remembered. */
  known(id: string): string | undefined {
    return this.normalised.get(id);
  }

  /** The id that this one is a spelling of. @throws InvalidKeyError */
  canonical(id: string): string {
    if (this.normalizeId === null) return id;
    const known = this.normalised.get(id);
    if (known !== undefined) return known;
    validateId(id);
    const canonical = this.normalizeId(id);
    validateId(canonical);
    if (id.length <= LONGEST) remember(this.normalised, id, canonical);
    return canonical;
  }

  /** @throws InvalidKeyError */
  key(id: string): EntryKey {
    if (!this.remembersKeys) return entryKey(this.namespace, this.canonical(id));
    return this.keys.get(id) ?? this.make(id);
  }

  private make(id: string): EntryKey {
    const key = entryKey(this.namespace, this.canonical(id));
    if (id.length <= LONGEST) remember(this.keys, id, key);
    return key;
  }
}

function remember<V>(map: Map<string, V>, id: string, value: V): void {
  if (map.size >= REMEMBERED) map.clear();
  map.set(id, value);
}
