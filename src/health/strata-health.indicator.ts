import type { HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import type { CacheService } from '../cache.service.js';
import type { ResolvedThresholds } from './health.options.js';
import { healthReport, type CacheHealthReport } from './health-report.js';

/**
 * Health of one cache for Terminus, to be used in the host's own controller:
 * `health.check([() => strata.check('cache'), () => database.pingCheck('database')])`.
 */
export class StrataHealthIndicator {
  constructor(
    private readonly cache: CacheService,
    private readonly indicators: HealthIndicatorService,
    private readonly thresholds: ResolvedThresholds,
  ) {}

  /** up, degraded (Redis is away and memory or the source serves; passes the check) or down. Never rejects. */
  check<const Key extends string>(key: Key): Promise<HealthIndicatorResult<Key>> {
    const session = this.indicators.check(key);
    const { status, ...details } = this.report();
    // Terminus has one method per status; the details are the same in each.
    return Promise.resolve(session[status](details) as HealthIndicatorResult<Key>);
  }

  report(): CacheHealthReport {
    return healthReport(this.cache.health(), this.cache.stats(), this.thresholds);
  }
}
