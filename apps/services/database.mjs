/** Databases inside a running PostgreSQL, for whoever wants one alone. */
import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';

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
    drop: () => query(adminUrl, `DROP DATABASE IF EXISTS ${escapeIdentifier(database)} WITH (FORCE)`),
  };
}

async function query(url, sql) {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
