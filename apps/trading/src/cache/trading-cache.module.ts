import { type DynamicModule, Module } from '@nestjs/common';
import { cacheOptionsFromEnv, CacheModule, ttlProfilesFromEnv } from 'nestjs-strata';
import { CacheAdminModule } from 'nestjs-strata/admin';
import { CacheTypeOrmModule } from 'nestjs-strata/typeorm';
import { CacheWarmingModule, warmingOptionsFromEnv } from 'nestjs-strata/warming';
import { CacheBoot } from './cache-boot.js';
import { demoNamespaces } from './demo-namespaces.js';

/** The cache and its features: entity subscribers and the outbox, warming, and the admin routes under /admin/cache. */
@Module({})
export class TradingCacheModule {
  static forRoot(env: NodeJS.ProcessEnv): DynamicModule {
    return {
      module: TradingCacheModule,
      imports: [
        CacheModule.forRootAsync({
          isGlobal: true,
          useFactory: () => ({
            ...cacheOptionsFromEnv(env),
            namespaces: demoNamespaces(ttlProfilesFromEnv(env)),
          }),
        }),
        // Installed by a migration, see database/migrations.
        CacheTypeOrmModule.forRoot({ outbox: {} }),
        CacheWarmingModule.forRootAsync({ useFactory: () => warmingOptionsFromEnv(env) }),
        CacheAdminModule.forRoot(),
      ],
      providers: [CacheBoot],
    };
  }
}
