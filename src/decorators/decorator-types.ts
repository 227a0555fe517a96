import type { Duration, Ttl } from '#tiered-cache';

/**
 * A decorator for methods that return a promise. Written as `{ value?: (...args: A) => Promise<R> }`, because
 * TypedPropertyDescriptor is invariant and would stop TypeScript from inferring A and R out of the decorated method.
 * Others do not compile. (Inside `applyDecorators` nothing can be inferred: cast there.)
 */
export type CachedMethodDecorator<S, A extends readonly unknown[], R> = (
  target: S,
  method: string | symbol,
  descriptor: { value?: (...args: A) => Promise<R> },
) => void;

// The conditional makes TypeScript infer the tuple from the method instead of from the callback (NoInfer cannot
// do it for rest parameters), so that an unannotated `key: (symbol) => ...` gets the method's parameter types.
type OfArguments<A, Out> = [A] extends [infer B extends readonly unknown[]] ? (...args: B) => Out : never;
type OfResult<A, R, Out> = [A] extends [infer B extends readonly unknown[]]
  ? (result: R, ...args: B) => Out
  : never;
type OfInstance<S> = [S] extends [infer T] ? (self: T) => string : never;

/** What all caching decorators share. */
interface MethodOptions<S, A extends readonly unknown[]> {
  /** The cache, by name. Default: the class's (`@CacheDefaults`), else the default cache. */
  cache?: string;
  /** The namespace. Default: the class's, else the built-in `methods` (only for `@Cacheable`). */
  namespace?: string;
  /**
   * Entries of different scopes never meet: `(self) => self.tenant`. Asked at every call. Default: all instances
   * of a class share its entries.
   */
  scope?: OfInstance<S>;
  /** False: as if the decorator were not there, for this call. */
  condition?: OfArguments<A, boolean>;
}

/** What may be said of an entry that is stored. */
interface StoreOptions<A extends readonly unknown[], R> {
  /** Life of the entry; a function decides from the result. Default: the namespace's. */
  ttl?: Ttl | OfResult<A, R, Ttl>;
  /** True: the result is returned, not stored. */
  unless?: OfResult<A, R, boolean>;
  /** Invalidating one of them ends the entry. */
  tags?: readonly string[] | OfArguments<A, readonly string[]>;
  /**
   * More tags, read off the result. One that this process has not met before costs the first entry (it cannot be
   * proved unchanged since before the load); prefer `tags`.
   */
  tagsOf?: OfResult<A, R, readonly string[]>;
}

export interface CacheableOptions<S = object, A extends readonly unknown[] = readonly unknown[], R = unknown>
  extends MethodOptions<S, A>, StoreOptions<A, R> {
  /**
   * The id of the entry, from the arguments alone: its answer is remembered per argument. Together with a namespace
   * it is shared by every method that names the same two. Default: made of class, method and all arguments.
   */
  key?: OfArguments<A, string>;
  /**
   * The entities that TypeORM loads while the method runs, and the tables that it searches, tag the entry
   * (docs/tracking.md). Default false.
   */
  track?: boolean;
  /** Positions of arguments that do not belong to the default key (a logger, a request id); the first is 0. */
  ignore?: readonly number[];
  /**
   * Read-your-writes on another node: the `position` that a write answered, handed in as an argument
   * (`(symbol, position) => position`), or undefined. A write not applied here yet makes this call as strict as a strict
   * namespace's. With the default key, name that argument in `ignore`.
   */
  minPosition?: OfArguments<A, string | undefined>;
  /** How long after expiry a value may be served when the method fails. */
  grace?: Duration;
  /** How long after expiry a value is served at once while one background call renews it. */
  staleWhileRevalidate?: Duration;
  /** With a stale value in hand: longest wait for the method. */
  softTimeout?: Duration;
  /** Longest wait for the method: then the stale value, or LoaderTimeoutError. */
  hardTimeout?: Duration;
}

export interface CachePutOptions<S = object, A extends readonly unknown[] = readonly unknown[], R = unknown>
  extends MethodOptions<S, A>, StoreOptions<A, R> {
  /** The id under which the result is stored. */
  key: OfResult<A, R, string>;
}

export interface CacheEvictOptions<
  S = object,
  A extends readonly unknown[] = readonly unknown[],
  R = unknown,
> extends MethodOptions<S, A> {
  /** Id or ids to invalidate. */
  key?: OfArguments<A, string | readonly string[]>;
  /** More ids, read off the result (a renamed symbol); only with `when: 'after'`. */
  keyOf?: OfResult<A, R, string | readonly string[]>;
  tags?: readonly string[] | OfArguments<A, readonly string[]>;
  /** More tags, read off the result; only with `when: 'after'`. */
  tagsOf?: OfResult<A, R, readonly string[]>;
  /** Every entry of the namespace. Default false. */
  all?: boolean;
  /** 'after' (default): when the method has succeeded, and not when it failed. 'before': whatever it will do. */
  when?: 'after' | 'before';
}

/** Options that `createCacheable` fixes for the decorator it makes: those that need no method. */
export type CacheableDefaults = Pick<
  CacheableOptions,
  'cache' | 'namespace' | 'track' | 'grace' | 'staleWhileRevalidate' | 'softTimeout' | 'hardTimeout'
> & { ttl?: Ttl; tags?: readonly string[] };

/** Class-level defaults, for the decorated methods written in the class and in classes that extend it. */
export interface CacheDefaultsOptions {
  cache?: string;
  namespace?: string;
  /** For `@Cacheable` and `@CachePut` without their own. */
  ttl?: Ttl;
  /** Stands for the class's name in keys, where two classes have one name or a minifier changes it. Not inherited. */
  identity?: string;
}
