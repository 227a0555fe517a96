import { Controller, Get, Header, Optional, Res, ServiceUnavailableException } from '@nestjs/common';
import { HealthCheckService, type HealthCheckResult, TypeOrmHealthIndicator } from '@nestjs/terminus';
import { type CacheHealthReport, StrataHealthIndicator } from 'nestjs-strata/health';
import { type HttpResponse } from '../http/adapter.js';

const DATABASE_TIMEOUT_MS = 1_000;

type Report = CacheHealthReport | { status: 'up' };
type Health = Omit<Report, 'status'> & {
  status: CacheHealthReport['status'];
} & Pick<HealthCheckResult, 'info' | 'error' | 'details'>;

/**
 * The cache's report together with the database's answer. Without Redis the node is degraded and serves (200);
 * without the database it is down (503), though it still answers what it holds.
 */
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly database: TypeOrmHealthIndicator,
    @Optional() private readonly cache?: StrataHealthIndicator,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  async check(@Res({ passthrough: true }) response: HttpResponse): Promise<Health> {
    const { status, info, error, details } = await this.run();
    const report: Report = this.cache?.report() ?? { status: 'up' };
    if (status === 'ok' || status === 'degraded') return { ...report, info, error, details };
    response.status(503);
    return { ...report, status: 'down', info, error, details };
  }

  private async run(): Promise<HealthCheckResult> {
    const { cache, database } = this;
    try {
      return await this.health.check([
        ...(cache ? [() => cache.check('cache')] : []),
        () => database.pingCheck('database', { timeout: DATABASE_TIMEOUT_MS }),
      ]);
    } catch (error) {
      // Terminus throws a result that is not good; anything else is a fault.
      if (error instanceof ServiceUnavailableException) return error.getResponse() as HealthCheckResult;
      throw error;
    }
  }
}
