import type { Clock } from './clock.js';
import type { RegisteredClass } from './codec/codec.js';
import type { CodecName } from './codec/codecs.js';
import type { CompressionAlgorithm } from './codec/compression.js';
import type { Duration, Ttl } from './duration.js';
import type { RemoteTier } from './remote/remote-tier.js';

/** Options of one cache. Defaults: `DEFAULTS` in resolve-options.ts. */
export interface TieredCacheOptions {
  /** Name in logs and metrics. Default 'default'. */
  name?: string;
  /** The first part of every key in the shared tier. Default 'strata'. */
  prefix?: string;
  /** Budget of the in-process tier; both limits hold. */
  l1?: {
    /** Default 10,000. */
    maxEntries?: number;
    /** Default 104,857,600 (100 MiB). */
    maxBytes?: number;
  };
  /** The shared tier; absent or null: embedded mode, everything else works. */
  remote?: RemoteTier | null;
  /** B: how long an L1 may serve without having heard from the log. Default 500 ms; 50 ms to 60 s. */
  stalenessBound?: Duration;
  /** The namespaces, by name (`[A-Za-z][A-Za-z0-9_-]*`). */
  namespaces?: Record<string, NamespaceOptions>;
  /** Applied under every namespace's own options. */
  defaults?: Partial<NamespaceOptions>;
  /** Classes whose instances keep their type. */
  classes?: readonly RegisteredClass[];
  clock?: Clock;
  /** 0 <= x < 1; for jitter and XFetch. Default Math.random. */
  random?: () => number;
}

export type TierName = 'l1' | 'l2';
export type Consistency = 'bounded' | 'strict' | 'local';
/**
 * What a reader is handed. 'frozen': one deeply frozen copy for all (values that cannot be frozen are cloned);
 * 'cloned': a fresh copy each time; 'shared': the loader's own object, by reference.
 */
export type ValueSafety = 'frozen' | 'cloned' | 'shared';

export interface NamespaceOptions {
  /** Life of an entry. Required, here or in `defaults`. */
  ttl?: Ttl;
  /** Default ['l1', 'l2']. */
  tiers?: readonly TierName[];
  /**
   * 'bounded' (default): stale at most the bound, on every node. 'strict': L1 holds no values, a read begun after
   * an acknowledged write never sees the older value. 'local': L1 only.
   */
  consistency?: Consistency;
  /** Default 'frozen'. */
  values?: ValueSafety;
  /** Reads renew the life: `ttl` is idle time. Default false. */
  sliding?: boolean;
  /** Fraction of the TTL, 0 to 0.5, taken off at random so that entries do not expire together. Default 0. */
  jitter?: number;
  /**
   * Life of `null` and `undefined`; false: not cached. Default: the TTL, at most 60 s. A per-call `ttl` shortens it, a `ttl`
   * function decides.
   */
  negativeTtl?: Duration | false;
  /** How long after expiry a value may be served when the loader fails. Default 0. */
  grace?: Duration;
  /** How long after expiry a value is served at once while one background load renews it. Default 0. */
  staleWhileRevalidate?: Duration;
  /** With a stale value in hand: longest wait for the loader before serving it. Default: none. */
  softTimeout?: Duration;
  /** Longest wait for the loader: then the stale value, or LoaderTimeoutError. Default: none. */
  hardTimeout?: Duration;
  /** Refresh in the background before expiry: a fraction of the TTL (0.8 = after 80 % of it), or 'xfetch' (Vattani et al., VLDB 2015). */
  refreshAhead?: number | 'xfetch';
  /** Cache the loader's errors (this process only) for so long. Default: never. */
  errorTtl?: Duration;
  /**
   * When the shared tier is away. 'load' (default): go to the source. 'serve-local': L1 serves up to its TTL, also what others
   * have changed. 'second-bus': L1 goes on within the staleness bound by the outbox of the database (`followSecondBus`); without
   * one as 'load'. Then every invalidation by the application is written there, too: one INSERT each.
   */
  onRemoteLoss?: 'load' | 'serve-local' | 'second-bus';
  /**
   * When a load is answered. 'before' (default): once the shared tier has the value. 'behind': at once, while it is stored;
   * this process is not asked to load again meanwhile, others may find the lease and wait for a moment.
   */
  fill?: 'before' | 'behind';
  /** Life of a fill lease: how long others wait for a dead loader. Default: hardTimeout and a second, or 10 s. */
  lease?: Duration;
  /** Largest encoded entry, before compression. Default 1 MiB. */
  maxEntryBytes?: number;
  /**
   * How values are written, where that gives them back exactly (docs/codecs.md): 'json' (default), or 'msgpack', which is
   * shorter and decoded faster, and needs the package msgpackr. Entries of either are read.
   */
  codec?: CodecName;
  /**
   * Compression in the shared tier: an algorithm, or one with the least bytes that are worth it (default 4,096). Default: false.
   * 'zstd' where the running Node has it.
   */
  compression?: CompressionAlgorithm | CompressionOptions | false;
  /** Makes equal what means the same: `(id) => id.toUpperCase()` makes btc, Btc and BTC one entry. */
  normalizeId?: (id: string) => string;
  /** Change it when the shape of the values changes: entries of another schema are misses. Default ''. */
  schema?: string;
}

export interface CompressionOptions {
  algorithm: CompressionAlgorithm;
  /** Encoded values of fewer bytes are stored as they are. Default 4,096. */
  threshold?: number;
}

/** What the loader is handed. */
export interface LoadContext<T> {
  readonly namespace: string;
  readonly id: string;
  /** Aborted at `hardTimeout` and when the cache closes. */
  readonly signal: AbortSignal;
  /** The expired value, when there is one. */
  readonly stale: T | undefined;
}

export type Loader<T> = (context: LoadContext<T>) => Promise<T> | T;
export type ManyLoader<T> = (ids: string[]) => Promise<ReadonlyMap<string, T>> | ReadonlyMap<string, T>;

/** Options of `set` and `setMany`. */
export interface SetOptions<T = unknown> {
  /** Life of this entry; a function decides from the value. Default: the namespace's. */
  ttl?: Ttl | ((value: T) => Ttl);
  /** Absolute end of life (Date, or ms since the epoch); wins over `ttl`. */
  expiresAt?: Date | number;
  /** Known before the load: invalidating one ends this entry. */
  tags?: readonly string[];
}

/** Options of `getOrSet` and `getOrSetMany`. */
export interface GetOrSetOptions<T = unknown> extends SetOptions<T> {
  /**
   * More tags, read off the loaded value. A tag that this process has not met before cannot be proved unchanged
   * since before the load: that first load is returned but not stored. Prefer `tags`.
   */
  tagsOf?: (value: T) => readonly string[];
  /**
   * The entities that TypeORM loads while the loader runs, and the tables that it searches, tag the entry (docs/tracking.md;
   * needs CacheTypeOrmModule). What cannot be tracked is returned, not stored, and counted in `notStored`.
   */
  track?: boolean;
  /** Decides on the loaded value; false: returned, not stored. */
  storeIf?: (value: T) => boolean;
  /** Ignore what is stored, load and store anew. */
  fresh?: boolean;
  /**
   * Read-your-writes on another node: the `position` that a write answered. If it has not been applied here yet, this
   * read is as strict as in a strict namespace.
   */
  minPosition?: string;
  grace?: Duration;
  staleWhileRevalidate?: Duration;
  softTimeout?: Duration;
  hardTimeout?: Duration;
}

/** Options of `get` and `getMany`. */
export interface GetOptions {
  /** As in GetOrSetOptions. */
  minPosition?: string;
}

/** The answer to a delete, set or invalidation. Never an error: the business operation goes on. */
export interface InvalidationResult {
  /** True when the shared tier answered (always true without one). False: kept, bypassed here, and sent again until answered. */
  acknowledged: boolean;
  /**
   * Where in the invalidation log it stands, for `minPosition`; null when not acknowledged or without a shared tier.
   * Opaque; a few dozen characters.
   */
  position: string | null;
}

/** Options of `invalidate`. */
export interface InvalidateOptions {
  /**
   * The second bus has it already, from whoever made the change (the outbox, by its triggers). It is then not written there
   * again, and an answer that stays out need not be remembered.
   */
  recorded?: boolean;
  /**
   * How long the writer waits for the answer, milliseconds, 0 to 50: unanswered until then, the entries are bypassed on this
   * node, so that he does not read from here what he has just replaced. Default 50.
   */
  patience?: number;
}

/** What to invalidate; the parts add up. */
export interface InvalidationSelector {
  /** Entries, as `{ namespace, id }`. */
  keys?: readonly { namespace: string; id: string }[];
  tags?: readonly string[];
  namespaces?: readonly string[];
  /** Globs over `namespace:id` (`*` and `?`), e.g. 'prices:BTC*'. Walks the key space: for people, not for hot paths. */
  patterns?: readonly string[];
  /** The tag `user:<id>`. */
  user?: string;
  /** The tag `symbol:<SYMBOL>`. */
  symbol?: string;
  /** Every namespace of this cache; never another prefix. */
  all?: boolean;
}

export interface InvalidationReport extends InvalidationResult {
  dryRun: boolean;
  /** Entries that go (or would), per namespace; counted by walking the keys. */
  counts: Record<string, number>;
  total: number;
  /** True when the walk stopped at its limit (100,000 keys): the counts are then a lower bound. */
  truncated: boolean;
}
