import { InvalidOptionsError } from '#tiered-cache';

/**
 * Errors of the Nest layer. All are wrong configuration, found while classes are defined or the application boots,
 * so all carry the code STRATA_INVALID_OPTIONS and name the option, its value and what is allowed (docs/errors.md).
 */

/** A caching decorator is used where it cannot work, or with options it cannot work with. */
export class DecoratorUsageError extends InvalidOptionsError {}

/** Two CacheModules of one application have the same name. */
export class DuplicateCacheError extends InvalidOptionsError {
  constructor(name: string) {
    super(
      'CacheModule name',
      name,
      'a name used once per application (give the second cache a name of its own, or import one module object twice)',
    );
  }
}

/** Something names a cache that does not exist in this application. */
export class CacheNotFoundError extends InvalidOptionsError {
  constructor(user: string, name: string, known: readonly string[]) {
    super(`cache of ${user}`, name, `one of the caches of this application: ${known.join(', ') || 'none'}`);
  }
}

/** A provider has decorated methods, but its module does not see their cache. */
export class CacheNotVisibleError extends InvalidOptionsError {
  constructor(provider: string, module: string, name: string) {
    super(
      `cache of ${provider}`,
      name,
      `a cache that ${module} sees: import its CacheModule in ${module}, or set isGlobal: true`,
    );
  }
}

/** Two classes of one name would share entries. */
export class DuplicateClassError extends InvalidOptionsError {
  constructor(name: string, cache: string) {
    super(
      `class name in cache "${cache}"`,
      name,
      "a name that one class has: keys are made of it; give one of them @CacheDefaults({ identity: '...' }), or its methods a namespace and a key",
    );
  }
}
