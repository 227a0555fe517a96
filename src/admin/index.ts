export { CacheAdminModule } from './admin.module.js';
export { ADMIN_ENV } from './admin.options.js';
export type {
  CacheAdminModuleAsyncOptions,
  CacheAdminModuleOptions,
  CacheAdminOptions,
  CacheAdminOptionsFactory,
  CacheAdminRouteOptions,
} from './admin.options.js';
export {
  CacheAdminService,
  type AdminHealth,
  type AdminNamespace,
  type WarmingSummary,
} from './cache-admin.service.js';
export {
  InvalidateRequest,
  toAddress,
  TriggerWarmingRequest,
  type EntryAddress,
  type EntryAddressInput,
} from './dto.js';
