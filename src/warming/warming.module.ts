import { Module, type DynamicModule, type FactoryProvider, type Provider } from '@nestjs/common';
import { DiscoveryModule, ModulesContainer } from '@nestjs/core';
import { SchedulerRegistry } from '@nestjs/schedule';
import { InvalidOptionsError } from '#tiered-cache';
import { DEFAULT_CACHE } from '../cache.names.js';
import type { CacheService } from '../cache.service.js';
import { getCacheToken } from '../cache.tokens.js';
import { getWarmingToken } from '../features.js';
import { CacheWarming } from './cache-warming.js';
import { StrategyDiscovery } from './strategy-discovery.js';
import { WarmingJobs } from './warming-jobs.js';
import {
  resolveWarmingOptions,
  type CacheWarmingModuleAsyncOptions,
  type CacheWarmingModuleOptions,
  type CacheWarmingOptions,
  type CacheWarmingOptionsFactory,
} from './warming.options.js';

const OPTIONS = Symbol('strata.warming.options');
const REGISTRY = Symbol('strata.warming.registry');

/**
 * The host's SchedulerRegistry where it has a ScheduleModule, else one of ours. A ScheduleModule of our own would
 * bring a second explorer, which finds and runs each of the host's crons a second time.
 */
@Module({
  providers: [
    {
      provide: REGISTRY,
      inject: [{ token: SchedulerRegistry, optional: true }],
      useFactory: (host?: SchedulerRegistry) => host ?? new SchedulerRegistry(),
    },
  ],
  exports: [REGISTRY],
})
class WarmingRegistryModule {}

/** One CacheWarming per application and cache, however often the module is imported. */
const instances = new WeakMap<ModulesContainer, Map<string, CacheWarming>>();

@Module({})
export class CacheWarmingModule {
  static forRoot(options: CacheWarmingModuleOptions = {}): DynamicModule {
    const { cache, imports, ...rest } = options;
    return dynamicModule(cache, imports ?? [], [{ provide: OPTIONS, useValue: rest }]);
  }

  static forRootAsync(options: CacheWarmingModuleAsyncOptions): DynamicModule {
    return dynamicModule(options.cache, options.imports ?? [], asyncProviders(options));
  }
}

function dynamicModule(
  cacheName: string = DEFAULT_CACHE,
  imports: NonNullable<DynamicModule['imports']>,
  providers: Provider[],
): DynamicModule {
  const token = getWarmingToken(cacheName);
  // Injectable by its class for the default cache, by the token for every cache.
  const byClass: Provider[] =
    cacheName === DEFAULT_CACHE ? [{ provide: CacheWarming, useExisting: token }] : [];
  return {
    module: CacheWarmingModule,
    imports: [DiscoveryModule, WarmingRegistryModule, ...imports],
    providers: [
      ...providers,
      ...byClass,
      StrategyDiscovery,
      // Found by app.get(SchedulerRegistry) although the host has no ScheduleModule; the host's own where it has.
      { provide: SchedulerRegistry, useExisting: REGISTRY },
      warmingProvider(cacheName),
    ],
    exports: [token, ...(cacheName === DEFAULT_CACHE ? [CacheWarming] : [])],
  };
}

function warmingProvider(cacheName: string): FactoryProvider<CacheWarming> {
  return {
    provide: getWarmingToken(cacheName),
    inject: [ModulesContainer, getCacheToken(cacheName), OPTIONS, StrategyDiscovery, REGISTRY],
    useFactory: (
      container: ModulesContainer,
      cache: CacheService,
      options: CacheWarmingOptions,
      discovery: StrategyDiscovery,
      registry: SchedulerRegistry,
    ) => {
      const resolved = resolveWarmingOptions(options);
      const ofApplication = instances.get(container) ?? new Map<string, CacheWarming>();
      instances.set(container, ofApplication);
      const known = ofApplication.get(cacheName);
      if (known) {
        known.include(resolved.strategies);
        return known;
      }
      const jobs = new WarmingJobs(registry, resolved.timeZone);
      const warming = new CacheWarming(cache, resolved, discovery, jobs);
      ofApplication.set(cacheName, warming);
      return warming;
    },
  };
}

function asyncProviders(options: CacheWarmingModuleAsyncOptions): Provider[] {
  if (options.useFactory) {
    return [{ provide: OPTIONS, inject: options.inject ?? [], useFactory: options.useFactory }];
  }
  const factory = options.useExisting ?? options.useClass;
  if (!factory) {
    throw new InvalidOptionsError('warming.useFactory', undefined, 'useFactory, useClass or useExisting');
  }
  const provider: Provider = {
    provide: OPTIONS,
    inject: [factory],
    useFactory: (from: CacheWarmingOptionsFactory) => from.createCacheWarmingOptions(),
  };
  return options.useClass
    ? [provider, { provide: options.useClass, useClass: options.useClass }]
    : [provider];
}
