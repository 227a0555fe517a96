import { InvalidOptionsError } from '#tiered-cache';

/** The cache that is meant where no name is given. */
export const DEFAULT_CACHE = 'default';

const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** @throws InvalidOptionsError when `name` cannot name a cache. */
export function cacheNameOrThrow(name: unknown, option = 'name'): string {
  if (typeof name === 'string' && NAME.test(name)) return name;
  throw new InvalidOptionsError(option, name, 'a letter, then letters, digits, "_" or "-"');
}
