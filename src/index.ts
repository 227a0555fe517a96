export { CacheModule, type CacheFeatureOptions } from './cache.module.js';
export { CacheService } from './cache.service.js';
export { DEFAULT_CACHE, getCacheOptionsToken, getCacheToken, InjectCache } from './cache.tokens.js';
export {
  CACHE_DEFAULTS,
  type CacheModuleOptions,
  type CacheOptionsFactory,
  type ResolvedCacheOptions,
} from './cache.options.js';
export {
  CacheNotFoundError,
  CacheNotVisibleError,
  DecoratorUsageError,
  DuplicateCacheError,
  DuplicateClassError,
} from './errors.js';
export {
  getWarmingToken,
  type WarmingJob,
  type WarmingMetrics,
  type WarmingPort,
  type WarmingReport,
  type WarmingRequest,
} from './features.js';
