import { quoteName, quoteTable } from './identifiers.js';
import { functionComments, relationsOf, serverTooOld, withoutRights } from './installed.js';
import { tablesExist } from './install.js';
import type { OutboxNames } from './outbox-names.js';
import { type OutboxTriggerOptions, resolveTriggerOptions } from './outbox.options.js';
import { type PlannedTable, planTables, resolveNames } from './plans.js';
import { dataSourceOf, type OutboxHost, reading, type Sql } from './sql-runner.js';
import { fingerprint, functionNames, triggerNames } from './trigger-sql.js';

/** Writes that the cache does not hear of, unless a subscriber sees them. */
export interface OutboxFinding {
  /** The marked entities concerned; empty: all. */
  entities: string[];
  /** The table, or one of its partitions; null: the outbox itself. */
  table: string | null;
  /** What is wrong, and what to do. */
  problem: string;
}

/** Compares the database with the marked entities. Changes nothing, takes no locks. */
export async function checkOutbox(
  host: OutboxHost,
  options: OutboxTriggerOptions = {},
): Promise<OutboxFinding[]> {
  const resolved = resolveTriggerOptions(options);
  return reading(host, async (sql) => {
    const names = await resolveNames(sql, dataSourceOf(host), resolved);
    return findings(sql, names, await planTables(sql, dataSourceOf(host), resolved));
  });
}

export async function findings(
  sql: Sql,
  names: OutboxNames,
  tables: readonly PlannedTable[],
): Promise<OutboxFinding[]> {
  const old = await serverTooOld(sql);
  if (old) return [{ entities: [], table: null, problem: `PostgreSQL ${old} is too old, 14 is needed` }];
  const found: OutboxFinding[] = [];
  if (!(await tablesExist(sql, names)))
    found.push({
      entities: [],
      table: null,
      problem: `the tables of ${names.rows} do not exist: install the outbox`,
    });
  else {
    const { role, tables: closed } = await withoutRights(sql, [names.rows, names.applied, names.consumers]);
    if (closed.length > 0)
      found.push({
        entities: [],
        table: null,
        problem: `the role "${role}" may not relay: GRANT SELECT, INSERT, UPDATE, DELETE ON ${closed.join(', ')} TO ${quoteName(role)}`,
      });
  }
  for (const table of tables) found.push(...(await findingsOf(sql, names, table)));
  return found;
}

async function findingsOf(
  sql: Sql,
  names: OutboxNames,
  { tracked, plan, columns }: PlannedTable,
): Promise<OutboxFinding[]> {
  const entities = [...tracked.entities];
  if (!plan) return [{ entities, table: tracked.path, problem: 'the table does not exist' }];
  const found: OutboxFinding[] = [];
  const wanted = fingerprint(names, plan);
  const comments = await functionComments(sql, functionNames(names, plan));
  if (comments.some((comment) => comment !== wanted))
    found.push({
      entities,
      table: tracked.path,
      problem: `its triggers were made for other options or another primary key, table or version: install again`,
    });
  for (const { schema, name, triggers } of await relationsOf(sql, names, plan, quoteTable(plan.table))) {
    const missing = triggerNames(names).filter((trigger) => !triggers.includes(trigger));
    if (missing.length === 0) continue;
    const own = schema === plan.table.schema && name === plan.table.name;
    found.push({
      entities,
      table: own ? tracked.path : `${schema}.${name}`,
      problem: `${own ? '' : `writes that name this partition or child of ${tracked.path} directly: `}no working trigger ${missing.join(', ')}: install the outbox`,
    });
  }
  const existing = new Set(columns.map((column) => column.name));
  const lost = tracked.roots
    .flatMap((root) => root.columns)
    .filter((column) => !existing.has(column.databaseName));
  if (lost.length > 0)
    found.push({
      entities,
      table: tracked.path,
      problem: `the table has no column ${[...new Set(lost.map((column) => column.databaseName))].join(', ')}: writes count as of unknown rows where keys or tags need it`,
    });
  return found;
}
