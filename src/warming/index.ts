export { CacheWarming } from './cache-warming.js';
export type {
  WarmEntry,
  WarmingContext,
  WarmingReason,
  WarmingSettings,
  WarmingStrategy,
  WarmingWork,
  WarmItem,
} from './strategy.js';
export {
  WarmCache,
  type WarmCacheDecorator,
  type WarmCacheOptions,
  type WarmCallsOptions,
} from './warm-cache.decorator.js';
export { CacheWarmingModule } from './warming.module.js';
export {
  WARMING_ENV,
  warmingOptionsFromEnv,
  type CacheWarmingModuleAsyncOptions,
  type CacheWarmingModuleOptions,
  type CacheWarmingOptions,
  type CacheWarmingOptionsFactory,
} from './warming.options.js';
