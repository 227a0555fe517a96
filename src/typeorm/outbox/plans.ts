import type { DataSource } from 'typeorm';
import { quoteName, quoteTable, type TableName } from './identifiers.js';
import { columnsOf, currentSchema, resolveTable, type ColumnType } from './installed.js';
import { type OutboxNames, outboxNames } from './outbox-names.js';
import type { ResolvedTriggerOptions } from './outbox.options.js';
import type { Sql } from './sql-runner.js';
import { recordedColumns, type TrackedTable, trackedTables } from './tracked-tables.js';
import type { TriggerPlan } from './trigger-sql.js';

/** A tracked table as this database has it. */
export interface PlannedTable {
  readonly tracked: TrackedTable;
  /** Null: the table does not exist. */
  readonly plan: TriggerPlan | null;
  readonly columns: readonly ColumnType[];
}

export async function resolveNames(
  sql: Sql,
  dataSource: DataSource,
  options: ResolvedTriggerOptions,
): Promise<OutboxNames> {
  const schema = options.schema ?? schemaOf(dataSource) ?? (await currentSchema(sql));
  return outboxNames({ schema, name: options.table });
}

/** @throws InvalidOptionsError for `columns` that the entities do not have */
export async function planTables(
  sql: Sql,
  dataSource: DataSource,
  options: ResolvedTriggerOptions,
): Promise<PlannedTable[]> {
  const planned: PlannedTable[] = [];
  for (const tracked of trackedTables(dataSource)) {
    const quoted = quotedPath(tracked, dataSource);
    const table = await resolveTable(sql, quoted);
    const columns = table ? await columnsOf(sql, quoteTable(table)) : [];
    planned.push({ tracked, plan: table && planOf(tracked, table, options), columns });
  }
  return planned;
}

function planOf(tracked: TrackedTable, table: TableName, options: ResolvedTriggerOptions): TriggerPlan {
  return {
    source: tracked.path,
    table,
    primaryColumns: tracked.primaryColumns,
    columns: recordedColumns(tracked, options.columns),
    maxRows: options.maxRows,
    notify: options.notify,
  };
}

function quotedPath({ schema, name }: TrackedTable, dataSource: DataSource): string {
  const where = schema ?? schemaOf(dataSource);
  return where === undefined ? quoteName(name) : quoteTable({ schema: where, name });
}

function schemaOf({ options }: DataSource): string | undefined {
  return 'schema' in options && typeof options.schema === 'string' ? options.schema : undefined;
}
