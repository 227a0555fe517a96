import { createHash } from 'node:crypto';
import type { EntityMetadata, ObjectLiteral } from 'typeorm';
import { anyRowTag } from '../entity-tag.js';

/*
 * The tags of tables, for entries that were tracked. A list does not change by every write to its table: what was asked
 * for says by which.
 *
 *   entity:Position?                       a row came or went
 *   entity:Position?account_id=7           a row with this value came, went, or got or lost the value
 *   entity:Position?/quantity              an update changed this column, of whichever row
 *   entity:Position?account_id=7/quantity  of a row with this value
 *   entity:Position?/*, ...=7/*            an update, of whichever column
 *   entity:Position?account_id=?, ...=?/x  of a row whose value the writer did not know
 *   entity:Position?~                      a row's many-to-many relations changed
 *
 * Columns go by their names in the database, which subscriber, outbox and SQL have in common. A writer moves all that
 * can be carried by anybody; a reader carries those of one value or none, as a vector is an "or".
 */

type Column = EntityMetadata['columns'][number];

/** A version of a row, as far as it is known: the first source that has a value wins. */
export interface RowValues {
  readonly sources: readonly ObjectLiteral[];
  /** A new row: what has no value and no default is NULL. */
  readonly inserted: boolean;
}

/** What became of the row. 'came-or-went'; the columns that an update changed (none: any); or only its relations. */
export type RowChange = 'came-or-went' | 'relations' | { readonly columns: readonly Column[] };

const MAX_NARROWING = 6;
/** Above so many the any-row tag stands for them: all tracked entries of the entity go. */
const MAX_TAGS = 100;
const MAX_TEXT = 100;

/** Of rows with `value` in `column`, or of all. */
export function tableTag(type: string, narrowed?: { column: string; text: string }): string {
  return narrowed === undefined ? `entity:${type}?` : `entity:${type}?${narrowed.column}=${narrowed.text}`;
}

export function columnTag(table: string, column: string): string {
  return `${table}/${column}`;
}

export const ANY_COLUMN = '*';
/** In place of a value that the writer does not know: carried by everybody who is narrowed by the column. */
export const NOT_KNOWN = '?';

export function relationsTag(type: string): string {
  return `entity:${type}?~`;
}

/** Everything that such a write moves beside the row's own tag. */
export function movedTags(
  type: string,
  metadata: EntityMetadata,
  versions: readonly RowValues[],
  change: RowChange,
): string[] {
  if (change === 'relations') return [relationsTag(type)];
  const tags = new Set<string>();
  const tables = new Set([tableTag(type)]);
  const came = change === 'came-or-went';
  const changed = came ? new Set<string>() : changedNames(metadata, change.columns, versions);
  for (const column of narrowingColumns(metadata)) {
    const name = column.databaseName;
    for (const version of versions) {
      const text = valueOf(column, version);
      if (text === null) continue;
      const table = tableTag(type, { column: name, text });
      tables.add(table);
      if (changed.has(name)) tags.add(table);
    }
  }
  for (const table of tables) {
    if (came) tags.add(table);
    else for (const name of [...changed, ANY_COLUMN]) tags.add(columnTag(table, name));
  }
  // The database deletes a row's relations with it, and no event tells.
  const mayBeDeleted = came && versions.some(({ inserted }) => !inserted);
  if (mayBeDeleted && metadata.manyToManyRelations.length > 0) tags.add(relationsTag(type));
  return tags.size > MAX_TAGS ? [anyRowTag(type)] : [...tags];
}

const narrowing = new WeakMap<EntityMetadata, readonly Column[]>();

/**
 * The columns by which lists are told apart: foreign keys, parts of a composite primary key, what is unique, what an index
 * begins with. By the metadata alone, which all nodes have in common. Only types of whose values there is one text, the same in
 * SQL, in an entity and in JSON.
 */
export function narrowingColumns(metadata: EntityMetadata): readonly Column[] {
  let columns = narrowing.get(metadata);
  if (!columns) {
    const candidates = [
      ...metadata.relations.flatMap(({ isOwning, isManyToMany, joinColumns }) =>
        isOwning && !isManyToMany && joinColumns.length === 1 ? joinColumns : [],
      ),
      ...(metadata.hasMultiplePrimaryKeys ? metadata.primaryColumns : []),
      ...metadata.uniques.flatMap((unique) => unique.columns.slice(0, 1)),
      ...metadata.indices.flatMap((index) => index.columns.slice(0, 1)),
    ];
    // Rows of one table by several entities, each with columns of its own.
    const shared = metadata.childEntityMetadatas.length > 0 || metadata.parentEntityMetadata !== undefined;
    columns = shared ? [] : [...new Set(candidates)].filter(hasOneText).slice(0, MAX_NARROWING);
    narrowing.set(metadata, columns);
  }
  return columns;
}

function hasOneText(column: Column): boolean {
  return (
    textKind(column) !== null &&
    !column.isArray &&
    !column.transformer &&
    !column.asExpression &&
    !column.isVirtualProperty &&
    !column.collation &&
    column.isSelect &&
    !(column.isPrimary && !column.entityMetadata.hasMultiplePrimaryKeys)
  );
}

function textKind(column: Column): 'integer' | 'text' | 'uuid' | 'boolean' | null {
  switch (column.entityMetadata.dataSource.driver.normalizeType(column)) {
    case 'smallint':
    case 'integer':
    case 'bigint':
      return 'integer';
    case 'character varying':
    case 'text':
    case 'enum':
      return 'text';
    case 'uuid':
      return 'uuid';
    case 'boolean':
      return 'boolean';
    default:
      return null;
  }
}

/** The one text of a value of this column; undefined: it has none that is sure to be the same everywhere. */
export function textOf(column: Column, value: unknown): string | undefined {
  switch (textKind(column)) {
    case 'integer':
      if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value)))
        return String(value);
      return typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? String(BigInt(value)) : undefined;
    case 'uuid':
      return typeof value === 'string' && /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(value)
        ? value.toLowerCase()
        : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? String(value) : undefined;
    case 'text':
      if (typeof value !== 'string') return undefined;
      if (value.length <= MAX_TEXT && !/\p{Surrogate}/u.test(value)) return encodeURIComponent(value);
      return `~${createHash('sha256').update(value, 'utf16le').digest('hex').slice(0, 40)}`;
    default:
      return undefined;
  }
}

/** Null: NULL, which no equality finds. */
function valueOf(column: Column, { sources, inserted }: RowValues): string | null {
  for (const source of sources) {
    const value = readColumn(column, source);
    if (value === null) return null;
    if (value !== undefined) return textOf(column, value) ?? NOT_KNOWN;
  }
  const isNull = inserted && column.default === undefined && !column.isGenerated && !column.generatedIdentity;
  return isNull ? null : NOT_KNOWN;
}

/** As getEntityValue, without waking a lazy relation, which would load it. */
function readColumn(column: Column, source: ObjectLiteral): unknown {
  const { relationMetadata: relation, embeddedMetadata } = column;
  if (!relation?.isLazy) return column.getEntityValue(source);
  const loaded: unknown = source[`__${relation.propertyName}__`];
  if (typeof loaded === 'object' && loaded !== null) return column.referencedColumn?.getEntityValue(loaded);
  return column.isVirtual || embeddedMetadata ? undefined : source[column.propertyName];
}

function changedNames(
  metadata: EntityMetadata,
  reported: readonly Column[],
  versions: readonly RowValues[],
): Set<string> {
  // TypeORM reports more than changes: relations that are null and were not loaded, for one.
  const columns = reported.filter((column) => !isSame(column, versions));
  if (reported.length === 0) return new Set(metadata.columns.map(({ databaseName }) => databaseName));
  // TypeORM and the database move these themselves, and nobody reports them.
  const moving = metadata.columns.filter(
    (column) =>
      column.isUpdateDate || column.isVersion || column.asExpression !== undefined || column.onUpdate,
  );
  return new Set([...columns, ...moving].map(({ databaseName }) => databaseName));
}

/** Known before and after, and the same. */
function isSame(column: Column, versions: readonly RowValues[]): boolean {
  if (versions.length < 2) return false;
  const [before, ...after] = versions.map(({ sources }) =>
    sources.map((source) => readColumn(column, source)).find((value) => value !== undefined),
  );
  if (before === undefined || (typeof before === 'object' && before !== null)) return false;
  return after.every((value) => value === before);
}
