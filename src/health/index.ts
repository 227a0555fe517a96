export { type CacheHealthResponse } from './health.controller.js';
export { CacheHealthModule } from './health.module.js';
export { HEALTH_DEFAULTS, type CacheHealthModuleOptions, type HealthThresholds } from './health.options.js';
export { healthReport, type Assessment, type CacheHealthReport } from './health-report.js';
export { StrataHealthIndicator } from './strata-health.indicator.js';
