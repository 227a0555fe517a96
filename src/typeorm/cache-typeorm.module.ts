import { type DynamicModule, Module } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type CacheTypeOrmOptions, resolveTypeOrmOptions } from './cache-typeorm.options.js';
import { CacheTypeOrmService } from './cache-typeorm.service.js';
import { getWritesToken } from '../features.js';

/**
 * Invalidates the cache after every committed write of entities marked with `@CachedEntity`. Import it once, next
 * to CacheModule and TypeOrmModule (once more per further cache).
 */
@Module({})
export class CacheTypeOrmModule {
  /** @throws InvalidOptionsError; at boot also when a cache, a data source or a namespace does not exist. */
  static forRoot(options: CacheTypeOrmOptions = {}): DynamicModule {
    const resolved = resolveTypeOrmOptions(options);
    return {
      module: CacheTypeOrmModule,
      // Global modules are initialised first: what the host's modules write in their own hooks is seen.
      global: true,
      providers: [
        {
          provide: CacheTypeOrmService,
          inject: [ModuleRef],
          useFactory: (moduleRef: ModuleRef) => new CacheTypeOrmService(moduleRef, resolved),
        },
        { provide: getWritesToken(resolved.cache), useExisting: CacheTypeOrmService },
      ],
      exports: [CacheTypeOrmService],
    };
  }
}
