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

/** Rows above this, in bytes, are recorded by their primary key only. */
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
 * It names no column but the primary key's: a column that a migration drops or renames must not make writes fail.
 * Writers need no rights on the outbox (SECURITY DEFINER), and cannot slip it other objects (fixed search_path).
 */
export function createFunctionSql(names: OutboxNames, plan: TriggerPlan): string[] {
  const name = quoteTable(functionName(names, plan));
  return [
    `CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS ${dollarQuoted(functionBody(names, plan))}`,
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
  // One more than allowed: shows that there were more, without the cost of a count.
  const rows = (table: string): string =>
    `(SELECT jsonb_agg(${recorded(plan)}) AS rows FROM (SELECT * FROM ${table} LIMIT ${plan.maxRows + 1}) AS r)`;
  const insert = (op: string, old: string, now: string, from: string, where: string): string =>
    `INSERT INTO ${names.rows} (source, op, writer, old, new)
      SELECT ${source}, ${op}, nullif(current_setting(${quoteText(NODE_SETTING)}, true), ''), ${old}, ${now}${from}${where};`;
  const within = (rows: string): string =>
    `CASE WHEN jsonb_array_length(${rows}) <= ${plan.maxRows} THEN ${rows} END`;
  return `
BEGIN
  IF TG_OP = 'UPDATE' THEN
    ${insert("'U'", within('o.rows'), within('n.rows'), ` FROM ${rows('strata_old')} AS o, ${rows('strata_new')} AS n`, ' WHERE o.rows IS NOT NULL')}
  ELSIF TG_OP = 'INSERT' THEN
    ${insert("'I'", 'NULL', within('n.rows'), ` FROM ${rows('strata_new')} AS n`, ' WHERE n.rows IS NOT NULL')}
  ELSIF TG_OP = 'DELETE' THEN
    ${insert("'D'", within('o.rows'), 'NULL', ` FROM ${rows('strata_old')} AS o`, ' WHERE o.rows IS NOT NULL')}
  ELSE
    ${insert("'T'", 'NULL', 'NULL', '', '')}
  END IF;${plan.notify ? notify(names) : ''}
  RETURN NULL;
END;
`;
}

/**
 * NOTIFY takes a lock on the whole database until its transaction is committed: if every write did it, commits would go
 * one by one. So of the transactions under way one announces; the others are found with it, or by polling.
 */
function notify(names: OutboxNames): string {
  return `
  IF FOUND AND pg_try_advisory_xact_lock(${names.locks.notify}) THEN
    PERFORM pg_notify(${quoteText(names.channel)}, '');
  END IF;`;
}

function recorded(plan: TriggerPlan): string {
  const pick = (columns: readonly string[]): string =>
    `(SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(to_jsonb(r)) AS e WHERE e.key = ANY (ARRAY[${columns.map(quoteText).join(', ')}]::text[]))`;
  if (plan.columns) return pick([...new Set([...plan.primaryColumns, ...plan.columns])]);
  return `CASE WHEN pg_column_size(r) <= ${MAX_ROW_BYTES} THEN to_jsonb(r) ELSE ${pick(plan.primaryColumns)} END`;
}
