import { type DynamicModule, Module } from '@nestjs/common';
import { InvalidOptionsError, type NamespaceOptions } from '#tiered-cache';
import { CacheCoreModule } from './cache.core-module.js';
import { CacheDirectory } from './cache.directory.js';
import { ConfigurableModuleClass, type OPTIONS_TYPE } from './cache.module-definition.js';
import { cacheNameOrThrow, DEFAULT_CACHE } from './cache.names.js';

export interface CacheFeatureOptions {
  /** The cache they are declared on. Default 'default'. */
  name?: string;
  /** Namespaces by name. Declared twice with equal options is fine; with other options it fails at boot. */
  namespaces: Record<string, NamespaceOptions>;
}

/**
 * `CacheModule.forRoot(options)`, `forRootAsync({ imports, inject, useFactory | useClass | useExisting })`,
 * `forFeature({ namespaces })`. Nothing is constructed here: module objects are evaluated once per process,
 * and applications that import one of them must not share a cache.
 */
@Module({})
export class CacheModule extends ConfigurableModuleClass {
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /** Declares more namespaces on a cache: the module that owns the data says how it is cached. */
  static forFeature(options: CacheFeatureOptions): DynamicModule {
    const name = cacheNameOrThrow(options?.name ?? DEFAULT_CACHE, 'CacheModule.forFeature name');
    const namespaces = options?.namespaces;
    if (typeof namespaces !== 'object' || namespaces === null)
      throw new InvalidOptionsError(
        'CacheModule.forFeature namespaces',
        namespaces,
        'an object of namespace options by name',
      );
    return {
      module: CacheFeatureModule,
      imports: [CacheCoreModule],
      providers: [
        {
          provide: Symbol('Strata:feature'),
          inject: [CacheDirectory],
          useFactory: (directory: CacheDirectory) => {
            directory.declare(name, namespaces);
            return null;
          },
        },
      ],
    };
  }
}

@Module({})
class CacheFeatureModule {}
