import { durationMs, InvalidTtlError, ttlMs } from '#tiered-cache';
import { cacheNameOrThrow } from '../cache.names.js';
import { DecoratorUsageError } from '../errors.js';
import type { MethodKind, MethodOptions } from './method-definition.js';

type Check = (value: unknown) => boolean;
const isFunction: Check = (value) => typeof value === 'function';
const isText: Check = (value) => typeof value === 'string' && value !== '';
const isTags: Check = (value) => isFunction(value) || (Array.isArray(value) && value.every(isText));
const isDuration: Check = (value) => durationMs(value) >= 0;

const RULES: Record<keyof MethodOptions, [Check, string]> = {
  cache: [isText, 'the name of a cache'],
  namespace: [isText, 'the name of a namespace'],
  scope: [isFunction, 'a function of the instance'],
  condition: [isFunction, 'a function of the arguments'],
  key: [isFunction, 'a function of the arguments (with @CachePut: of the result, then the arguments)'],
  keyOf: [isFunction, 'a function of the result, then the arguments'],
  ttl: [isTtl, "a duration above zero ('30s', '5m', milliseconds), 'forever', or a function of the result"],
  unless: [isFunction, 'a function of the result, then the arguments'],
  tags: [isTags, 'an array of strings that are not empty, or a function of the arguments'],
  tagsOf: [isFunction, 'a function of the result, then the arguments'],
  track: [(value) => typeof value === 'boolean', 'true or false'],
  ignore: [
    (value) =>
      Array.isArray(value) && value.every((one) => Number.isSafeInteger(one) && (one as number) >= 0),
    'an array of positions of arguments, 0 or more',
  ],
  minPosition: [isFunction, 'a function of the arguments that answers a position or undefined'],
  grace: [isDuration, 'a duration'],
  staleWhileRevalidate: [isDuration, 'a duration'],
  softTimeout: [isDuration, 'a duration'],
  hardTimeout: [isDuration, 'a duration'],
  all: [(value) => typeof value === 'boolean', 'true or false'],
  when: [(value) => value === 'after' || value === 'before', "'after' or 'before'"],
};

const SHARED = ['cache', 'namespace', 'scope', 'condition', 'key', 'tags', 'tagsOf'] as const;
const STORE = [...SHARED, 'ttl', 'unless'] as const;
const ALLOWED: Record<MethodKind, readonly (keyof MethodOptions)[]> = {
  Cacheable: [
    ...STORE,
    'track',
    'ignore',
    'minPosition',
    'grace',
    'staleWhileRevalidate',
    'softTimeout',
    'hardTimeout',
  ],
  CachePut: STORE,
  CacheEvict: [...SHARED, 'keyOf', 'all', 'when'],
};

/** What can be known when the class is defined. @throws DecoratorUsageError */
export function checkMethodOptions(
  label: string,
  kind: MethodKind,
  options: MethodOptions,
  method: string | symbol,
): void {
  if (typeof options !== 'object' || options === null)
    throw new DecoratorUsageError(`${label} options`, options, 'an object');
  for (const [name, value] of Object.entries(options)) {
    if (!ALLOWED[kind].includes(name as keyof MethodOptions))
      throw new DecoratorUsageError(`${label}.${name}`, value, `one of ${ALLOWED[kind].join(', ')}`);
    const [valid, allowed] = RULES[name as keyof MethodOptions];
    if (value !== undefined && !valid(value))
      throw new DecoratorUsageError(`${label}.${name}`, value, allowed);
  }
  if (options.cache !== undefined) cacheNameOrThrow(options.cache, `${label}.cache`);
  const { key, keyOf, tags, tagsOf, all, when } = options;
  if (kind === 'CachePut' && key === undefined)
    throw new DecoratorUsageError(`${label}.key`, key, RULES.key[1]);
  if (kind === 'Cacheable' && typeof method === 'symbol' && key === undefined)
    throw new DecoratorUsageError(
      `${label}.key`,
      key,
      'a function: a method named by a symbol has no name for keys',
    );
  if (kind !== 'CacheEvict') return;
  if (!key && !keyOf && !tags && !tagsOf && !all)
    throw new DecoratorUsageError(
      `${label} options`,
      options,
      'at least one of key, keyOf, tags, tagsOf, all',
    );
  if (when === 'before' && (keyOf || tagsOf))
    throw new DecoratorUsageError(
      `${label}.when`,
      when,
      "'after' with keyOf or tagsOf: there is no result before",
    );
}

function isTtl(value: unknown): boolean {
  if (typeof value === 'function') return true;
  try {
    ttlMs(value);
    return true;
  } catch (error) {
    if (error instanceof InvalidTtlError) return false;
    throw error;
  }
}
