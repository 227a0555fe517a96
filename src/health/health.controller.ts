import {
  Controller,
  Get,
  Header,
  HttpStatus,
  Res,
  ServiceUnavailableException,
  VERSION_NEUTRAL,
  type Type,
} from '@nestjs/common';
import { HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import type { CacheHealthReport } from './health-report.js';
import { StrataHealthIndicator } from './strata-health.indicator.js';

/** What both platforms' responses can do. */
interface StatusResponse {
  status(code: number): unknown;
}

export type CacheHealthResponse = CacheHealthReport & Pick<HealthCheckResult, 'info' | 'error' | 'details'>;

/** The endpoint at a path that is known only when the module is imported. */
export function createHealthController(path: string): Type {
  @Controller({ path, version: VERSION_NEUTRAL })
  class CacheHealthController {
    constructor(
      private readonly health: HealthCheckService,
      private readonly strata: StrataHealthIndicator,
    ) {}

    /** 200 while it serves (up, degraded), 503 when it does not. */
    @Get()
    @Header('Cache-Control', 'no-store')
    async check(@Res({ passthrough: true }) response: StatusResponse): Promise<CacheHealthResponse> {
      const report = this.strata.report();
      const { status, info, error, details } = await this.#terminus();
      if (status === 'ok' || status === 'degraded') return { ...report, info, error, details };
      // The status is set here and not by an exception: the host's filters would give it another body.
      response.status(HttpStatus.SERVICE_UNAVAILABLE);
      return { ...report, status: 'down', info, error, details };
    }

    async #terminus(): Promise<HealthCheckResult> {
      try {
        return await this.health.check([() => this.strata.check('cache')]);
      } catch (error) {
        if (error instanceof ServiceUnavailableException) return error.getResponse() as HealthCheckResult;
        throw error;
      }
    }
  }
  return CacheHealthController;
}
