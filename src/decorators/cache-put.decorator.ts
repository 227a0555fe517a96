import type { CachedMethodDecorator, CachePutOptions } from './decorator-types.js';
import { installMethod } from './install.js';
import type { MethodOptions } from './method-definition.js';

/**
 * Calls the method every time and stores its result under `key`, where `@Cacheable` methods of the same namespace
 * find it. A method that fails stores nothing; a result that cannot be stored is returned all the same.
 * @throws DecoratorUsageError as `@Cacheable`
 */
export function CachePut<S extends object, A extends readonly unknown[], R>(
  options: CachePutOptions<S, A, R>,
): CachedMethodDecorator<S, A, R> {
  return (target, method, descriptor) =>
    installMethod(
      'CachePut',
      options as MethodOptions, // From here on nobody knows the method's types.
      target,
      method,
      descriptor,
    );
}
