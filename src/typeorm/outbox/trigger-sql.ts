import {
  hashedName,
  quoteName,
  quoteTable,
  quoteText,
  dollarQuoted,
  shortHash,
  type TableName,
} from './identifiers.js';
import type { OutboxNames } from './outbox-names.js';
import { NODE_SETTING, OUTBOX_VERSION } from './outbox-tables.js';

/** A table whose writes are recorded. */
export interface TriggerPlan {
  /** What the rows of the outbox are filed under. */
  readonly source: string;
  readonly table: TableName;
  /** Recorded of a row that is too large. */
  readonly primaryColumns: readonly string[];
  /** Null: all. */
  readonly columns: readonly string[] | null;
  /** Above so many rows a statement counts as "rows unknown". */
  readonly maxRows: number;
  readonly notify: boolean;
}

/** Rows above this, in bytes of JSON, are recorded by their primary key only. */
export const MAX_ROW_BYTES = 8192;

const EVENTS = [
  { suffix: 'i', op: 'I', event: 'INSERT', tables: ['new'] },
  { suffix: 'u', op: 'U', event: 'UPDATE', tables: ['old', 'new'] },
  { suffix: 'd', op: 'D', event: 'DELETE', tables: ['old'] },
  { suffix: 't', op: 'T', event: 'TRUNCATE', tables: [] },
] as const;

type Event = (typeof EVENTS)[number];

/** The triggers that a complete table has, by name. */
export function triggerNames(names: OutboxNames): string[] {
  return EVENTS.map(({ suffix }) => `${names.table}_${suffix}`);
}

/** The functions behind them, in the same order. */
export function functionNames(names: OutboxNames, plan: TriggerPlan): TableName[] {
  return EVENTS.map((event) => functionName(names, plan, event));
}

function functionName(names: OutboxNames, plan: TriggerPlan, { suffix }: Event): TableName {
  return {
    schema: names.schema,
    name: hashedName(
      `${names.table}_of_${suffix}_${plan.table.name}`,
      `${plan.table.schema}.${plan.table.name}`,
    ),
  };
}

/** Says which version the functions are of; kept as their comment. */
export function fingerprint(names: OutboxNames, plan: TriggerPlan): string {
  const bodies = EVENTS.map((event) => functionBody(names, plan, event));
  return `nestjs-strata outbox ${OUTBOX_VERSION} ${shortHash(bodies.join(), 16)}`;
}

/**
 * The functions behind the triggers of a table. One INSERT per statement, by the transition tables, so that a bulk
 * UPDATE costs one row here and not a hundred thousand.
 *
 * They refer to no column: one that a migration drops or renames must not make writes fail. Writers need no rights on
 * the outbox (SECURITY DEFINER). They cannot slip it other objects, as every name and operator says its schema; that does
 * what `SET search_path` does, without its 6 microseconds per call.
 *
 * Cost is what everybody pays on every write (test/bench/outbox-cost.mjs): most of it is PostgreSQL's for making ready to
 * run a query, and about a microsecond for each expression of PL/pgSQL in each transaction. So each kind of write has a
 * function of its own, which asks for nothing, and a statement of one row has a query without aggregates. json, not jsonb:
 * it is only copied here, and read elsewhere. What was tried instead, a trigger per row above all, is in docs/outbox.md.
 */
export function createFunctionsSql(names: OutboxNames, plan: TriggerPlan): string[] {
  const comment = quoteText(fingerprint(names, plan));
  return EVENTS.flatMap((event) => {
    const name = quoteTable(functionName(names, plan, event));
    return [
      `CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS ${dollarQuoted(functionBody(names, plan, event))}`,
      `REVOKE ALL ON FUNCTION ${name}() FROM PUBLIC`,
      `COMMENT ON FUNCTION ${name}() IS ${comment}`,
    ];
  });
}

/** @param relation the table itself, or a partition or child of it */
export function createTriggersSql(names: OutboxNames, plan: TriggerPlan, relation: TableName): string[] {
  return EVENTS.map((event) => {
    const referencing = event.tables.map((table) => `${table.toUpperCase()} TABLE AS strata_${table} `);
    const from = referencing.length > 0 ? `REFERENCING ${referencing.join('')}` : '';
    return (
      `CREATE OR REPLACE TRIGGER ${quoteName(`${names.table}_${event.suffix}`)} ` +
      `AFTER ${event.event} ON ${quoteTable(relation)} ${from}` +
      `FOR EACH STATEMENT EXECUTE FUNCTION ${quoteTable(functionName(names, plan, event))}()`
    );
  });
}

function functionBody(names: OutboxNames, plan: TriggerPlan, { op, tables }: Event): string {
  const insert = (values: string): string =>
    `INSERT INTO ${names.rows} (source, op, writer, ${tables.length > 0 ? tables.join(', ') : 'old, new'})
    SELECT ${quoteText(plan.source)}, '${op}', ${writer(names, plan)}, ${values};`;
  const [first] = tables;
  if (!first)
    return `
BEGIN
  ${insert('NULL, NULL')}
  RETURN NULL;
END;
`;
  const list = (each: (table: string) => string, separator = ', '): string =>
    tables.map(each).join(separator);
  return `
BEGIN
  ${insert(`${list((table) => `x.${table}_row`)}
    FROM (SELECT ${list((table) => `pg_catalog.json_build_array(${recorded(plan, table)}) AS ${table}_row`)}
      FROM ${list((table) => `strata_${table}`)} LIMIT 1) AS x
    WHERE NOT EXISTS (SELECT FROM strata_${first} OFFSET 1)
      AND ${list((table) => small(`x.${table}_row`), ' AND ')}`)}
  IF NOT FOUND THEN
    ${insert(`${list((table) => `${table}_rows.rows`)}
    FROM ${list((table) => `${manyRows(plan, table)} AS ${table}_rows`)}
    WHERE ${first}_rows.found OPERATOR(pg_catalog.>) 0`)}
  END IF;
  RETURN NULL;
END;
`;
}

function small(json: string): string {
  return `pg_catalog.pg_column_size(${json}) OPERATOR(pg_catalog.<=) ${MAX_ROW_BYTES}`;
}

/**
 * One more than allowed shows that there were more, without counting them all. LIMIT over single values: over whole rows it
 * would cost as much again.
 */
function manyRows(plan: TriggerPlan, table: string): string {
  const id = plan.primaryColumns.flatMap((name) => [
    quoteText(name),
    `x.j OPERATOR(pg_catalog.->) ${quoteText(name)}`,
  ]);
  return `(SELECT CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.<=) ${plan.maxRows} THEN pg_catalog.json_agg(
        CASE WHEN ${small('x.j')} THEN x.j ELSE pg_catalog.json_build_object(${id.join(', ')}) END) END AS rows,
        pg_catalog.count(*) AS found
      FROM (SELECT ${recorded(plan, table)} AS j FROM strata_${table} LIMIT ${plan.maxRows + 1}) AS x)`;
}

/** A row as JSON; `.*`, as a column of the name would come first. */
function recorded({ primaryColumns, columns }: TriggerPlan, table: string): string {
  const json = `pg_catalog.row_to_json(strata_${table}.*)`;
  if (!columns) return json;
  const picked = [...new Set([...primaryColumns, ...columns])].map(quoteText).join(', ');
  return `(SELECT pg_catalog.json_object_agg(e.key, e.value) FROM pg_catalog.json_each(${json}) AS e
        WHERE e.key OPERATOR(pg_catalog.=) ANY (ARRAY[${picked}]::pg_catalog.text[]))`;
}

/**
 * Who writes; a stranger's write is also announced, by an expression, as a statement of its own would cost more.
 *
 * NOTIFY takes a lock on the whole database until its transaction is committed: if every write did it, commits would go
 * one by one. So of the transactions under way one announces; the others are found with it, or by polling. A node's own
 * writes are not announced: nobody relays them before the node has had its time.
 */
function writer(names: OutboxNames, plan: TriggerPlan): string {
  const node = `pg_catalog.current_setting(${quoteText(NODE_SETTING)}, true)`;
  if (!plan.notify) return node;
  return `CASE WHEN coalesce(${node}, '') OPERATOR(pg_catalog.=) '' AND pg_catalog.pg_try_advisory_xact_lock(${names.locks.notify})
      THEN pg_catalog.pg_notify(${quoteText(names.channel)}, '')::pg_catalog.text ELSE ${node} END`;
}
