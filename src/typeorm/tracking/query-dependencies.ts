import type { DataSource, EntityMetadata } from 'typeorm';
import { anyRowTag, type EntityId, type EntityIdPart, entityTag } from '../entity-tag.js';
import type { MarkedEntity } from '../marked-entity.js';
import type { MarkRegistry } from '../mark-registry.js';
import { analyseSelect, type Constant, type SelectAnalysis, type TableUse } from './select-analysis.js';
import {
  ANY_COLUMN,
  columnTag,
  narrowingColumns,
  NOT_KNOWN,
  relationsTag,
  tableTag,
  textOf,
} from './table-tags.js';

type Column = EntityMetadata['columns'][number];

/** What one statement depends on. */
export interface QueryDependencies {
  /** Known before it is sent. */
  readonly tags: readonly string[];
  /** Of the rows that it answered. */
  rowTags(rows: readonly Record<string, unknown>[]): string[];
}

/** Rows of one table in one answer; above, any update of what was searched stands for them. */
const MAX_ROWS = 200;
/** Values that a column is compared with; above, the list counts as one of all rows. */
const MAX_VALUES = 20;
const MAX_TAGS_PER_TABLE = 100;
const MAX_STATEMENTS = 500;

/** Says what SELECTs on one data source depend on, in the tags that its writes move. */
export class QueryReader {
  private readonly byPath = new Map<string, EntityMetadata>();
  private readonly columns = new Map<string, ReadonlySet<string>>();
  /** By SQL: the same few statements come again and again. */
  private readonly analysed = new Map<string, SelectAnalysis>();

  constructor(
    dataSource: DataSource,
    private readonly marks: MarkRegistry,
  ) {
    for (const metadata of dataSource.entityMetadatas) {
      // Entities of one table: the one that all rows are of.
      if (metadata.tableType === 'entity-child') continue;
      this.byPath.set(metadata.tablePath, metadata);
      const all = [metadata, ...metadata.childEntityMetadatas].flatMap((one) => one.columns);
      this.columns.set(metadata.tablePath, new Set(all.map((column) => column.databaseName)));
    }
  }

  /** Text: why nobody can say. */
  read(sql: string, parameters: readonly unknown[]): QueryDependencies | string {
    const analysis = this.analyse(sql);
    if ('problem' in analysis) return analysis.problem;
    const tags = new Set<string>();
    const readers: ((rows: readonly Record<string, unknown>[]) => string[])[] = [];
    for (const use of analysis.tables) {
      const metadata = this.byPath.get(use.path);
      if (!metadata) return `no entity has the table ${use.path}`;
      if (metadata.tableType === 'view') return `${metadata.name} is a view`;
      const entities = metadata.isJunction ? this.marks.concerned(metadata).unknown : this.entity(metadata);
      if (entities.length === 0) return `${metadata.name} is not marked with @CachedEntity for this cache`;
      if (metadata.isJunction) {
        for (const { type } of entities) tags.add(anyRowTag(type)).add(relationsTag(type));
        continue;
      }
      const reader = new TableReader(entities[0]!.type, metadata, use, parameters, this.isForeignKey(use));
      for (const tag of reader.tags()) tags.add(tag);
      readers.push((rows) => reader.rowTags(rows));
    }
    return { tags: [...tags], rowTags: (rows) => readers.flatMap((read) => read(rows)) };
  }

  private entity(metadata: EntityMetadata): MarkedEntity[] {
    return this.marks.concerned(metadata).row.slice(0, 1);
  }

  private analyse(sql: string): SelectAnalysis {
    let analysis = this.analysed.get(sql);
    if (!analysis) {
      analysis = analyseSelect(sql, (path) => this.columns.get(path));
      if (this.analysed.size >= MAX_STATEMENTS) this.analysed.clear();
      this.analysed.set(sql, analysis);
    }
    return analysis;
  }

  /** Is it joined by its whole primary key to a foreign key? Then a new row can be in no answer before another row changes. */
  private isForeignKey(use: TableUse): boolean {
    const metadata = this.byPath.get(use.path);
    const ids = metadata?.primaryColumns.map((column) => column.databaseName) ?? [];
    if (ids.length === 0) return false;
    return use.joinedBy.some(({ path }) => {
      const joined = use.joinedBy.filter((one) => one.path === path);
      return this.byPath
        .get(path)
        ?.foreignKeys.some(
          (key) =>
            key.referencedEntityMetadata === metadata &&
            key.referencedColumnNames.length === ids.length &&
            key.referencedColumnNames.every(
              (id, i) =>
                ids.includes(id) &&
                joined.some(({ column, other }) => column === id && other === key.columnNames[i]),
            ),
        );
    });
  }
}

/** One table of one statement. */
class TableReader {
  private readonly isId: ReadonlySet<string>;

  constructor(
    private readonly type: string,
    private readonly metadata: EntityMetadata,
    private readonly use: TableUse,
    private readonly parameters: readonly unknown[],
    private readonly byForeignKey: boolean,
  ) {
    this.isId = new Set(metadata.primaryColumns.map((column) => column.databaseName));
  }

  tags(): string[] {
    return [anyRowTag(this.type), ...(this.idTags() ?? this.searchTags(this.use.usesAll))];
  }

  rowTags(rows: readonly Record<string, unknown>[]): string[] {
    const { metadata, type, use } = this;
    if (!this.showsRows || rows.length === 0) return [];
    const names = metadata.primaryColumns.map((column) => ({
      column,
      name: use.shown.get(column.databaseName)!,
    }));
    const tags = new Set<string>();
    for (const row of rows) {
      const parts = names.map(({ column, name }) => hydrated(column, row[name]));
      // Of a LEFT JOIN that found nothing.
      if (parts.some((part) => part === null || part === undefined)) continue;
      tags.add(entityTag(type, (parts.length === 1 ? parts[0] : parts) as EntityId));
      if (tags.size > MAX_ROWS) return [...this.searchTags(true), tableTag(type)];
    }
    return [...tags];
  }

  /** Are the rows in the answer, each with its key? */
  private get showsRows(): boolean {
    return this.metadata.primaryColumns.every((column) => this.use.shown.has(column.databaseName));
  }

  /** Every row that can matter is known by its key. */
  private idTags(): string[] | null {
    let ids: string[][] = [[]];
    for (const column of this.metadata.primaryColumns) {
      const constants = this.use.equals.get(column.databaseName);
      if (!constants) return null;
      const parts = constants.map((one) => this.idPart(column, one));
      if (parts.some((part) => part === undefined)) return null;
      ids = ids.flatMap((id) => parts.map((part) => [...id, part!]));
      if (ids.length > MAX_ROWS) return null;
    }
    return ids.map((id) => entityTag(this.type, id.length === 1 ? id[0]! : id));
  }

  /** What came or went, and which updates can have changed what was found. */
  private searchTags(anyColumn: boolean): string[] {
    const { type, use } = this;
    const narrowed = this.narrowed();
    const tables = narrowed
      ? [...narrowed.texts, NOT_KNOWN].map((text) => tableTag(type, { column: narrowed.column, text }))
      : [tableTag(type)];
    const shown = this.showsRows ? new Set<string>() : new Set(use.shown.keys());
    const columns = [...new Set([...use.used, ...shown])].filter(
      (name) => !this.isId.has(name) && name !== narrowed?.column,
    );
    const all = anyColumn || columns.length * tables.length > MAX_TAGS_PER_TABLE;
    const moving = tables.flatMap((table) =>
      all ? [columnTag(table, ANY_COLUMN)] : columns.map((name) => columnTag(table, name)),
    );
    return this.byForeignKey && !narrowed ? moving : [...tables, ...moving];
  }

  /** The column with the fewest values. */
  private narrowed(): { column: string; texts: string[] } | null {
    let best: { column: string; texts: string[] } | null = null;
    for (const column of narrowingColumns(this.metadata)) {
      const constants = this.use.equals.get(column.databaseName);
      if (!constants || constants.length > MAX_VALUES || (best && best.texts.length <= constants.length))
        continue;
      const texts = constants.map((one) => textOf(column, this.value(one)));
      if (texts.every((text) => text !== undefined)) best = { column: column.databaseName, texts };
    }
    return best;
  }

  private value(constant: Constant): unknown {
    if (constant.kind === 'parameter') return this.parameters[constant.index - 1];
    return constant.kind === 'boolean' ? constant.value : constant.text;
  }

  /** As `entityTag` has it of an entity; undefined where that is not sure. */
  private idPart(column: Column, constant: Constant): string | undefined {
    const value = this.value(constant);
    const kind = this.metadata.dataSource.driver.normalizeType(column);
    const known = ['smallint', 'integer', 'bigint', 'uuid', 'character varying', 'text', 'enum'].includes(
      kind,
    );
    if (!known || column.transformer || column.collation) return undefined;
    if (['character varying', 'text', 'enum'].includes(kind))
      return typeof value === 'string' ? value : undefined;
    return textOf(column, value);
  }
}

/** What an entity has in its property. */
function hydrated(column: Column, raw: unknown): EntityIdPart | null | undefined {
  if (raw === null || raw === undefined) return null;
  return column.entityMetadata.dataSource.driver.prepareHydratedValue(raw, column) as EntityIdPart;
}
