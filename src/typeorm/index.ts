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
