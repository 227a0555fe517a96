import type { DataSource } from 'typeorm';
import { InvalidOptionsError, type TieredCache } from '#tiered-cache';

/**
 * What repositories return are instances of entity classes. Registered, they can be cached as they are and keep their
 * type through the shared tier. A class that the host has registered itself keeps its own registration; of two classes
 * of one name the second goes by its table.
 */
export function registerEntities(cache: TieredCache, dataSource: DataSource): void {
  for (const { name, tablePath, target, isJunction } of dataSource.entityMetadatas) {
    if (typeof target !== 'function' || isJunction) continue;
    const type = target as new () => object;
    try {
      cache.registerClass({ name: `entity:${name}`, type });
    } catch (error) {
      if (!(error instanceof InvalidOptionsError)) throw error;
      cache.registerClass({ name: `entity:${name}@${tablePath}`, type });
    }
  }
}
