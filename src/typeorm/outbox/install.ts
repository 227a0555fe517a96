import { InvalidOptionsError } from '#tiered-cache';
import { quoteName, quoteTable } from './identifiers.js';
import { functionComments, outboxFunctions, relationsOf, serverTooOld } from './installed.js';
import { createTablesSql, dropTablesSql } from './outbox-tables.js';
import type { OutboxNames } from './outbox-names.js';
import { type OutboxTriggerOptions, resolveTriggerOptions } from './outbox.options.js';
import { planTables, resolveNames } from './plans.js';
import { dataSourceOf, inTransaction, type OutboxHost, type Sql } from './sql-runner.js';
import {
  createFunctionsSql,
  createTriggersSql,
  fingerprint,
  functionNames,
  triggerNames,
  type TriggerPlan,
} from './trigger-sql.js';

export interface OutboxInstallation {
  /** Tables that got triggers, or newer ones, now. */
  installed: string[];
  /** Tables whose triggers were up to date: not touched, not locked. */
  unchanged: string[];
  /** Tables of marked entities that do not exist in this database. */
  missing: string[];
}

/**
 * Creates the outbox and the triggers of every marked entity's table, with their partitions; what is up to date is left
 * alone. In the transaction of the query runner given, or in one of its own. Nodes that start together wait for each
 * other.
 * @throws InvalidOptionsError for a database or an option it cannot work with; the driver's errors
 */
export async function installOutbox(
  host: OutboxHost,
  options: OutboxTriggerOptions = {},
): Promise<OutboxInstallation> {
  const resolved = resolveTriggerOptions(options);
  const dataSource = dataSourceOf(host);
  return inTransaction(host, async (sql) => {
    const old = await serverTooOld(sql);
    if (old) throw new InvalidOptionsError('outbox: PostgreSQL', old, '14 or newer');
    const names = await resolveNames(sql, dataSource, resolved);
    await lock(sql, names);
    if (!(await tablesExist(sql, names))) {
      await createSchema(sql, names.schema);
      for (const statement of createTablesSql(names)) await sql(statement);
    }
    const result: OutboxInstallation = { installed: [], unchanged: [], missing: [] };
    for (const { tracked, plan } of await planTables(sql, dataSource, resolved)) {
      if (!plan) result.missing.push(tracked.path);
      else if (await installTable(sql, names, plan)) result.installed.push(tracked.path);
      else result.unchanged.push(tracked.path);
    }
    return result;
  });
}

/**
 * Removes all triggers of this outbox, also those of entities that are no longer marked and of other applications that
 * share it, and its tables.
 */
export async function uninstallOutbox(
  host: OutboxHost,
  options: Pick<OutboxTriggerOptions, 'table' | 'schema'> = {},
): Promise<void> {
  const resolved = resolveTriggerOptions({ table: options.table, schema: options.schema });
  await inTransaction(host, async (sql) => {
    const names = await resolveNames(sql, dataSourceOf(host), resolved);
    await lock(sql, names);
    // CASCADE: the triggers that call it.
    for (const name of await outboxFunctions(sql, names))
      await sql(`DROP FUNCTION ${quoteTable(name)}() CASCADE`);
    for (const statement of dropTablesSql(names)) await sql(statement);
  });
}

/** @returns whether something had to be done */
async function installTable(sql: Sql, names: OutboxNames, plan: TriggerPlan): Promise<boolean> {
  const wanted = triggerNames(names);
  const relations = await relationsOf(sql, names, plan, quoteTable(plan.table));
  const bare = relations.filter(({ triggers }) => !wanted.every((name) => triggers.includes(name)));
  const functions = functionNames(names, plan);
  const comments = await functionComments(sql, functions);
  const wantedComment = fingerprint(names, plan);
  const current =
    comments.length === functions.length && comments.every((comment) => comment === wantedComment);
  if (!current) for (const statement of createFunctionsSql(names, plan)) await sql(statement);
  for (const relation of bare)
    for (const statement of createTriggersSql(names, plan, relation)) await sql(statement);
  return !current || bare.length > 0;
}

export async function tablesExist(sql: Sql, names: OutboxNames): Promise<boolean> {
  const [row] = await sql<{ all: boolean }>(
    `SELECT bool_and(to_regclass(name) IS NOT NULL) AS all FROM unnest($1::text[]) AS name`,
    [[names.rows, names.applied, names.consumers]],
  );
  return row?.all ?? false;
}

/** IF NOT EXISTS would need rights on the database even where the schema is there. */
async function createSchema(sql: Sql, schema: string): Promise<void> {
  const [row] = await sql<{ there: boolean }>('SELECT to_regnamespace($1) IS NOT NULL AS there', [
    quoteName(schema),
  ]);
  if (!row?.there) await sql(`CREATE SCHEMA ${quoteName(schema)}`);
}

async function lock(sql: Sql, names: OutboxNames): Promise<void> {
  await sql('SELECT pg_advisory_xact_lock($1::bigint)', [names.locks.install]);
}
