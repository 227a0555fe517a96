import type { InvalidationSelector } from '#tiered-cache';

/** A recorded row of a table: the text of each value by column, as PostgreSQL prints it; null is NULL. */
export type RecordedRow = Readonly<Record<string, string | null>>;

/** What somebody wrote, as the outbox has it. */
export interface OutboxRow {
  /** The transaction; a 64-bit number as text. */
  readonly xid: string;
  readonly id: string;
  /** Null: see `change`. */
  readonly source: string | null;
  readonly op: 'I' | 'U' | 'D' | 'T' | 'C';
  /** Null where there were none; both null: unknown rows. */
  readonly old: readonly RecordedRow[] | null;
  readonly new: readonly RecordedRow[] | null;
  readonly change: RecordedChange | null;
}

/** An invalidation that the application wrote into its own transaction, for the cache of that name. */
export interface RecordedChange {
  readonly cache: string;
  readonly selector: InvalidationSelector;
}

/**
 * The select list for rows of `o`; `parseRow` reads what comes. The values are made text by the server: JSON numbers
 * would lose digits here.
 */
export function rowColumns(): string {
  return `o.xid::text AS xid, o.id::text AS id, o.source, o.op::text AS op, ${texts('old')}, ${texts('new')}, o.change::text AS change`;
}

export interface RawRow {
  xid: string;
  id: string;
  source: string | null;
  op: string;
  old: string | null;
  new: string | null;
  change: string | null;
}

export function parseRow(raw: RawRow): OutboxRow {
  return {
    xid: raw.xid,
    id: raw.id,
    source: raw.source,
    op: raw.op as OutboxRow['op'],
    old: parsed<readonly RecordedRow[]>(raw.old),
    new: parsed<readonly RecordedRow[]>(raw.new),
    change: parsed<RecordedChange>(raw.change),
  };
}

function parsed<T>(json: string | null): T | null {
  return json === null ? null : (JSON.parse(json) as T);
}

function texts(column: string): string {
  return `(SELECT json_agg((SELECT json_object_agg(f.key, f.value) FROM json_each_text(e.value) AS f))
  FROM json_array_elements(o.${column}) AS e)::text AS ${column}`;
}
