import { InvalidOptionsError } from '#tiered-cache';

/** Options of `strataQueryCache`. */
export interface QueryCacheOptions {
  /** The cache that keeps the results. Default 'default'. */
  cache?: string;
  /** Its namespace for them; declared by itself where the host does not. Default 'queries'. */
  namespace?: string;
  /**
   * Results carry the tags of the marked entities whose tables their SQL names, so that a write to one ends them.
   * Default true. False: they live as long as their duration says.
   */
  entityTags?: boolean;
}

export type ResolvedQueryCacheOptions = Required<QueryCacheOptions>;

export const QUERY_CACHE_DEFAULTS: ResolvedQueryCacheOptions = {
  cache: 'default',
  namespace: 'queries',
  entityTags: true,
};

/** @throws InvalidOptionsError naming the option */
export function resolveQueryCacheOptions(options: QueryCacheOptions = {}): ResolvedQueryCacheOptions {
  for (const name of Object.keys(options))
    if (!(name in QUERY_CACHE_DEFAULTS))
      throw wrong(
        name,
        options[name as never],
        `no such option; there are ${Object.keys(QUERY_CACHE_DEFAULTS).join(', ')}`,
      );
  const {
    cache = QUERY_CACHE_DEFAULTS.cache,
    namespace = QUERY_CACHE_DEFAULTS.namespace,
    entityTags = QUERY_CACHE_DEFAULTS.entityTags,
  } = options;
  if (typeof cache !== 'string' || cache === '') throw wrong('cache', cache, 'the name of a cache');
  if (typeof namespace !== 'string' || !/^[A-Za-z][\w-]*$/.test(namespace))
    throw wrong('namespace', namespace, 'a letter, then letters, digits, "_" or "-"');
  if (typeof entityTags !== 'boolean') throw wrong('entityTags', entityTags, 'true or false');
  return { cache, namespace, entityTags };
}

function wrong(option: string, value: unknown, allowed: string): InvalidOptionsError {
  return new InvalidOptionsError(`strataQueryCache ${option}`, value, allowed);
}
