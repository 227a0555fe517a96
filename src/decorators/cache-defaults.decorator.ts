import { ttlMs } from '#tiered-cache';
import { cacheNameOrThrow } from '../cache.names.js';
import { DecoratorUsageError } from '../errors.js';
import type { CacheDefaultsOptions } from './decorator-types.js';
import { injectCache } from './install.js';
import { type AnyClass, recordDefaults } from './method-definition.js';

const ALLOWED = ['cache', 'namespace', 'ttl', 'identity'];

/**
 * What the decorated methods written in this class, and in classes that extend it, use where they say nothing.
 * @throws DecoratorUsageError, InvalidTtlError, InvalidOptionsError when the class is defined
 */
export function CacheDefaults(options: CacheDefaultsOptions): <C extends AnyClass>(type: C) => void {
  return (type) => {
    const label = `@CacheDefaults(${type.name})`;
    for (const [name, value] of Object.entries(options)) {
      if (!ALLOWED.includes(name))
        throw new DecoratorUsageError(`${label}.${name}`, value, `one of ${ALLOWED.join(', ')}`);
      if (name !== 'ttl' && (typeof value !== 'string' || value === ''))
        throw new DecoratorUsageError(`${label}.${name}`, value, 'a string that is not empty');
    }
    if (options.ttl !== undefined) ttlMs(options.ttl);
    recordDefaults(type, options);
    if (options.cache !== undefined)
      injectCache(type.prototype as object, cacheNameOrThrow(options.cache, `${label}.cache`));
  };
}
