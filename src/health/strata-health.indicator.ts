import type { HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import type { CacheService } from '../cache.service.js';
import type { WritesPort } from '../features.js';
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
    private readonly writes: () => WritesPort | null = () => null,
  ) {}

  /** up, degraded (Redis is away and memory or the source serves; passes the check) or down. Never rejects. */
  check<const Key extends string>(key: Key): Promise<HealthIndicatorResult<Key>> {
    const session = this.indicators.check(key);
    const { status, ...details } = this.report();
    if (status === 'up') return Promise.resolve(session.up(details));
    return Promise.resolve(status === 'degraded' ? session.degraded(details) : session.down(details));
  }

  report(): CacheHealthReport {
    return healthReport(
      this.cache.health(),
      this.cache.stats(),
      this.thresholds,
      this.writes()?.outbox() ?? null,
    );
  }
}
