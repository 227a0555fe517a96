/** Databases inside a running PostgreSQL, for whoever wants one alone. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, escapeIdentifier } from 'pg';

/** Those who are still in a database that is dropped have so long to leave by themselves. */
const GOODBYE_MS = 1_000;

/**
 * Creates an empty database owned by the user in `url`.
 *
 * @param options.url a URL of the future owner on the same server
 * @param options.adminUrl a URL of somebody who may create databases; default: the owner's own
 * @param options.name default: a name that nobody else has
 * @returns `{ name, url, drop() }`; drop() disconnects whoever is still in it
 */
export async function createDatabase({ url, adminUrl = url, name }) {
  const database = name ?? `strata_${process.pid}_${randomBytes(4).toString('hex')}`;
  const owned = new URL(url);
  const owner = decodeURIComponent(owned.username);
  owned.pathname = `/${database}`;
  const ownership = owner && adminUrl !== url ? ` OWNER ${escapeIdentifier(owner)}` : '';
  // template0: a template1 that somebody is connected to cannot be copied.
  await query(adminUrl, `CREATE DATABASE ${escapeIdentifier(database)}${ownership} TEMPLATE template0`);
  return {
    name: database,
    url: owned.href,
    drop: () =>
      connected(adminUrl, async (client) => {
        await emptied(client, database);
        await client.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(database)} WITH (FORCE)`);
      }),
  };
}

/** A pool that has ended has said goodbye on its connections, and may not have heard the answers yet. */
async function emptied(client, database) {
  const deadline = performance.now() + GOODBYE_MS;
  for (;;) {
    const { rows } = await client.query('SELECT 1 FROM pg_stat_activity WHERE datname = $1 LIMIT 1', [
      database,
    ]);
    if (rows.length === 0 || performance.now() >= deadline) return;
    await sleep(10);
  }
}

async function query(url, sql) {
  await connected(url, (client) => client.query(sql));
}

async function connected(url, work) {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
