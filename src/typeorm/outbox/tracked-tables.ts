import type { DataSource, EntityMetadata } from 'typeorm';
import { InvalidOptionsError } from '#tiered-cache';
import { marksOf } from '../cached-entity.decorator.js';

/** A table that triggers watch, with the entities that live in it. */
export interface TrackedTable {
  /** As TypeORM names it: `schema.table`, or `table`. What outbox rows are filed under. */
  readonly path: string;
  readonly schema: string | undefined;
  readonly name: string;
  /** Entities that are no child of another one in the same table; a junction table has its own. */
  readonly roots: readonly EntityMetadata[];
  readonly primaryColumns: readonly string[];
  /** Names of the marked entities that the table concerns. */
  readonly entities: readonly string[];
}

/** Is a row of this table a row of a marked entity, of whatever cache? */
export type Concerns = (metadata: EntityMetadata) => readonly string[];

/** The tables of all marked entities, with the junction tables between them; views have no triggers. */
export function trackedTables(dataSource: Pick<DataSource, 'entityMetadatas'>): TrackedTable[] {
  const tables = new Map<string, EntityMetadata[]>();
  for (const metadata of dataSource.entityMetadatas) {
    if (metadata.tableType === 'view' || metadata.tableType === 'entity-child') continue;
    if (markedIn(metadata).length === 0) continue;
    tables.set(metadata.tablePath, [...(tables.get(metadata.tablePath) ?? []), metadata]);
  }
  return [...tables].map(([path, roots]) => ({
    path,
    schema: roots[0]?.schema,
    name: roots[0]?.tableName ?? path,
    roots,
    primaryColumns: [
      ...new Set(roots.flatMap((root) => root.primaryColumns.map((column) => column.databaseName))),
    ],
    entities: [...new Set(roots.flatMap(markedIn))],
  }));
}

/**
 * The columns to record of a table, by the names of the database; null: all.
 * @param narrowed properties by entity name, as the option has them
 * @throws InvalidOptionsError for a property that the entity does not have
 */
export function recordedColumns(
  table: TrackedTable,
  narrowed: Readonly<Record<string, readonly string[]>>,
): string[] | null {
  const columns = new Set<string>();
  for (const root of table.roots) {
    const all = [root, ...root.childEntityMetadatas];
    const named = all.filter((metadata) => narrowed[metadata.name]);
    // Somebody in this table wants everything.
    if (named.length === 0) return null;
    for (const metadata of named)
      for (const path of narrowed[metadata.name] ?? []) {
        const column = metadata.findColumnWithPropertyPath(path);
        const joined = metadata.findRelationWithPropertyPath(path)?.joinColumns ?? [];
        if (!column && joined.length === 0)
          throw new InvalidOptionsError(`outbox.columns.${metadata.name}`, path, 'a column of that entity');
        for (const one of column ? [column] : joined) columns.add(one.databaseName);
      }
    for (const column of [root.discriminatorColumn, root.deleteDateColumn])
      if (column) columns.add(column.databaseName);
  }
  return [...columns];
}

function markedIn(metadata: EntityMetadata): string[] {
  const names = [metadata, ...metadata.childEntityMetadatas]
    .filter((one) => marksOf(one.target).length > 0)
    .map((one) => one.name);
  if (!metadata.isJunction) return names;
  return [...metadata.ownerColumns, ...metadata.inverseColumns].flatMap((column) =>
    column.referencedColumn ? markedIn(column.referencedColumn.entityMetadata) : [],
  );
}
