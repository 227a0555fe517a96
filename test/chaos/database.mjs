/**
 * The truth: rows with a version, and the history of every committed change, written by the transaction that made
 * it, so that it says for certain what became of a COMMIT that nobody answered.
 */
import pg from 'pg';
import { GROUP_SIZE } from './records.mjs';
import { createDatabase } from '../../apps/services/index.mjs';

const SCHEMA = `
CREATE TABLE item (id int PRIMARY KEY, grp int NOT NULL, v int NOT NULL, w float8 NOT NULL);
CREATE INDEX ON item (grp);
CREATE TABLE hist (id int NOT NULL, v int NOT NULL, w float8 NOT NULL, bad boolean NOT NULL);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN IF NEW.bad THEN RAISE EXCEPTION 'refused at COMMIT' USING ERRCODE = '23514'; END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON hist DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION refuse();
`;

export async function openDatabase(postgres, keys) {
  const database = await createDatabase({ url: postgres.url, adminUrl: postgres.adminUrl });
  const pool = new pg.Pool({ connectionString: database.url, max: 2 });
  pool.on('error', () => undefined); // a terminated idle connection is replaced
  await pool.query(SCHEMA);
  await pool.query(
    `INSERT INTO item SELECT i, (i - 1) / ${GROUP_SIZE}, 0, 0 FROM generate_series(1, $1::int) i`,
    [keys],
  );
  return {
    url: database.url,
    query: (sql, values) => pool.query(sql, values),
    /** Every committed write: w -> { id, v }. */
    async history() {
      const { rows } = await pool.query('SELECT id, v, w FROM hist');
      return new Map(rows.map(({ id, v, w }) => [w, { id, v }]));
    },
    /** id -> version now. */
    async versions() {
      const { rows } = await pool.query('SELECT id, v FROM item');
      return new Map(rows.map(({ id, v }) => [id, v]));
    },
    async close() {
      await pool.end();
      await database.drop();
    },
  };
}
