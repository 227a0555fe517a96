/** `npm run sql`: the demo's database from a shell, with psql or without. */
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { findDatabase } from './running-demo.mjs';

const HELP = `Usage: npm run sql -- "UPDATE ..."
Runs SQL in the database of the demo that is running (or DATABASE_URL), if that is on this machine.
Without SQL it prints the database's URL: psql "$(npm run --silent sql)"
  --help  this text`;

const CONNECT_WITHIN_MS = 5000;
const LOOPBACK = /^(localhost|127(\.\d+){3}|::1|\[::1\]|\/.*)$/; // a path: a Unix socket

/** Resolves with the exit code. */
export async function runSql({ argv = process.argv.slice(2), env = process.env } = {}) {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' } },
    });
    if (values.help) console.log(HELP);
    else if (positionals.length > 1) throw new Error(`SQL goes between quotes, as one argument\n\n${HELP}`);
    else await answer(await databaseUrl(env), positionals[0]);
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message || error.code : error);
    return 1;
  }
}

async function databaseUrl(env) {
  const url = env.DATABASE_URL?.trim() || (await findDatabase());
  if (url) return url;
  throw new Error('no demo is running with a database of its own (npm start), and DATABASE_URL is not set');
}

async function answer(url, sql) {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_WITHIN_MS });
  // As pg understands the URL, whose parameters can name another host than it begins with.
  if (!LOOPBACK.test(client.host))
    throw new Error(`the database is not on this machine but on ${client.host}`);
  if (sql === undefined) {
    console.log(url);
    return;
  }
  await client.connect();
  try {
    // Several statements: several results.
    for (const result of [await client.query(sql)].flat()) print(result);
  } finally {
    await client.end();
  }
}

function print({ command, rowCount, rows, fields }) {
  if (fields.length > 0) console.table(rows);
  console.log(rowCount === null ? command : `${command} ${rowCount}`);
}
