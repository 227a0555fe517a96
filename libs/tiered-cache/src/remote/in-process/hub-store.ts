import type { Clock } from '../../clock.js';
import { keyTag } from '../../keys/key-tag.js';
import type {
  Acquired,
  AcquireRequest,
  EntryKey,
  FillRequest,
  Invalidation,
  LogCursor,
  LogPage,
  LogPosition,
  LogRecord,
} from '../remote-tier.js';
import { FINGERPRINT_BYTES } from '../remote-tier.js';

interface Expiring<T> {
  held: T;
  /** Monotonic ms; Infinity lives for ever. */
  until: number;
}

interface StoredRecord extends LogRecord {
  prev: LogPosition | null;
}

/** All that one data set holds. */
export interface HubContent {
  values: Map<EntryKey, Expiring<Buffer>>;
  leases: Map<EntryKey, Expiring<string>>;
  fences: Map<EntryKey, Map<string, number>>;
  nonceOf: Map<string, string>;
  marks: Map<string, string>;
  log: StoredRecord[];
}

/** Writes between two walks that throw out what has expired. */
const SWEEP_EVERY = 2_000;

/**
 * What the scripts of the Redis adapter do, as plain synchronous methods over Maps: one data set, one prefix.
 * Everything handed in or out is copied, as a server would.
 */
export class HubStore {
  private values = new Map<EntryKey, Expiring<Buffer>>();
  private leases = new Map<EntryKey, Expiring<string>>();
  private fences = new Map<EntryKey, Map<string, number>>();
  private nonceOf = new Map<string, string>();
  /** By namespace tag: the epoch that was vouched for. */
  private marks = new Map<string, string>();
  private log: StoredRecord[] = [];
  private writes = 0;

  constructor(
    private readonly clock: Clock,
    private readonly logMaxLength: number,
    private readonly pageSize: number,
    /** Never gives the same twice, not even after `flush`: nonces and positions must not come back. */
    private readonly unique: () => string,
    private readonly appended: () => void,
  ) {}

  get(key: EntryKey): Buffer | null {
    const value = live(this.values, key, this.clock.monotonic());
    return value ? Buffer.from(value) : null;
  }

  acquire({ key, token, leaseMs, rejected, keep }: AcquireRequest): Acquired {
    const now = this.clock.monotonic();
    if (this.fenced(key, now)) return { outcome: 'fenced' };
    const value = live(this.values, key, now);
    if (value) {
      if (!rejected || !sameFingerprint(value, rejected))
        return { outcome: 'value', value: Buffer.from(value) };
      if (!keep) this.values.delete(key);
    }
    const holder = live(this.leases, key, now);
    if (holder !== undefined && holder !== token) return { outcome: 'busy' };
    this.leases.set(key, { held: token, until: now + leaseMs });
    this.wrote(now);
    return { outcome: 'granted' };
  }

  release(key: EntryKey, token: string): void {
    if (live(this.leases, key, this.clock.monotonic()) === token) this.leases.delete(key);
  }

  fill({ key, token, value, ttlMs }: FillRequest): boolean {
    const now = this.clock.monotonic();
    if (live(this.leases, key, now) !== token || this.fenced(key, now)) return false;
    this.values.set(key, { held: Buffer.from(value), until: now + (ttlMs ?? Infinity) });
    this.leases.delete(key);
    this.wrote(now);
    return true;
  }

  replace(key: EntryKey, expected: Buffer, next: Buffer, ttlMs: number | null): LogPosition | null {
    const now = this.clock.monotonic();
    const value = live(this.values, key, now);
    if (!value || !sameFingerprint(value, expected)) return null;
    this.values.set(key, { held: Buffer.from(next), until: now + (ttlMs ?? Infinity) });
    return this.append({ keys: [key], tags: [] });
  }

  /** Where the newest record stands. */
  get end(): LogPosition | null {
    return this.log.at(-1)?.position ?? null;
  }

  nonces(tags: readonly string[]): string[] {
    return tags.map((tag) => {
      let nonce = this.nonceOf.get(tag);
      if (nonce === undefined) this.nonceOf.set(tag, (nonce = this.unique()));
      return nonce;
    });
  }

  invalidate({ keys, tags, pattern, fenceId, hold }: Invalidation): LogPosition {
    for (const [i, key] of keys.entries()) {
      this.values.delete(key);
      this.leases.delete(key);
      this.nonceOf.delete(keyTag(key));
      if (fenceId !== undefined) this.unfence(key, fenceId);
      const token = hold?.tokens[i];
      const now = this.clock.monotonic();
      if (hold !== undefined && token && !this.fenced(key, now))
        this.leases.set(key, { held: token, until: now + hold.leaseMs });
    }
    for (const tag of tags) this.nonceOf.delete(tag);
    return this.append({ keys: [...new Set(keys)], tags: [...new Set(tags)], pattern });
  }

  fence(keys: readonly EntryKey[], fenceId: string, ms: number): LogPosition {
    for (const key of keys) {
      this.values.delete(key);
      this.leases.delete(key);
      const fences = this.fences.get(key) ?? new Map<string, number>();
      this.fences.set(key, fences.set(fenceId, this.clock.monotonic() + ms));
    }
    return this.append({ keys: [...new Set(keys)], tags: [] });
  }

  unfence(key: EntryKey, fenceId: string): void {
    const fences = this.fences.get(key);
    fences?.delete(fenceId);
    if (fences?.size === 0) this.fences.delete(key);
  }

  poll(from: LogCursor | null, epoch: string, tags: readonly string[]): LogPage {
    const at = from === null ? -1 : this.log.findIndex((record) => record.position === from);
    const unvouched = tags.filter((tag) => this.marks.get(tag) !== epoch);
    if (at < 0) {
      // Opening, or lost: either way the reader starts afresh at the newest record.
      const newest = this.log.at(-1)?.position ?? this.append({ keys: [], tags: [] });
      return { epoch, unvouched, records: [], cursor: newest, complete: true, lost: from !== null };
    }
    const page = this.log.slice(at + 1, at + 1 + this.pageSize);
    let prev = from;
    for (const record of page) {
      if (record.prev !== prev) return { ...this.poll(null, epoch, tags), lost: true };
      prev = record.position;
    }
    return {
      epoch,
      unvouched,
      records: page.map(({ position, keys, tags, pattern }) => ({ position, keys, tags, pattern })),
      cursor: prev ?? this.log[at]!.position,
      complete: at + 1 + page.length === this.log.length,
      lost: false,
    };
  }

  vouch(epoch: string, tags: readonly string[]): true {
    const bumped = tags.filter((tag) => this.marks.get(tag) !== epoch);
    if (bumped.length > 0) this.invalidate({ keys: [], tags: bumped });
    for (const tag of bumped) this.marks.set(tag, epoch);
    return true;
  }

  /** Keys of live values and leases, each once. */
  keys(prefix: string): EntryKey[] {
    const now = this.clock.monotonic();
    this.sweep(now);
    return [...new Set([...this.values.keys(), ...this.leases.keys()])].filter((key) =>
      key.startsWith(prefix),
    );
  }

  /** Loses everything, as FLUSHALL does. */
  flush(): void {
    this.values.clear();
    this.leases.clear();
    this.fences.clear();
    this.nonceOf.clear();
    this.marks.clear();
    this.log = [];
  }

  /** What a replica has. */
  copy(): HubContent {
    const { values, leases, nonceOf, marks, log } = this;
    const fences = [...this.fences].map(([key, ids]) => [key, new Map(ids)] as const);
    return {
      values: new Map(values),
      leases: new Map(leases),
      fences: new Map(fences),
      nonceOf: new Map(nonceOf),
      marks: new Map(marks),
      log: [...log],
    };
  }

  /** Goes on with what a replica had; undefined: with nothing. */
  restore(content: HubContent | undefined): void {
    this.flush();
    if (content !== undefined) Object.assign(this, content);
  }

  /** Keeps the newest `keep` records. */
  trimLog(keep: number): void {
    this.log = keep > 0 ? this.log.slice(-keep) : [];
  }

  /** Loses the newest record but `back`. */
  punchLog(back: number): void {
    this.log.splice(-1 - back, 1);
  }

  get logLength(): number {
    return this.log.length;
  }

  private append(record: Omit<LogRecord, 'position'>): LogPosition {
    const position = this.unique();
    this.log.push({ ...record, position, prev: this.log.at(-1)?.position ?? null });
    // Let it grow by half before cutting, so that an append costs O(1) on average.
    if (this.log.length > this.logMaxLength * 1.5) this.trimLog(this.logMaxLength);
    this.wrote(this.clock.monotonic());
    this.appended();
    return position;
  }

  private fenced(key: EntryKey, now: number): boolean {
    const fences = this.fences.get(key);
    if (!fences) return false;
    for (const [id, until] of fences) if (until <= now) fences.delete(id);
    if (fences.size === 0) this.fences.delete(key);
    return fences.size > 0;
  }

  private wrote(now: number): void {
    if (++this.writes % SWEEP_EVERY === 0) this.sweep(now);
  }

  private sweep(now: number): void {
    for (const key of this.values.keys()) live(this.values, key, now);
    for (const key of this.leases.keys()) live(this.leases, key, now);
    for (const key of this.fences.keys()) this.fenced(key, now);
  }
}

function live<T>(map: Map<string, Expiring<T>>, key: string, now: number): T | undefined {
  const found = map.get(key);
  if (!found) return undefined;
  if (found.until > now) return found.held;
  map.delete(key);
  return undefined;
}

function sameFingerprint(value: Buffer, fingerprint: Buffer): boolean {
  return value.subarray(0, FINGERPRINT_BYTES).equals(fingerprint.subarray(0, FINGERPRINT_BYTES));
}
