/** `nestjs-strata/typeorm`: the cache follows the database. Needs the optional peer typeorm. */
export { CacheTypeOrmModule } from './cache-typeorm.module.js';
export { CacheTypeOrmService, type CacheTypeOrmStats } from './cache-typeorm.service.js';
export type { CacheTypeOrmOptions } from './cache-typeorm.options.js';
export {
  CachedEntity,
  type CachedEntityOptions,
  type EntryIds,
  type KeysByNamespace,
  type KeysOfRow,
} from './cached-entity.decorator.js';
export { entityTag, rowTags, type EntityId } from './entity-tag.js';
export type { OutboxOptions, OutboxTriggerOptions } from './outbox/outbox.options.js';
export { installOutbox, uninstallOutbox, type OutboxInstallation } from './outbox/install.js';
export { checkOutbox, type OutboxFinding } from './outbox/check.js';
export { outboxMigration } from './outbox/migration.js';
export { runOutboxCli } from './outbox/cli.js';
export { writeInvalidation } from './outbox/write-invalidation.js';
export type { QueryCacheOptions } from './query-result-cache/query-cache.options.js';
export { strataQueryCache } from './query-result-cache/strata-query-cache.js';
export { bindQueryCache, StrataQueryResultCache } from './query-result-cache/strata-query-result-cache.js';
export { outsideTransaction } from './transactions/ambient-context.js';
export { runInTransaction } from './transactions/run-in-transaction.js';
