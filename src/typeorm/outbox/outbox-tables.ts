import type { OutboxNames } from './outbox-names.js';
import { quoteName, quoteText } from './identifiers.js';

/** Of tables and triggers alike; another one is re-installed. */
export const OUTBOX_VERSION = 1;

/** Set by the pool connections of a node with a subscriber: `SET strata.node = '<id>'`. */
export const NODE_SETTING = 'strata.node';

/**
 * The outbox: one row per statement that changed rows of a marked entity, written by triggers in the writer's
 * transaction. Which entries that means is worked out by the reader, in TypeScript.
 *
 * The primary key begins with the transaction: a reader asks for "everything from this transaction on", which one
 * index answers, and which no late COMMIT escapes (the order of a sequence is not the order of commits).
 */
export function createTablesSql(names: OutboxNames): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${names.rows} (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 32),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  writer text,
  source text,
  op "char" NOT NULL,
  old json,
  new json,
  change json,
  PRIMARY KEY (xid, id)
)`,
    comment(
      names.rows,
      `nestjs-strata outbox, version ${OUTBOX_VERSION}: writes that caches have to hear of`,
    ),
    column(
      names.rows,
      'writer',
      'the node whose subscriber hears of the write as well; null or empty: a stranger',
    ),
    column(names.rows, 'source', 'the table, as the entity names it; null with change'),
    column(names.rows, 'op', 'I insert, U update, D delete, T truncate, C change'),
    column(names.rows, 'old', 'array of the rows before; with new also null: rows unknown'),
    column(names.rows, 'new', 'array of the rows after'),
    column(names.rows, 'change', 'an invalidation written by the application'),
    `CREATE TABLE IF NOT EXISTS ${names.applied} (
  xid xid8 NOT NULL,
  id bigint NOT NULL,
  consumer text NOT NULL,
  PRIMARY KEY (xid, id, consumer)
)`,
    comment(names.applied, 'which caches (by data set) have applied which rows'),
    `CREATE TABLE IF NOT EXISTS ${names.consumers} (
  consumer text NOT NULL PRIMARY KEY,
  seen timestamptz NOT NULL DEFAULT clock_timestamp(),
  floor xid8 NOT NULL DEFAULT '0'
)`,
    comment(names.consumers, 'who still reads; rows wait for all that were seen within the retention'),
    column(
      names.consumers,
      'floor',
      'rows of earlier transactions count as applied: the cache was cleared instead',
    ),
  ];
}

export function dropTablesSql(names: OutboxNames): string[] {
  return [names.consumers, names.applied, names.rows].map((table) => `DROP TABLE IF EXISTS ${table}`);
}

function comment(table: string, text: string): string {
  return `COMMENT ON TABLE ${table} IS ${quoteText(text)}`;
}

function column(table: string, name: string, text: string): string {
  return `COMMENT ON COLUMN ${table}.${quoteName(name)} IS ${quoteText(text)}`;
}
