import type { CachedMethodDecorator, CacheEvictOptions } from './decorator-types.js';
import { installMethod } from './install.js';
import type { MethodOptions } from './method-definition.js';

/**
 * Invalidates keys, tags or a whole namespace, on every node: after the method has succeeded (a method that fails
 * invalidates nothing), or `when: 'before'`. An invalidation that fails never fails the method.
 * @throws DecoratorUsageError as `@Cacheable`
 */
export function CacheEvict<S extends object, A extends readonly unknown[], R>(
  options: CacheEvictOptions<S, A, R>,
): CachedMethodDecorator<S, A, R> {
  return (target, method, descriptor) =>
    installMethod(
      'CacheEvict',
      options as MethodOptions, // From here on nobody knows the method's types.
      target,
      method,
      descriptor,
    );
}
