import type { DataSource, QueryRunner } from 'typeorm';
import type { TieredCache } from '#tiered-cache';

type ResultCache = NonNullable<DataSource['queryResultCache']>;

/** Per object, the caches for which it was seen to already. */
const noticed = new WeakMap<object, Set<TieredCache>>();

/**
 * The reads that TypeORM tells no subscriber of: streams, and results out of its own cache (the option `cache`). A stream
 * is refused by a tracked load, and a tracked load's queries are sent rather than taken from the result cache.
 * Answers how to undo what was done now; called again it does what is new.
 */
export function noticeUnseenReads(dataSource: DataSource, cache: TieredCache): (() => void)[] {
  const { queryResultCache: results } = dataSource;
  const undo: (() => void)[] = [];
  if (isNew(dataSource, cache))
    undo.push(
      wrap(dataSource, 'createQueryRunner', (create): DataSource['createQueryRunner'] => {
        return function createQueryRunner(this: DataSource, ...args) {
          const runner: QueryRunner = create.apply(this, args);
          wrap(runner, 'stream', (stream): QueryRunner['stream'] => {
            return function streamSeen(this: QueryRunner, ...streamArgs) {
              cache.trackedLoad?.refuse('it reads a stream');
              return stream.apply(this, streamArgs);
            };
          });
          return runner;
        };
      }),
      () => void noticed.get(dataSource)?.delete(cache),
    );
  if (results && isNew(results, cache))
    undo.push(
      wrap(results, 'getFromCache', (get): ResultCache['getFromCache'] => {
        return async function getFromCache(this: ResultCache, ...args) {
          return cache.trackedLoad === null ? get.apply(this, args) : undefined;
        };
      }),
      () => void noticed.get(results)?.delete(cache),
    );
  return undo;
}

function isNew(object: object, cache: TieredCache): boolean {
  const caches = noticed.get(object) ?? new Set();
  if (caches.has(cache)) return false;
  noticed.set(object, caches.add(cache));
  return true;
}

/** Replaces a method on one object. Undone, unless somebody else has replaced it since. */
function wrap<T extends object, K extends keyof T>(
  object: T,
  name: K,
  make: (original: T[K]) => T[K],
): () => void {
  const isOwn = Object.hasOwn(object, name);
  const original = object[name];
  const replaced = make(original);
  object[name] = replaced;
  return () => {
    if (object[name] !== replaced) return;
    if (isOwn) object[name] = original;
    else delete object[name];
  };
}
