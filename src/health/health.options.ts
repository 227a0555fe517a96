import type { DynamicModule } from '@nestjs/common';
import { InvalidOptionsError } from '#tiered-cache';

/** From when figures are good, and from when they are critical; in between they are a warning. */
export interface HealthThresholds {
  /** Percent. Default 90. */
  hitRateHealthy?: number;
  /** Percent. Default 75. */
  hitRateCritical?: number;
  /** Milliseconds, 95th percentile of reads. Default 50. */
  latencyHealthyMs?: number;
  /** Milliseconds, 95th percentile of reads. Default 100. */
  latencyCriticalMs?: number;
  /** Reads in the window below which nothing is judged. Default 100. */
  minimumSample?: number;
  /** The window whose hit rate is judged. Default '5m'. */
  window?: '1m' | '5m' | '60m';
}

export interface CacheHealthModuleOptions {
  /** Name of the cache to watch. Default: the default cache. */
  cache?: string;
  /** Path of the endpoint. Default 'health'. */
  path?: string;
  /** false: no endpoint, only the indicator for the host's own controller. Default true. */
  controller?: boolean;
  thresholds?: HealthThresholds;
  imports?: DynamicModule['imports'];
}

export type ResolvedThresholds = Required<HealthThresholds>;

export const HEALTH_DEFAULTS: ResolvedThresholds = {
  hitRateHealthy: 90,
  hitRateCritical: 75,
  latencyHealthyMs: 50,
  latencyCriticalMs: 100,
  minimumSample: 100,
  window: '5m',
};

/** @throws InvalidOptionsError */
export function resolveThresholds(given: HealthThresholds = {}): ResolvedThresholds {
  const thresholds = { ...HEALTH_DEFAULTS };
  for (const [name, value] of Object.entries(given)) {
    if (!(name in HEALTH_DEFAULTS)) {
      throw new InvalidOptionsError(
        `health.thresholds.${name}`,
        value,
        Object.keys(HEALTH_DEFAULTS).join(', '),
      );
    }
    if (value !== undefined) Object.assign(thresholds, { [name]: value });
  }
  const { hitRateHealthy, hitRateCritical, latencyHealthyMs, latencyCriticalMs, minimumSample, window } =
    thresholds;
  check('hitRateHealthy', hitRateHealthy, inRange(hitRateHealthy, 0, 100), 'a percentage, 0 to 100');
  check(
    'hitRateCritical',
    hitRateCritical,
    inRange(hitRateCritical, 0, hitRateHealthy),
    'a percentage, at most hitRateHealthy',
  );
  check('latencyHealthyMs', latencyHealthyMs, inRange(latencyHealthyMs, 0, 600_000), 'milliseconds');
  check(
    'latencyCriticalMs',
    latencyCriticalMs,
    inRange(latencyCriticalMs, latencyHealthyMs, 600_000),
    'milliseconds, at least latencyHealthyMs',
  );
  check(
    'minimumSample',
    minimumSample,
    Number.isInteger(minimumSample) && minimumSample >= 1,
    'a whole number above zero',
  );
  check('window', window, ['1m', '5m', '60m'].includes(window), "'1m', '5m' or '60m'");
  return thresholds;
}

function inRange(value: number, min: number, max: number): boolean {
  return Number.isFinite(value) && value >= min && value <= max;
}

function check(option: string, value: unknown, valid: boolean, allowed: string): void {
  if (!valid) throw new InvalidOptionsError(`health.thresholds.${option}`, value, allowed);
}
