/**
 * The port of the shared tier (L2): what the engine asks of it, in the words of the coherence protocol
 * (docs/protocol.md), not in commands of Redis. test/conformance holds one suite that every adapter passes.
 *
 * Every method may reject with RemoteUnavailableError (no connection, timeout): the command may or may not
 * have been executed, now or later. Callers treat that as "unknown", never as "no".
 */
export interface RemoteTier {
  /** What it is, for health and logs: 'redis', 'in-process'. */
  readonly kind: string;
  readonly state: RemoteState;
  /** A BUMP and its record are one step, so that `noncesAt` can say what its answer has seen. False on a cluster. */
  readonly atomicLog: boolean;

  /** Connects in the background; never throws because the other side is away, and keeps trying. */
  start(listener: RemoteListener): void;
  /** Closes connections and stops retrying; idempotent. */
  stop(): Promise<void>;
  /** Connections and server figures for health and metrics; never secrets. */
  describe(): Promise<RemoteDescription>;

  get(key: EntryKey): Promise<Buffer | null>;
  /** Answers in the order asked. */
  getMany(keys: readonly EntryKey[]): Promise<(Buffer | null)[]>;
  /** As getMany, with the error in the place of one that got no answer. */
  getEach?(keys: readonly EntryKey[]): Promise<(Buffer | null | Error)[]>;

  /**
   * ACQUIRE. In this order: a live fence answers 'fenced'; a value that is not the rejected one answers
   * 'value'; a lease held by another token answers 'busy'; else the lease is set for `leaseMs` and the answer
   * is 'granted'. A rejected value is deleted unless `keep` (refresh of a value that may still be served).
   * Asked again with the token that holds the lease, it answers 'granted' and renews it.
   */
  acquire(request: AcquireRequest): Promise<Acquired>;
  /** Several at once, answers in order; one refusal does not fail the others. */
  acquireMany(requests: readonly AcquireRequest[]): Promise<Acquired[]>;
  /** As acquireMany, with the error in the place of one that got no answer. */
  acquireEach?(requests: readonly AcquireRequest[]): Promise<(Acquired | Error)[]>;
  /** Gives a lease back, only if `token` holds it. */
  release(key: EntryKey, token: string): Promise<void>;

  /** FILL: stores `value` and ends the lease iff the lease equals `token` and no fence stands. */
  fill(request: FillRequest): Promise<boolean>;
  fillMany(requests: readonly FillRequest[]): Promise<boolean[]>;
  /** As fillMany, with the error in the place of one that got no answer. */
  fillEach?(requests: readonly FillRequest[]): Promise<(boolean | Error)[]>;

  /**
   * Compare-and-set without a lease, for `touch` and `expire`: replaces the value whose fingerprint (its first
   * FINGERPRINT_BYTES bytes) is `expected`, sets the new remaining life, and appends a record naming the key to the log.
   * Resolves with its position, or null when another value is there or none.
   */
  replace(
    key: EntryKey,
    expected: Buffer,
    next: Buffer,
    ttlMs: number | null,
  ): Promise<readonly LogPosition[] | null>;

  /** NONCE: each tag's current nonce, created where absent (the winner's is answered), in order. */
  nonces(tags: readonly string[]): Promise<string[]>;
  /**
   * As `nonces`, with the end of the log in the same step: who has applied the log up to `at` knows of every BUMP that
   * came before these nonces. `at` is null where BUMP and record are two steps, and where there is no log yet.
   */
  noncesAt(tags: readonly string[]): Promise<NoncesAt>;

  /**
   * INVALIDATE and BUMP in one: deletes values and leases of `keys`, gives every tag a new nonce, and appends to the
   * log. Resolves with the positions of its records only when all of it was answered.
   */
  invalidate(change: Invalidation): Promise<readonly LogPosition[]>;

  /**
   * FENCE: nobody fills `keys` until `unfence`, an invalidation with the same id, or `ms` have passed; deletes values
   * and leases, and appends to the log, so that L1s let go of the keys even if the writer dies right after its COMMIT.
   * Resolves with the positions of its records.
   */
  fence(keys: readonly EntryKey[], fenceId: string, ms: number): Promise<readonly LogPosition[]>;
  unfence(keys: readonly EntryKey[], fenceId: string): Promise<void>;

  /**
   * One atomic look at the log from my cursor on (inclusive), and at the data sets behind it. `from` null opens the log:
   * a genesis record is made where there is none, and `cursor` is at the newest record. Otherwise `records` are those
   * after `from`. `lost` is true when `from` is not in the log any more or a record's `prev` does not match: everything
   * known locally is then worthless. `tags`: namespaces to be looked up among the marks (see `vouch`).
   */
  poll(from: LogCursor | null, tags: readonly string[]): Promise<LogPage>;
  /** Has who stands at `cursor` seen the record at `position`, or where another cursor stands? */
  reached(cursor: LogCursor, position: LogPosition): boolean;
  /**
   * Makes namespaces trustworthy on a data set that nobody has vouched for, since it may be older than what it replaced
   * (failover, restart from disk): gives each tag not marked yet a new nonce, appends a record that names them, and
   * marks them with `epoch`. False when another epoch stands behind the connection by now.
   */
  vouch(epoch: string, tags: readonly string[]): Promise<boolean>;

  /** Entry keys (values or leases) that begin with `prefix`, in batches, never twice in one batch. */
  scan(prefix: string, batch?: number): AsyncIterable<EntryKey[]>;
}

/** First bytes of a stored value that identify it: header version, random id, times, checksum. */
export const FINGERPRINT_BYTES = 32;

/** `namespace:id`, already escaped; the adapter adds the prefix, hash tag and suffixes. */
export type EntryKey = string;
/** Where one record stands (a cursor is one, too, for `reached`): opaque, without ',' or '@'; compared only by `reached`. */
export type LogPosition = string;
/** How far somebody has read: opaque. */
export type LogCursor = string;

export type RemoteState = 'idle' | 'connecting' | 'ready' | 'down' | 'stopped';

export interface RemoteListener {
  /** Something was appended: poll soon. May come too often, may not come at all. */
  wake(): void;
  stateChanged(state: RemoteState, reason?: string): void;
}

export interface RemoteDescription {
  kind: string;
  state: RemoteState;
  /** host:port, without user and password. */
  endpoint?: string;
  connections: { name: string; state: string }[];
  /** Figures of INFO, in its own names where it has them. */
  server?: Record<string, string | number>;
}

export interface NoncesAt {
  nonces: string[];
  at: LogCursor | null;
}

export interface AcquireRequest {
  key: EntryKey;
  token: string;
  leaseMs: number;
  /** Fingerprint of the value the caller saw and rejects. */
  rejected?: Buffer;
  /** Do not delete the rejected value when granting. */
  keep?: boolean;
}

export type Acquired =
  | { outcome: 'granted' }
  | { outcome: 'busy' }
  | { outcome: 'fenced' }
  | { outcome: 'value'; value: Buffer }
  /** Only from acquireMany: this one got no answer. */
  | { outcome: 'unknown' };

export interface FillRequest {
  key: EntryKey;
  token: string;
  value: Buffer;
  /** Remaining life in milliseconds; null lives for ever. */
  ttlMs: number | null;
}

export interface Invalidation {
  keys: readonly EntryKey[];
  tags: readonly string[];
  /** A glob over entry keys (`*`, `?`), carried in the record for the other nodes' L1; the adapter deletes nothing by it. */
  pattern?: string;
  /** Removed from the keys: the fence that this writer set on them. */
  fenceId?: string;
  /**
   * Leaves leases behind, in the same step: one token per key, in order ('' none), unless another writer's fence stands
   * on the key. Their holder fills what it wrote, unless anything invalidates the key after this.
   */
  hold?: { tokens: readonly string[]; leaseMs: number };
}

export interface LogRecord {
  position: LogPosition;
  keys: readonly EntryKey[];
  tags: readonly string[];
  pattern?: string;
}

export interface LogPage {
  /** Identity of the data sets behind the connection (Redis: master_replid); another one means failover or restart. */
  epoch: string;
  /** Those of the tags asked for that nobody has vouched for on this epoch. */
  unvouched: readonly string[];
  records: readonly LogRecord[];
  cursor: LogCursor;
  /** False when there is more to read: poll again before trusting the clock. */
  complete: boolean;
  lost: boolean;
}
