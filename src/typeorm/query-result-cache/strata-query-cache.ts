import type { DataSource } from 'typeorm';
import { type QueryCacheOptions, resolveQueryCacheOptions } from './query-cache.options.js';
import { StrataQueryResultCache } from './strata-query-result-cache.js';

/**
 * For the option `cache` of a DataSource: `cache: { provider: strataQueryCache(), duration: 30_000 }`. The data source may
 * be made, and initialised, long before the cache.
 * @throws InvalidOptionsError
 */
export function strataQueryCache(
  options?: QueryCacheOptions,
): (dataSource: DataSource) => StrataQueryResultCache {
  const resolved = resolveQueryCacheOptions(options);
  return (dataSource) => new StrataQueryResultCache(dataSource, resolved);
}
