import type { DataSource, QueryRunner } from 'typeorm';
// The interface is exported by this path only.
import type { QueryResultCache } from 'typeorm/cache/QueryResultCache.js';
import type { QueryResultCacheOptions } from 'typeorm/cache/QueryResultCacheOptions.js';
import { type CacheNamespace, hashParts, MAX_TTL_MS, type Reserved, type TieredCache } from '#tiered-cache';
import { MarkRegistry } from '../mark-registry.js';
import type { ResolvedQueryCacheOptions } from './query-cache.options.js';
import { TablesInQuery } from './tables-in-query.js';

/** One result as it is stored: the JSON that TypeORM makes of the rows, and what `isExpired` asks for. */
interface StoredResult {
  time: number;
  duration: number;
  result: string;
}

interface Bound {
  readonly results: CacheNamespace<StoredResult>;
  readonly tables: TablesInQuery | null;
}

/** Longer identifiers are hashed. */
const MAX_IDENTIFIER = 200;
/** TypeORM caches counts and the ids of a page under names made of the identifier. */
const VARIANTS = ['', '-count', '-pagination'];

/** By data source, as `setOptions` makes a new provider for it. */
const caches = new WeakMap<DataSource, Map<string, { cache: TieredCache; marks: MarkRegistry }>>();

/**
 * TypeORM's `cache` option kept in a cache of ours. TypeORM asks, runs the query and then stores, so the lease and the tags
 * are taken when it asks (namespace.reserve), and a result that was read before an invalidation is refused when it
 * comes. Never throws at a query; until a cache is bound everything is a miss.
 */
export class StrataQueryResultCache implements QueryResultCache {
  private bound: Bound | undefined;
  private boundTo: TieredCache | undefined;
  /** Removals from before a cache was bound. */
  private waiting: ((results: CacheNamespace<StoredResult>) => Promise<unknown>)[] = [];
  private readonly reserved = new WeakMap<QueryRunner, Map<string, Reserved<StoredResult>>>();
  private readonly told = new Set<string>();

  constructor(
    private readonly dataSource: DataSource,
    private readonly options: ResolvedQueryCacheOptions,
  ) {}

  /** Nothing to wait for: the cache has connections of its own, and works without them. */
  async connect(): Promise<void> {}

  async disconnect(): Promise<void> {}

  /** No table needed. */
  async synchronize(): Promise<void> {}

  async getFromCache(
    options: QueryResultCacheOptions,
    queryRunner?: QueryRunner,
  ): Promise<QueryResultCacheOptions | undefined> {
    // Inside a transaction the database answers, and nothing is stored (docs/transactions.md).
    if (queryRunner?.isTransactionActive === true) return undefined;
    return this.guarded(async () => {
      const bound = this.binding();
      const id = this.idOf(options);
      if (bound === undefined || id === undefined) return undefined;
      const tags = bound.tables === null ? [] : bound.tables.tagsOf(options.query ?? '');
      const found = await bound.results.reserve(id, { tags });
      if (found.hit) return { ...found.value!, identifier: options.identifier, query: options.query };
      if (queryRunner === undefined) found.release();
      else this.keep(queryRunner, id, found);
      return undefined;
    });
  }

  async storeInCache(
    options: QueryResultCacheOptions,
    _saved: QueryResultCacheOptions | undefined,
    queryRunner?: QueryRunner,
  ): Promise<void> {
    await this.guarded(async () => {
      const id = this.idOf(options);
      const kept = queryRunner && this.reserved.get(queryRunner);
      const place = id === undefined ? undefined : kept?.get(id);
      if (place === undefined) return;
      kept!.delete(id!);
      const { time = Date.now(), duration, result } = options;
      if (!(duration > 0) || typeof result !== 'string') return place.release();
      await place.store({ time, duration, result }, { ttl: Math.min(duration, MAX_TTL_MS) });
    });
  }

  isExpired({ time = 0, duration }: QueryResultCacheOptions): boolean {
    return time + duration < Date.now();
  }

  /** All results of all data sources in this namespace; nothing else. */
  async clear(): Promise<void> {
    await this.guarded(() => this.remember((results) => results.clear()));
  }

  /** The results under these identifiers, with their counts and pages. */
  async remove(identifiers: string[]): Promise<void> {
    const names = identifiers.flatMap((identifier) => VARIANTS.map((variant) => identifier + variant));
    if (names.length === 0) return;
    await this.guarded(() =>
      this.remember((results) =>
        results.delete(names.map((identifier) => this.idOf({ identifier, duration: 0 })!)),
      ),
    );
  }

  /** Uses `cache` from now on. @throws InvalidOptionsError when its namespace cannot be declared */
  bind(cache: TieredCache, marks: MarkRegistry): void {
    const { namespace, entityTags } = this.options;
    if (!cache.namespaces.includes(namespace))
      cache.declareNamespace(namespace, { ttl: '1h', values: 'shared' });
    const results = cache.namespace<StoredResult>(namespace);
    this.bound = { results, tables: entityTags ? new TablesInQuery(this.dataSource, marks) : null };
    this.boundTo = cache;
    for (const removal of this.waiting.splice(0)) void this.guarded(() => removal(results));
  }

  private binding(): Bound | undefined {
    const now = caches.get(this.dataSource)?.get(this.options.cache);
    if (now !== undefined && now.cache !== this.boundTo) this.bind(now.cache, now.marks);
    return this.bound;
  }

  private async remember(
    removal: (results: CacheNamespace<StoredResult>) => Promise<unknown>,
  ): Promise<void> {
    const bound = this.binding();
    if (bound === undefined) this.waiting.push(removal);
    else await removal(bound.results);
  }

  /** Is it the cache of the name in the options? */
  isFor(cache: TieredCache): boolean {
    return this.options.cache === cache.name;
  }

  private keep(queryRunner: QueryRunner, id: string, place: Reserved<StoredResult>): void {
    let kept = this.reserved.get(queryRunner);
    if (kept === undefined) this.reserved.set(queryRunner, (kept = new Map()));
    // Of a query that failed.
    kept.get(id)?.release();
    kept.set(id, place);
  }

  /** Of one data source: two may have the same tables. */
  private idOf({ identifier, query }: QueryResultCacheOptions): string | undefined {
    const database = String(this.dataSource.driver.database ?? '');
    if (identifier !== undefined && identifier !== '')
      return `${database}/id:${identifier.length <= MAX_IDENTIFIER ? identifier : hashParts([identifier])}`;
    return query === undefined || query === '' ? undefined : `${database}/sql:${hashParts([query])}`;
  }

  /** The query goes on whatever the cache does; a fault of ours or wrong use is told once. */
  private async guarded<R>(work: () => Promise<R>): Promise<R | undefined> {
    try {
      return await work();
    } catch (error) {
      const line = `query result cache: ${error instanceof Error ? error.message : String(error)}`;
      if (!this.told.has(line) && this.told.size < 100) {
        this.told.add(line);
        this.dataSource.logger.log('warn', line);
      }
      return undefined;
    }
  }
}

/**
 * Has the query results of a data source kept in `cache`, where its option `cache.provider` is `strataQueryCache()` for a cache
 * of that name. CacheTypeOrmModule does it by itself.
 * @throws InvalidOptionsError when its namespace cannot be declared
 */
export function bindQueryCache(
  dataSource: DataSource,
  cache: TieredCache,
  marks: MarkRegistry = marksOf(dataSource, cache),
): void {
  const byName = caches.get(dataSource) ?? new Map<string, { cache: TieredCache; marks: MarkRegistry }>();
  caches.set(dataSource, byName.set(cache.name, { cache, marks }));
  const provider: unknown = dataSource.queryResultCache;
  if (provider instanceof StrataQueryResultCache && provider.isFor(cache)) provider.bind(cache, marks);
}

function marksOf(dataSource: DataSource, { name }: TieredCache): MarkRegistry {
  const marks = new MarkRegistry(name, () => {});
  marks.add(dataSource);
  return marks;
}
