import type { TableName } from './identifiers.js';
import { functionNames, triggerNames, type TriggerPlan } from './trigger-sql.js';
import type { OutboxNames } from './outbox-names.js';
import type { Sql } from './sql-runner.js';

/** What the catalogs say of a tracked table. */
export interface Installed {
  /** Null: there is no such table. */
  readonly table: TableName | null;
  /** The table, its partitions and the tables that inherit from it, with our triggers that work there. */
  readonly relations: readonly (TableName & { readonly triggers: readonly string[] })[];
  readonly columns: readonly ColumnType[];
}

/** How a column's text is read: `oid` of the type, or of the elements of an array. */
export interface ColumnType {
  readonly name: string;
  readonly oid: number;
  readonly isArray: boolean;
}

/** Triggers with CREATE OR REPLACE, transition tables on partitions, xid8. */
const MINIMUM_VERSION = 140_000;

const RELATIONS = `
WITH RECURSIVE tree AS (
  SELECT $1::regclass::oid AS oid
  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON i.inhparent = tree.oid
)
SELECT n.nspname AS schema, c.relname AS name, ARRAY(
  SELECT t.tgname::text FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace
  WHERE t.tgrelid = c.oid AND t.tgenabled IN ('O', 'A') AND t.tgname = ANY ($2::text[])
    AND p.proname = ANY ($3::text[]) AND f.nspname = $4
) AS triggers
FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') ORDER BY c.oid <> $1::regclass::oid, 1, 2`;

const COLUMNS = `
SELECT a.attname AS name, t.typcategory = 'A' AS "isArray",
  CASE WHEN t.typcategory = 'A' THEN t.typelem WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END::int8::int AS oid
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

export async function serverTooOld(sql: Sql): Promise<string | null> {
  const [row] = await sql<{ version: number; name: string }>(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name`,
  );
  return row && row.version >= MINIMUM_VERSION ? null : (row?.name ?? 'unknown');
}

export async function currentSchema(sql: Sql): Promise<string> {
  const [row] = await sql<{ schema: string | null }>('SELECT current_schema() AS schema');
  return row?.schema ?? 'public';
}

/** The table a name stands for on this connection; null: none. */
export async function resolveTable(sql: Sql, quoted: string): Promise<TableName | null> {
  const [row] = await sql<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p')`,
    [quoted],
  );
  return row ?? null;
}

export async function columnsOf(sql: Sql, quoted: string): Promise<ColumnType[]> {
  return sql<ColumnType>(COLUMNS, [quoted]);
}

export async function relationsOf(
  sql: Sql,
  names: OutboxNames,
  plan: TriggerPlan,
  quoted: string,
): Promise<(TableName & { triggers: string[] })[]> {
  const functions = functionNames(names, plan).map(({ name }) => name);
  return sql(RELATIONS, [quoted, triggerNames(names), functions, names.schema]);
}

/** The comments of those of the functions that exist. */
export async function functionComments(sql: Sql, functions: readonly TableName[]): Promise<string[]> {
  const rows = await sql<{ comment: string | null }>(
    `SELECT obj_description(p.oid, 'pg_proc') AS comment FROM pg_catalog.pg_proc p
     JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     JOIN unnest($1::text[], $2::text[]) AS f (schema, name) ON f.schema = n.nspname AND f.name = p.proname
     WHERE p.pronargs = 0`,
    [functions.map(({ schema }) => schema), functions.map(({ name }) => name)],
  );
  return rows.map(({ comment }) => comment ?? '');
}

/** Of these tables, those on which the connection's role lacks a right that a relay needs; with the role. */
export async function withoutRights(
  sql: Sql,
  tables: readonly string[],
): Promise<{ role: string; tables: string[] }> {
  const rows = await sql<{ role: string; name: string }>(
    `SELECT current_user::text AS role, name FROM unnest($1::text[]) AS name
     WHERE NOT (SELECT bool_and(has_table_privilege(name, kind)) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS kind)`,
    [tables],
  );
  return { role: rows[0]?.role ?? '', tables: rows.map(({ name }) => name) };
}

/** All functions of this outbox, whichever application installed them. */
export async function outboxFunctions(sql: Sql, names: OutboxNames): Promise<TableName[]> {
  return sql<TableName>(
    `SELECT n.nspname AS schema, p.proname AS name FROM pg_catalog.pg_proc p
     JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = $1 AND starts_with(p.proname, $2) AND p.pronargs = 0
       AND starts_with(obj_description(p.oid, 'pg_proc'), 'nestjs-strata outbox ')`,
    [names.schema, `${names.table}_of_`],
  );
}
