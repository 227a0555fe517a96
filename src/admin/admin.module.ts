import {
  Module,
  type DynamicModule,
  type FactoryProvider,
  type InjectionToken,
  type Provider,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { InvalidOptionsError } from '#tiered-cache';
import type { CacheService } from '../cache.service.js';
import { getCacheToken } from '../cache.tokens.js';
import { getWarmingToken, getWritesToken, type WarmingPort, type WritesPort } from '../features.js';
import { createAdminController } from './admin.controller.js';
import {
  ADMIN_PATH,
  resolveAdminOptions,
  type CacheAdminModuleAsyncOptions,
  type CacheAdminModuleOptions,
  type CacheAdminOptions,
  type CacheAdminOptionsFactory,
  type CacheAdminRouteOptions,
  type ResolvedAdminOptions,
} from './admin.options.js';
import { ADMIN_OPTIONS } from './admin.tokens.js';
import { CacheAdminService } from './cache-admin.service.js';

const GIVEN = Symbol('strata.admin.given');

/** Endpoints under /admin/cache, closed by default, and CacheAdminService for the host's own controllers. */
@Module({})
export class CacheAdminModule {
  /** @throws InvalidOptionsError at boot, when the endpoints would be open in production */
  static forRoot(options: CacheAdminModuleOptions = {}): DynamicModule {
    const { cache, path, controllers, guards, imports, ...given } = options;
    return dynamicModule({ cache, path, controllers, guards, imports }, [
      { provide: GIVEN, useValue: given },
    ]);
  }

  /** `cache`, `path`, `controllers` and `guards` beside the factory: they are needed before it runs. */
  static forRootAsync(options: CacheAdminModuleAsyncOptions): DynamicModule {
    return dynamicModule(options, asyncProviders(options));
  }
}

function dynamicModule(route: CacheAdminRouteOptions, given: Provider[]): DynamicModule {
  const path = route.path ?? ADMIN_PATH;
  if (typeof path !== 'string' || path === '') throw new InvalidOptionsError('admin.path', path, 'a path');
  const guards = route.guards ?? [];
  const exposed = route.controllers !== false;
  const options: FactoryProvider<ResolvedAdminOptions> = {
    provide: ADMIN_OPTIONS,
    inject: [GIVEN],
    useFactory: (from: CacheAdminOptions) =>
      resolveAdminOptions(from, { guarded: guards.length > 0, exposed }),
  };
  const service: FactoryProvider<CacheAdminService> = {
    provide: CacheAdminService,
    inject: [getCacheToken(route.cache), ADMIN_OPTIONS, ModuleRef],
    useFactory: (cache: CacheService, resolved: ResolvedAdminOptions, moduleRef: ModuleRef) =>
      new CacheAdminService(
        cache,
        resolved,
        () => find<WarmingPort>(moduleRef, getWarmingToken(route.cache)),
        () => find<WritesPort>(moduleRef, getWritesToken(route.cache)),
      ),
  };
  return {
    module: CacheAdminModule,
    imports: route.imports ?? [],
    controllers: exposed ? [createAdminController(path, guards)] : [],
    providers: [...given, options, service],
    exports: [CacheAdminService],
  };
}

function find<Port>(moduleRef: ModuleRef, token: InjectionToken<Port>): Port | null {
  try {
    return moduleRef.get<Port>(token, { strict: false });
  } catch {
    // Nest's way of saying that nobody provides it.
    return null;
  }
}

function asyncProviders(options: CacheAdminModuleAsyncOptions): Provider[] {
  if (options.useFactory) {
    return [{ provide: GIVEN, inject: options.inject ?? [], useFactory: options.useFactory }];
  }
  const factory = options.useExisting ?? options.useClass;
  if (!factory) {
    throw new InvalidOptionsError('admin.useFactory', undefined, 'useFactory, useClass or useExisting');
  }
  const provider: Provider = {
    provide: GIVEN,
    inject: [factory],
    useFactory: (from: CacheAdminOptionsFactory) => from.createCacheAdminOptions(),
  };
  return options.useClass
    ? [provider, { provide: options.useClass, useClass: options.useClass }]
    : [provider];
}
