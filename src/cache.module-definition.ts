import { ConfigurableModuleBuilder, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { CacheCoreModule } from './cache.core-module.js';
import { CacheDirectory } from './cache.directory.js';
import { cacheNameOrThrow, DEFAULT_CACHE } from './cache.names.js';
import { type CacheModuleOptions, resolveCacheOptions, type ResolvedCacheOptions } from './cache.options.js';
import { CacheService } from './cache.service.js';
import { getCacheOptionsToken, getCacheToken } from './cache.tokens.js';
import { linkBindings } from './decorators/bound.js';
import { MethodBindings } from './decorators/method-bindings.js';

interface CacheModuleExtras {
  /** Names the cache in `InjectCache(name)`. Default 'default'. */
  name?: string;
  /** Every module sees this cache without importing it. Default false. */
  isGlobal?: boolean;
}

type FactoryOptions = Omit<CacheModuleOptions, 'isGlobal'>;

/** `forRoot` and `forRootAsync`, which only describe: options are resolved and the cache is made per application. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<FactoryOptions>({ moduleName: 'StrataCache' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createCacheOptions')
    .setExtras<CacheModuleExtras>({ name: DEFAULT_CACHE, isGlobal: false }, (definition, extras) =>
      complete(definition, cacheNameOrThrow(extras.name ?? DEFAULT_CACHE), extras.isGlobal === true),
    )
    .build();

function complete(definition: DynamicModule, name: string, isGlobal: boolean): DynamicModule {
  const options: FactoryProvider<ResolvedCacheOptions> = {
    provide: getCacheOptionsToken(name),
    inject: [MODULE_OPTIONS_TOKEN],
    useFactory: (raw: CacheModuleOptions) => resolveCacheOptions(raw, name),
  };
  const cache: FactoryProvider<CacheService> = {
    provide: getCacheToken(name),
    inject: [getCacheOptionsToken(name), CacheDirectory, MethodBindings],
    useFactory: (resolved: ResolvedCacheOptions, directory: CacheDirectory, bindings: MethodBindings) => {
      const service = new CacheService(resolved);
      directory.add(name, service, resolved);
      linkBindings(service, bindings);
      return service;
    },
  };
  return {
    ...definition,
    global: isGlobal,
    imports: [...(definition.imports ?? []), CacheCoreModule],
    providers: [...(definition.providers ?? []), options, cache],
    exports: [getCacheToken(name), getCacheOptionsToken(name)],
  };
}
