import 'reflect-metadata';
import type { ObjectLiteral } from 'typeorm';

/** One id, several, or none (null, undefined, an empty list). */
export type EntryIds =
  string | number | bigint | null | undefined | readonly (string | number | bigint | null | undefined)[];

/** Ids per namespace: `{ instruments: (row) => row.symbol }`. */
export type KeysByNamespace<Row> = Readonly<Record<string, (row: Readonly<Row>) => EntryIds>>;

/** Entries of namespaces that are decided per row. Prefer the map: it also says which namespaces are meant. */
export type KeysOfRow<Row> = (row: Readonly<Row>) => readonly { namespace: string; id: string }[];

export interface CachedEntityOptions<Row = ObjectLiteral> {
  /** The name in tags. Default: the class name (give one if your code is minified). */
  type?: string;
  /** The cache that holds what is made from this entity. Default 'default'. */
  cache?: string;
  /**
   * The entries that are this row. Read off the row as it was and as it is, so a renamed key ends both entries.
   * Use only columns of the row: a column that was not loaded makes the row count as unknown.
   */
  keys?: KeysByNamespace<Row> | KeysOfRow<Row>;
  /** More tags that a write to this row ends, such as `user:<id>`. Read off the old and the new row as well. */
  tags?: (row: Readonly<Row>) => readonly string[];
  /**
   * The namespaces that are cleared when a write does not say which row it touched, besides those named by the
   * `keys` map. Where `keys` is a function, or where there are `tags`, nobody can tell in which namespaces the
   * entries are: then the default is every namespace of the cache.
   */
  namespaces?: readonly string[];
  /**
   * The properties by which lists of this entity are filtered or sorted, or which they show. An update of other
   * columns then leaves the type tag `entity:<type>` alone. Default: every column counts.
   */
  listColumns?: readonly (keyof Row & string)[];
}

/** Options as the decorator found them; checked at boot, where the cache and the columns are known. */
export interface EntityMark {
  readonly target: Function;
  readonly options: CachedEntityOptions;
}

// Symbol.for: marks are found even if this file is loaded twice (as ES module and by require).
const MARKS = Symbol.for('strata:cached-entity');

/**
 * Says what an entity stands for in the cache; `CacheTypeOrmModule` then invalidates it after each committed
 * write. Only writes metadata: nothing happens to the class. For two caches, use it twice.
 *
 * ```ts
 * @Entity()
 * @CachedEntity<Instrument>({ keys: { instruments: (row) => row.symbol } })
 * export class Instrument { ... }
 * ```
 */
export function CachedEntity<Row extends object = ObjectLiteral>(options: CachedEntityOptions<Row> = {}) {
  return (target: abstract new (...args: never[]) => Row): void => {
    const marks = (Reflect.getOwnMetadata(MARKS, target) as EntityMark[] | undefined) ?? [];
    // Row is forgotten here: from now on rows come from TypeORM, which types them as ObjectLiteral.
    const mark: EntityMark = { target, options: options as CachedEntityOptions };
    Reflect.defineMetadata(MARKS, [...marks, mark], target);
  };
}

/** The marks of a class and of the classes it extends (a row of a child table is a row of its parent). */
export function marksOf(target: unknown): EntityMark[] {
  const marks: EntityMark[] = [];
  for (let type = target; typeof type === 'function'; type = Object.getPrototypeOf(type))
    marks.push(...((Reflect.getOwnMetadata(MARKS, type) as EntityMark[] | undefined) ?? []));
  return marks;
}
