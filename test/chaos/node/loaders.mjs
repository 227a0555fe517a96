/** Loaders that take their time between the SELECT and their return: there the races are. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { KIND, SPACE, nowNs } from '../records.mjs';

/** A loader's failure is the database's, and none of the cache. */
export class LoadFailed extends Error {}

export function openLoaders({ databaseUrl, loaderDelay }, records, random) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 6, application_name: 'chaos-loader' });
  pool.on('error', () => undefined); // a terminated idle connection is replaced
  const [fastest, slowest, seldom, slow] = loaderDelay;

  async function select(sql, values) {
    try {
      return (await pool.query(sql, values)).rows;
    } catch (error) {
      throw new LoadFailed(error.message, { cause: error });
    }
  }

  const loaders = {
    dieInLoad: false,
    one: (space) => (id) =>
      load(space, Number(id), `SELECT id, grp, v, w FROM item WHERE id = $1`, [id], first),
    group: (space) => (id) =>
      load(space, Number(id), `SELECT id, v, w FROM item WHERE grp = $1 ORDER BY id`, [id], (rows) => rows),
    async many(space, ids) {
      const rows = await load(
        space,
        ids,
        'SELECT id, grp, v, w FROM item WHERE id = ANY($1::int[])',
        [ids],
        (all) => all,
      );
      return new Map(rows.map((row) => [String(row.id), row]));
    },
    close: () => pool.end(),
  };

  async function load(space, ids, sql, values, shape) {
    const call = nowNs();
    const rows = await select(sql, values);
    if (loaders.dieInLoad) process.kill(process.pid, 'SIGKILL');
    const ms = random.chance(seldom) ? random.between(slowest, slow) : random.between(fastest, slowest);
    if (ms >= 0.5) await sleep(ms);
    const ret = nowNs();
    for (const id of [ids].flat()) records.add(KIND.LOAD, Number(id), call, ret, 0, 0, SPACE[space]);
    return shape(rows);
  }

  return loaders;
}

const first = (rows) => rows[0];
