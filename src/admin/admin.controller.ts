import {
  Controller,
  Get,
  Header,
  HttpCode,
  Post,
  Req,
  UseFilters,
  UseGuards,
  VERSION_NEUTRAL,
  type CanActivate,
  type Type,
} from '@nestjs/common';
import type { CacheStats, InvalidationReport } from '#tiered-cache';
import type { WarmingJob, WarmingMetrics } from '../features.js';
import { AdminAccessGuard, type AuditedRequest } from './admin-access.guard.js';
import { AdminProblemFilter } from './admin-problem.filter.js';
import { validBody } from './body.js';
import {
  CacheAdminService,
  type AdminHealth,
  type AdminNamespace,
  type WarmingSummary,
} from './cache-admin.service.js';
import { InvalidateRequest, toAddress, TriggerWarmingRequest } from './dto.js';

/** The endpoints at a path, and behind guards, that are known only when the module is imported. */
export function createAdminController(
  path: string,
  guards: readonly (Type<CanActivate> | CanActivate)[],
): Type {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseFilters(AdminProblemFilter)
  // The host's guards first: they leave the user that ours writes to the log.
  @UseGuards(...guards, AdminAccessGuard)
  class CacheAdminController {
    constructor(private readonly admin: CacheAdminService) {}

    @Get('health')
    @Header('Cache-Control', 'no-store')
    health(): Promise<AdminHealth> {
      return this.admin.health();
    }

    @Get('metrics')
    @Header('Cache-Control', 'no-store')
    metrics(): CacheStats {
      return this.admin.metrics();
    }

    @Get('namespaces')
    @Header('Cache-Control', 'no-store')
    namespaces(): AdminNamespace[] {
      return this.admin.namespaces();
    }

    @Get('warming/metrics')
    @Header('Cache-Control', 'no-store')
    warmingMetrics(): { enabled: boolean; strategies: WarmingMetrics[] } {
      return this.admin.warmingMetrics();
    }

    @Get('warming/jobs')
    @Header('Cache-Control', 'no-store')
    warmingJobs(): { enabled: boolean; jobs: WarmingJob[] } {
      return this.admin.warmingJobs();
    }

    @Post('invalidate')
    @HttpCode(200)
    async invalidate(@Req() request: AuditedRequest): Promise<InvalidationReport> {
      const { keys, pattern, patterns, dryRun, ...rest } = await validBody(request.body, InvalidateRequest);
      const selector = {
        ...rest,
        keys: keys?.map(toAddress),
        patterns: pattern === undefined ? patterns : [...(patterns ?? []), pattern],
      };
      return this.admin.invalidate(selector, { dryRun, actor: request.strataActor });
    }

    @Post('warming/trigger')
    @HttpCode(200)
    async trigger(@Req() request: AuditedRequest): Promise<WarmingSummary> {
      const { strategy, strategies, keys } = await validBody(request.body, TriggerWarmingRequest);
      const named = strategy === undefined ? strategies : [...(strategies ?? []), strategy];
      return this.admin.warm(
        { strategies: named, keys: keys?.map(toAddress) },
        { actor: request.strataActor },
      );
    }
  }
  return CacheAdminController;
}
