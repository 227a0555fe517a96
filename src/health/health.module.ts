import { Module, type DynamicModule } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { HealthIndicatorService, TerminusModule } from '@nestjs/terminus';
import { InvalidOptionsError } from '#tiered-cache';
import type { CacheService } from '../cache.service.js';
import { getCacheToken } from '../cache.tokens.js';
import { getWritesToken, type WritesPort } from '../features.js';
import { createHealthController } from './health.controller.js';
import { resolveThresholds, type CacheHealthModuleOptions } from './health.options.js';
import { StrataHealthIndicator } from './strata-health.indicator.js';

/** `GET /health`, and the indicator for the host's own health controller. */
@Module({})
export class CacheHealthModule {
  /** @throws InvalidOptionsError */
  static forRoot(options: CacheHealthModuleOptions = {}): DynamicModule {
    const thresholds = resolveThresholds(options.thresholds);
    const path = options.path ?? 'health';
    if (typeof path !== 'string') throw new InvalidOptionsError('health.path', path, 'a path');
    return {
      module: CacheHealthModule,
      imports: [TerminusModule, ...(options.imports ?? [])],
      controllers: options.controller === false ? [] : [createHealthController(path)],
      providers: [
        {
          provide: StrataHealthIndicator,
          inject: [getCacheToken(options.cache), HealthIndicatorService, ModuleRef],
          useFactory: (cache: CacheService, indicators: HealthIndicatorService, moduleRef: ModuleRef) =>
            new StrataHealthIndicator(cache, indicators, thresholds, () =>
              writesOf(moduleRef, options.cache),
            ),
        },
      ],
      exports: [StrataHealthIndicator],
    };
  }
}

function writesOf(moduleRef: ModuleRef, cache: string | undefined): WritesPort | null {
  try {
    return moduleRef.get<WritesPort>(getWritesToken(cache), { strict: false });
  } catch {
    // Nest's way of saying that nobody provides it: no CacheTypeOrmModule.
    return null;
  }
}
