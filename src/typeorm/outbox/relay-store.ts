import { shortHash } from './identifiers.js';
import type { OutboxNames } from './outbox-names.js';
import { type OutboxRow, parseRow, type RawRow, rowColumns } from './outbox-row.js';
import { SERVER, type Sql } from './sql-runner.js';

/** What a look at the outbox shows. */
export interface RelayProgress {
  /** Rows not applied yet, those left to their writers included; counted up to BACKLOG_LIMIT. */
  readonly backlog: number;
  /** Age of the oldest of them, milliseconds. */
  readonly lagMs: number;
  /** Before this transaction everything is applied, and nothing new can appear. */
  readonly cursor: string;
  /** Which server, since when. */
  readonly server: string;
}

/** Of a node that knows of writes nobody deals with, so that waiting for him is in vain. */
export interface OwnRows {
  readonly writer: string;
  /** Transactions that he deals with himself. */
  readonly except: readonly string[];
}

export const BACKLOG_LIMIT = 100_000;
/** How fresh the sign of life of a consumer is kept. */
const SEEN_MS = 5_000;
/** Rows deleted at once. */
const CLEAN_BATCH = 5_000;

/** Names a group of nodes with the data set they keep right, short enough for an index. */
export function consumerName(group: string, epoch: string): string {
  const name = `${group}@${epoch}`;
  return Buffer.byteLength(name) <= 100 ? name : `${group.slice(0, 30)}@#${shortHash(name, 32)}`;
}

/** The relay's statements. Reads and marks; what the rows mean is not its business. */
export class RelayStore {
  constructor(
    private readonly names: OutboxNames,
    private readonly writerLeadMs: number,
  ) {}

  /**
   * Locks rows that the consumer has not applied, hands them over, and marks those as applied whose transactions and
   * ids are answered, all in one transaction. Rows that another relay has locked are left to it.
   * @param xids only those transactions, however young their rows are
   * @param own rows of that writer are taken too, however young, except of those transactions
   * @returns how many rows there were
   */
  async claim(
    sql: Sql,
    request: {
      consumer: string;
      cursor: string;
      limit: number;
      xids?: readonly string[];
      own?: OwnRows | undefined;
    },
    apply: (rows: readonly OutboxRow[]) => Promise<readonly OutboxRow[]>,
  ): Promise<number> {
    const { consumer, cursor, limit, xids, own } = request;
    await sql('BEGIN');
    try {
      const raw = await sql<RawRow>(
        `SELECT ${rowColumns()} FROM ${this.names.rows} o
         WHERE ${xids ? 'o.xid = ANY ($4::xid8[])' : `o.xid >= greatest($4::xid8, (SELECT c.floor FROM ${this.names.consumers} c WHERE c.consumer = $1)) AND (coalesce(o.writer, '') = '' OR o.at <= clock_timestamp() - $3 * interval '1 millisecond' OR (o.writer = $5 AND o.xid <> ALL ($6::xid8[])))`}
           AND $3::float8 IS NOT NULL AND $5::text IS NOT NULL AND $6::xid8[] IS NOT NULL
           AND NOT EXISTS (SELECT FROM ${this.names.applied} a WHERE a.xid = o.xid AND a.id = o.id AND a.consumer = $1)
         ORDER BY o.xid, o.id LIMIT $2 FOR UPDATE OF o SKIP LOCKED`,
        [consumer, limit, this.writerLeadMs, xids ?? cursor, own?.writer ?? '', own?.except ?? []],
      );
      const done = raw.length === 0 ? [] : await apply(raw.map(parseRow));
      if (done.length > 0) await this.mark(sql, consumer, done);
      await sql('COMMIT');
      return raw.length;
    } catch (error) {
      // The first error is the one to tell; on a broken connection there is nothing to roll back.
      await sql('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  async progress(sql: Sql, consumer: string, cursor: string): Promise<RelayProgress> {
    const [row] = await sql<{ backlog: number; lag: number; cursor: string; server: string }>(
      `WITH open AS (
         SELECT o.xid, o.at FROM ${this.names.rows} o
         WHERE o.xid >= greatest($2::xid8, (SELECT c.floor FROM ${this.names.consumers} c WHERE c.consumer = $1))
           AND NOT EXISTS (SELECT FROM ${this.names.applied} a WHERE a.xid = o.xid AND a.id = o.id AND a.consumer = $1)
         ORDER BY o.xid, o.id LIMIT ${BACKLOG_LIMIT}
       )
       SELECT count(*)::int AS backlog,
         coalesce(greatest(0, extract(epoch FROM clock_timestamp() - min(at)) * 1000), 0)::float8 AS lag,
         least((SELECT xid FROM open ORDER BY xid LIMIT 1), pg_snapshot_xmin(pg_current_snapshot()))::text AS cursor,
         ${SERVER} AS server
       FROM open`,
      [consumer, cursor],
    );
    return { backlog: row!.backlog, lagMs: row!.lag, cursor: row!.cursor, server: row!.server };
  }

  /**
   * Says that this consumer is alive: rows wait for it. Answers how long it was not, in milliseconds; null when it is
   * new. Rows may be gone that it never saw, if that is longer than the retention.
   */
  async seen(sql: Sql, consumer: string): Promise<number | null> {
    const [before] = await sql<{ away: number }>(
      `SELECT (extract(epoch FROM clock_timestamp() - seen) * 1000)::float8 AS away FROM ${this.names.consumers} WHERE consumer = $1`,
      [consumer],
    );
    // Each time would be a write per node and second.
    if (before && before.away < SEEN_MS) return before.away;
    await sql(
      `INSERT INTO ${this.names.consumers} AS c (consumer) VALUES ($1)
       ON CONFLICT (consumer) DO UPDATE SET seen = greatest(c.seen, clock_timestamp())`,
      [consumer],
    );
    return before?.away ?? null;
  }

  /** How many rows there are, at most so many. */
  async count(sql: Sql, most: number): Promise<number> {
    const [row] = await sql<{ count: number }>(
      `SELECT count(*)::int AS count FROM (SELECT FROM ${this.names.rows} LIMIT $1) AS o`,
      [most],
    );
    return row!.count;
  }

  /** A pg_snapshot as text. */
  async snapshot(sql: Sql): Promise<string> {
    const [row] = await sql<{ snapshot: string }>('SELECT pg_current_snapshot()::text AS snapshot');
    return row!.snapshot;
  }

  /** All rows of transactions that were over then count as applied. @param snapshot as `snapshot` answers */
  async skip(sql: Sql, consumer: string, snapshot: string): Promise<void> {
    await sql(
      `UPDATE ${this.names.consumers} c SET floor = greatest(c.floor, pg_snapshot_xmin($2::pg_snapshot)) WHERE c.consumer = $1`,
      [consumer, snapshot],
    );
  }

  /**
   * Deletes what is old and applied by all who still read, and was visible at `snapshot`, some time ago: a transaction that
   * was open for long leaves rows that look old and are new. One node at a time. Answers whether there is more.
   */
  async clean(sql: Sql, retentionMs: number, snapshot: string): Promise<boolean> {
    const { rows, applied, consumers, locks } = this.names;
    await sql('BEGIN');
    try {
      const [lock] = await sql<{ held: boolean }>('SELECT pg_try_advisory_xact_lock($1::bigint) AS held', [
        locks.clean,
      ]);
      const [gone] = lock?.held
        ? await sql<{ count: number }>(
            `WITH old AS (
               SELECT o.xid, o.id FROM ${rows} o
               WHERE o.at < clock_timestamp() - $1 * interval '1 millisecond' AND pg_visible_in_snapshot(o.xid, $2::pg_snapshot)
                 AND NOT EXISTS (
                 SELECT FROM ${consumers} c WHERE c.seen >= clock_timestamp() - $1 * interval '1 millisecond' AND o.xid >= c.floor AND NOT EXISTS (
                   SELECT FROM ${applied} a WHERE a.xid = o.xid AND a.id = o.id AND a.consumer = c.consumer))
               ORDER BY o.xid, o.id LIMIT ${CLEAN_BATCH} FOR UPDATE OF o SKIP LOCKED
             ), gone AS (DELETE FROM ${rows} o USING old WHERE o.xid = old.xid AND o.id = old.id RETURNING o.xid, o.id),
             marks AS (DELETE FROM ${applied} a USING gone WHERE a.xid = gone.xid AND a.id = gone.id)
             SELECT count(*)::int AS count FROM gone`,
            [retentionMs, snapshot],
          )
        : [];
      if (lock?.held) {
        // Marks whose row went while a slow relay was still at it; never of a row that is not visible yet.
        await sql(
          `DELETE FROM ${applied} a WHERE a.xid < coalesce((SELECT xid FROM ${rows} ORDER BY xid LIMIT 1), '0'::xid8)`,
        );
        await sql(
          `DELETE FROM ${consumers} WHERE seen < clock_timestamp() - greatest($1 * 10, 86400000) * interval '1 millisecond'`,
          [retentionMs],
        );
      }
      await sql('COMMIT');
      return gone?.count === CLEAN_BATCH;
    } catch (error) {
      await sql('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  private async mark(sql: Sql, consumer: string, rows: readonly OutboxRow[]): Promise<void> {
    await sql(
      `INSERT INTO ${this.names.applied} (xid, id, consumer)
       SELECT x, i, $1 FROM unnest($2::xid8[], $3::bigint[]) AS t (x, i) ON CONFLICT DO NOTHING`,
      [consumer, rows.map((row) => row.xid), rows.map((row) => row.id)],
    );
  }
}
