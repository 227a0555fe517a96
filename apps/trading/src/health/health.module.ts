import { type DynamicModule, Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { CacheHealthModule } from 'nestjs-strata/health';
import { HealthController } from './health.controller.js';

/** A health check of the host's own, which takes the cache's indicator into it, where there is a cache. */
@Module({})
export class HealthModule {
  static forRoot({ cached }: { cached: boolean }): DynamicModule {
    return {
      module: HealthModule,
      imports: [
        // Not logged: the answer says it all.
        TerminusModule.forRoot({ logger: false }),
        ...(cached ? [CacheHealthModule.forRoot({ controller: false })] : []),
      ],
      controllers: [HealthController],
    };
  }
}
