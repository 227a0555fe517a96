import { type Duration, durationMs, InvalidOptionsError } from '#tiered-cache';
import { DEFAULT_TABLE } from './outbox-names.js';

/** What is installed in the database. Node and migration must say the same. */
export interface OutboxTriggerOptions {
  /** Name of the table, and first part of the names of the others. Default 'strata_outbox'. */
  table?: string;
  /** Its schema. Default: the data source's `schema`, else the connection's current one. */
  schema?: string;
  /**
   * By entity name, the properties to record of a row; besides the primary key, which always is. Default: every column.
   * Name all that `keys`, `tags` and `listColumns` use: of what is not recorded, a write counts as one of unknown rows.
   */
  columns?: Readonly<Record<string, readonly string[]>>;
  /** A statement that changes more rows counts as one of unknown rows; 1 to 10,000. Default 1,000. */
  maxRows?: number;
  /** Wake the relays by NOTIFY. Default true; false where transactions are prepared (two-phase commit). */
  notify?: boolean;
}

export interface OutboxOptions extends OutboxTriggerOptions {
  /**
   * At start: 'check' says which writes cannot be seen, 'auto' installs what is missing (refused where NODE_ENV is
   * production: use a migration), 'off' does neither. Default 'check'.
   */
  install?: 'auto' | 'check' | 'off';
  /** How long rows are kept; 1 minute to 1 day. Default 10 minutes. */
  retention?: Duration;
  /** Between two looks without a NOTIFY; 10 ms to 1 minute. Default 1 s. */
  relayInterval?: Duration;
  /** How long rows are left to the node that wrote them; 0 to 1 minute. Default 1 s. */
  writerLead?: Duration;
}

export interface ResolvedTriggerOptions {
  table: string;
  schema: string | undefined;
  columns: Readonly<Record<string, readonly string[]>>;
  maxRows: number;
  notify: boolean;
}

export interface ResolvedOutboxOptions extends ResolvedTriggerOptions {
  install: 'auto' | 'check' | 'off';
  retentionMs: number;
  relayIntervalMs: number;
  writerLeadMs: number;
}

const TRIGGER_OPTIONS = ['table', 'schema', 'columns', 'maxRows', 'notify'];
const OPTIONS = [...TRIGGER_OPTIONS, 'install', 'retention', 'relayInterval', 'writerLead'];
const MODES = ['auto', 'check', 'off'];

/** @throws InvalidOptionsError naming the option. */
export function resolveTriggerOptions(options: OutboxTriggerOptions = {}): ResolvedTriggerOptions {
  known(options, TRIGGER_OPTIONS);
  return resolveTriggers(options);
}

/** @throws InvalidOptionsError naming the option. */
export function resolveOutboxOptions(options: OutboxOptions): ResolvedOutboxOptions {
  known(options, OPTIONS);
  const { install = 'check', retention = '10m', relayInterval = '1s', writerLead = '1s' } = options;
  if (!MODES.includes(install)) throw wrong('install', install, "'auto', 'check' or 'off'");
  return {
    ...resolveTriggers(options),
    install,
    retentionMs: span('retention', retention, 60_000, 86_400_000),
    relayIntervalMs: span('relayInterval', relayInterval, 10, 60_000),
    writerLeadMs: span('writerLead', writerLead, 0, 60_000),
  };
}

function resolveTriggers(options: OutboxTriggerOptions): ResolvedTriggerOptions {
  const { table = DEFAULT_TABLE, schema, columns = {}, maxRows = 1_000, notify = true } = options;
  if (typeof table !== 'string' || table === '') throw wrong('table', table, 'the name of a table');
  if (schema !== undefined && (typeof schema !== 'string' || schema === ''))
    throw wrong('schema', schema, 'the name of a schema');
  if (typeof columns !== 'object' || columns === null)
    throw wrong('columns', columns, "properties by entity, { Instrument: ['symbol'] }");
  for (const [entity, names] of Object.entries(columns))
    if (!Array.isArray(names) || !names.every((name) => typeof name === 'string'))
      throw wrong(`columns.${entity}`, names, 'a list of properties');
  if (!Number.isInteger(maxRows) || maxRows < 1 || maxRows > 10_000)
    throw wrong('maxRows', maxRows, 'a whole number, 1 to 10000');
  if (typeof notify !== 'boolean') throw wrong('notify', notify, 'true or false');
  return { table, schema, columns, maxRows, notify };
}

function known(options: object, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw wrong('options', options, 'an object');
  for (const name of Object.keys(options))
    if (!names.includes(name))
      throw wrong(name, options[name as never], `no such option; there are ${names.join(', ')}`);
}

function span(option: string, value: Duration, min: number, max: number): number {
  const ms = durationMs(value);
  if (!(ms >= min && ms <= max)) throw wrong(option, value, `a duration of ${min} to ${max} ms`);
  return ms;
}

function wrong(option: string, value: unknown, allowed: string): InvalidOptionsError {
  return new InvalidOptionsError(`outbox.${option}`, value, allowed);
}
