import type { CacheableDefaults, CacheableOptions, CachedMethodDecorator } from './decorator-types.js';
import { installMethod } from './install.js';
import type { MethodOptions } from './method-definition.js';

/** A `@Cacheable` with other defaults, as made by `createCacheable`. */
export type CacheableFactory = <S extends object, A extends readonly unknown[], R>(
  options?: CacheableOptions<S, A, R>,
) => CachedMethodDecorator<S, A, R>;

/**
 * Makes a caching decorator with defaults of its own:
 * `const CacheReport = createCacheable({ namespace: 'reports', ttl: '6h', grace: '1d' })`.
 */
export function createCacheable(defaults: CacheableDefaults): CacheableFactory {
  return <S extends object, A extends readonly unknown[], R>(options: CacheableOptions<S, A, R> = {}) =>
    ((target, method, descriptor) =>
      installMethod(
        'Cacheable',
        { ...defaults, ...options } as MethodOptions, // From here on nobody knows the method's types.
        target,
        method,
        descriptor,
      )) as CachedMethodDecorator<S, A, R>;
}

/**
 * Answers from the cache; on a miss calls the method (once for all who wait) and stores what it answers.
 *
 * @throws DecoratorUsageError when the class is defined: a static method, one that does not return a promise, or
 * wrong options; when the application boots: an unknown namespace or cache, no TTL.
 * Calls reject with the method's own errors, unchanged; with InvalidKeyError for arguments that make no key; with
 * ReentrantLoadError when the method waits for its own result; never for a fault of the cache.
 */
export const Cacheable: CacheableFactory = createCacheable({});

/** Users: 30 minutes. */
export const CacheUser: CacheableFactory = createCacheable({ ttl: '30m' });
/** Results of queries: 10 minutes. */
export const CacheQuery: CacheableFactory = createCacheable({ ttl: '10m' });
/** Answers of other services: 60 seconds. */
export const CacheApi: CacheableFactory = createCacheable({ ttl: '60s' });
/** Market data: 60 seconds. */
export const CacheMarket: CacheableFactory = createCacheable({ ttl: '60s' });
