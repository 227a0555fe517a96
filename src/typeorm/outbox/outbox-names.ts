import { InvalidOptionsError } from '#tiered-cache';
import { lockKey, quoteTable, type TableName } from './identifiers.js';

/** What the outbox's objects are called in the database. */
export interface OutboxNames {
  readonly schema: string;
  readonly table: string;
  /** Quoted, with the schema. */
  readonly rows: string;
  readonly applied: string;
  readonly consumers: string;
  /** Of NOTIFY. */
  readonly channel: string;
  /** Advisory locks: held while installing; while announcing a write; while cleaning up. */
  readonly locks: { readonly install: string; readonly notify: string; readonly clean: string };
}

export const DEFAULT_TABLE = 'strata_outbox';

/** So that the names made from it stay below PostgreSQL's 63 bytes. */
const TABLE = /^[A-Za-z_][A-Za-z0-9_]{0,39}$/;

/** @throws InvalidOptionsError */
export function outboxNames({ schema, name: table }: TableName): OutboxNames {
  if (!TABLE.test(table))
    throw new InvalidOptionsError(
      'outbox.table',
      table,
      'a letter or "_", then letters, digits or "_", at most 40 characters; the schema is an option of its own',
    );
  const name = (suffix: string): string => quoteTable({ schema, name: table + suffix });
  return {
    schema,
    table,
    rows: name(''),
    applied: name('_applied'),
    consumers: name('_consumers'),
    channel: table,
    locks: {
      install: lockKey(`${schema}.${table}/install`),
      notify: lockKey(`${schema}.${table}/notify`),
      clean: lockKey(`${schema}.${table}/clean`),
    },
  };
}
