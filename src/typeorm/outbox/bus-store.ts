import type { InvalidationSelector } from '#tiered-cache';
import type { OutboxNames } from './outbox-names.js';
import { type OutboxRow, parseRow, type RawRow, rowColumns } from './outbox-row.js';
import { SERVER, type Sql } from './sql-runner.js';

/** What was visible at one moment, and to whom: JSON of this is a cursor. */
export interface Seen {
  /** A pg_snapshot as text. */
  readonly snapshot: string;
  /** Which server, since when: after a failover or a restart, writes that were seen may be gone, others may be in between. */
  readonly server: string;
}

export interface BusLook extends Seen {
  /** Committed since; null: too many. */
  readonly rows: readonly OutboxRow[] | null;
}

/** Above so many new rows at once nothing is said of single ones. */
export const MAX_LOOK = 5_000;

/** The statements of the second bus: no locks, one statement each. */
export class BusStore {
  constructor(private readonly names: OutboxNames) {}

  /**
   * All rows committed since a look, applied or not: those visible now that were not visible then. Not "newer than the
   * last": a transaction that began long ago may commit now. @throws when the server is a standby
   */
  async look(sql: Sql, since: string | null): Promise<BusLook> {
    const rows = await sql<RawRow & Seen & { standby: boolean }>(
      `SELECT s.snapshot, s.server, s.standby, r.*
       FROM (SELECT pg_current_snapshot()::text AS snapshot, ${SERVER} AS server, pg_is_in_recovery() AS standby) AS s
       LEFT JOIN LATERAL (
         SELECT ${rowColumns()} FROM ${this.names.rows} o
         WHERE o.xid >= pg_snapshot_xmin($1::pg_snapshot) AND NOT pg_visible_in_snapshot(o.xid, $1::pg_snapshot)
         ORDER BY o.xid, o.id LIMIT ${MAX_LOOK + 1}
       ) AS r ON true`,
      [since],
    );
    const [first] = rows;
    if (!first || first.standby)
      throw new Error('the database is a standby: the second bus needs the primary');
    const found = rows.filter((row) => row.id !== null);
    return {
      snapshot: first.snapshot,
      server: first.server,
      rows: found.length > MAX_LOOK ? null : found.map(parseRow),
    };
  }

  /** Is every row that was visible at `snapshot` applied by the consumer? Locked ones count. From `cursor` on. */
  async settled(sql: Sql, consumer: string, cursor: string, snapshot: string): Promise<boolean> {
    const [answer] = await sql<{ open: boolean }>(
      `SELECT EXISTS (
         SELECT FROM ${this.names.rows} o
         WHERE o.xid >= $2::xid8 AND pg_visible_in_snapshot(o.xid, $3::pg_snapshot)
           AND NOT EXISTS (SELECT FROM ${this.names.applied} a WHERE a.xid = o.xid AND a.id = o.id AND a.consumer = $1)
       ) AS open`,
      [consumer, cursor, snapshot],
    );
    return answer?.open === false;
  }

  /** One invalidation, in a transaction of its own. @returns its transaction */
  async write(sql: Sql, cache: string, selector: InvalidationSelector, writer: string): Promise<string> {
    const [row] = await sql<{ xid: string }>(
      `INSERT INTO ${this.names.rows} (op, change, writer) VALUES ('C', $1::json, $2) RETURNING xid::text AS xid`,
      [JSON.stringify({ cache, selector }), writer],
    );
    return row!.xid;
  }
}
