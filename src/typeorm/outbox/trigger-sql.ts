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
  { suffix: 'i', event: 'INSERT', referencing: 'REFERENCING NEW TABLE AS strata_new ' },
  {
    suffix: 'u',
    event: 'UPDATE',
    referencing: 'REFERENCING OLD TABLE AS strata_old NEW TABLE AS strata_new ',
  },
  { suffix: 'd', event: 'DELETE', referencing: 'REFERENCING OLD TABLE AS strata_old ' },
  { suffix: 't', event: 'TRUNCATE', referencing: '' },
] as const;

/** The triggers that a complete table has, by name. */
export function triggerNames(names: OutboxNames): string[] {
  return EVENTS.map(({ suffix }) => `${names.table}_${suffix}`);
}

export function functionName(names: OutboxNames, plan: TriggerPlan): TableName {
  return {
    schema: names.schema,
    name: hashedName(`${names.table}_of_${plan.table.name}`, `${plan.table.schema}.${plan.table.name}`),
  };
}

/** Says which version a function is of; kept as its comment. */
export function fingerprint(names: OutboxNames, plan: TriggerPlan): string {
  return `nestjs-strata outbox ${OUTBOX_VERSION} ${shortHash(functionBody(names, plan), 16)}`;
}

/**
 * The function behind the triggers of a table. One INSERT per statement, by the transition tables, so that a bulk
 * UPDATE costs one row here and not a hundred thousand.
 *
 * It refers to no column: one that a migration drops or renames must not make writes fail. Writers need no rights on the
 * outbox (SECURITY DEFINER). They cannot slip it other objects, as every name and operator says its schema; that does
 * what `SET search_path` does, without its 6 microseconds per call.
 *
 * Cost is what everybody pays on every write. json, not jsonb: it is only copied here, and read elsewhere.
 */
export function createFunctionSql(names: OutboxNames, plan: TriggerPlan): string[] {
  const name = quoteTable(functionName(names, plan));
  return [
    `CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS ${dollarQuoted(functionBody(names, plan))}`,
    `REVOKE ALL ON FUNCTION ${name}() FROM PUBLIC`,
    `COMMENT ON FUNCTION ${name}() IS ${quoteText(fingerprint(names, plan))}`,
  ];
}

/** @param relation the table itself, or a partition or child of it */
export function createTriggersSql(names: OutboxNames, plan: TriggerPlan, relation: TableName): string[] {
  const call = `${quoteTable(functionName(names, plan))}()`;
  return EVENTS.flatMap(({ suffix, event, referencing }) => {
    const trigger = quoteName(`${names.table}_${suffix}`);
    return [
      `CREATE OR REPLACE TRIGGER ${trigger} AFTER ${event} ON ${quoteTable(relation)} ` +
        `${referencing}FOR EACH STATEMENT EXECUTE FUNCTION ${call}`,
    ];
  });
}

export function dropTriggersSql(names: OutboxNames, relation: TableName): string[] {
  return triggerNames(names).map(
    (trigger) => `DROP TRIGGER IF EXISTS ${quoteName(trigger)} ON ${quoteTable(relation)}`,
  );
}

export function dropFunctionSql(name: TableName): string {
  return `DROP FUNCTION IF EXISTS ${quoteTable(name)}()`;
}

function functionBody(names: OutboxNames, plan: TriggerPlan): string {
  const source = quoteText(plan.source);
  const writer = `pg_catalog.current_setting(${quoteText(NODE_SETTING)}, true)`;
  // One more than allowed shows that there were more, without counting them all. LIMIT over single values: over whole
  // rows it would cost as much again.
  const rows = (table: string): string =>
    `(SELECT CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.<=) ${plan.maxRows} THEN pg_catalog.json_agg(${recorded(plan)}) END AS rows,
        pg_catalog.count(*) AS found
      FROM (SELECT pg_catalog.row_to_json(r) AS j FROM ${table} AS r LIMIT ${plan.maxRows + 1}) AS x)`;
  const insert = (op: string, old: string, now: string, from = ''): string =>
    `INSERT INTO ${names.rows} (source, op, writer, old, new)
    SELECT ${source}, '${op}', ${writer}, ${old}, ${now}${from};`;
  const where = (table: string): string => `\n    WHERE ${table}.found OPERATOR(pg_catalog.>) 0`;
  return `
BEGIN
  IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    ${insert('U', 'o.rows', 'n.rows', `\n    FROM ${rows('strata_old')} AS o, ${rows('strata_new')} AS n${where('o')}`)}
  ELSIF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
    ${insert('I', 'NULL', 'n.rows', `\n    FROM ${rows('strata_new')} AS n${where('n')}`)}
  ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
    ${insert('D', 'o.rows', 'NULL', `\n    FROM ${rows('strata_old')} AS o${where('o')}`)}
  ELSE
    ${insert('T', 'NULL', 'NULL')}
  END IF;${plan.notify ? notify(names) : ''}
  RETURN NULL;
END;
`;
}

/**
 * NOTIFY takes a lock on the whole database until its transaction is committed: if every write did it, commits would go
 * one by one. So of the transactions under way one announces; the others are found with it, or by polling. A node's own writes are not
 * announced: nobody relays them before the node has had its time. As a condition
 * it is evaluated without a query of its own.
 */
function notify(names: OutboxNames): string {
  return `
  IF FOUND AND coalesce(pg_catalog.current_setting(${quoteText(NODE_SETTING)}, true), '') OPERATOR(pg_catalog.=) ''
    AND pg_catalog.pg_try_advisory_xact_lock(${names.locks.notify})
    AND pg_catalog.pg_notify(${quoteText(names.channel)}, '') IS NULL THEN
    NULL;
  END IF;`;
}

/** Of `x.j`, a row as JSON. */
function recorded(plan: TriggerPlan): string {
  const pick = (columns: readonly string[]): string =>
    `(SELECT pg_catalog.json_object_agg(e.key, e.value) FROM pg_catalog.json_each(x.j) AS e
        WHERE e.key OPERATOR(pg_catalog.=) ANY (ARRAY[${columns.map(quoteText).join(', ')}]::pg_catalog.text[]))`;
  const all = plan.columns ? pick([...new Set([...plan.primaryColumns, ...plan.columns])]) : 'x.j';
  const id = plan.primaryColumns.flatMap((name) => [
    quoteText(name),
    `x.j OPERATOR(pg_catalog.->) ${quoteText(name)}`,
  ]);
  return `CASE WHEN pg_catalog.pg_column_size(x.j) OPERATOR(pg_catalog.<=) ${MAX_ROW_BYTES} THEN ${all} ELSE pg_catalog.json_build_object(${id.join(', ')}) END`;
}
