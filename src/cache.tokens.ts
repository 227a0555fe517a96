import { Inject, type InjectionToken } from '@nestjs/common';
import { cacheNameOrThrow, DEFAULT_CACHE } from './cache.names.js';
import type { ResolvedCacheOptions } from './cache.options.js';
import { CacheService } from './cache.service.js';

export { DEFAULT_CACHE } from './cache.names.js';

/** Under which a cache is injected: the class `CacheService` for the default one, a stable string for the others. */
export function getCacheToken(name: string = DEFAULT_CACHE): InjectionToken<CacheService> {
  return cacheNameOrThrow(name) === DEFAULT_CACHE ? CacheService : `Strata:cache:${name}`;
}

/** Under which a cache's options are injected, defaults filled in. */
export function getCacheOptionsToken(name: string = DEFAULT_CACHE): InjectionToken<ResolvedCacheOptions> {
  return `Strata:options:${cacheNameOrThrow(name)}`;
}

/** Injects the cache of that name: `constructor(@InjectCache('market') private readonly cache: CacheService)`. */
export function InjectCache(name: string = DEFAULT_CACHE): PropertyDecorator & ParameterDecorator {
  return Inject(getCacheToken(name));
}
