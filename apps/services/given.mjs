/** Services that the user has named by DATABASE_URL and REDIS_URL: taken as they are, and looked at once. */
import { connect } from 'node:net';
import { Client } from 'pg';
import { maskUrl } from './mask.mjs';

/** The user's variable; an empty one counts as absent. */
export function given(name) {
  const value = process.env[name]?.trim();
  return value ? { url: value, source: name } : undefined;
}

/** A database that cannot be reached is an error: silently using another one would be worse. */
export async function checkDatabase({ url, source }) {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => {}); // connect() rejects with it
  try {
    await client.connect();
  } catch (error) {
    const reason = error.message || error.code;
    throw new Error(`${source} is set, but ${maskUrl(url)} cannot be used: ${reason}`, { cause: error });
  } finally {
    await client.end().catch(() => {}); // what was asked is answered; the connection may be broken
  }
}

/** The application lives without its Redis, so one that is away is only said. */
export async function checkRedis({ url, source }, log) {
  let target;
  try {
    const { protocol, hostname, port } = new URL(url);
    if (!/^rediss?:$/.test(protocol)) throw new Error('the scheme must be redis: or rediss:');
    target = { host: hostname.replaceAll(/[[\]]/g, '') || '127.0.0.1', port: Number(port || 6379) };
  } catch (error) {
    throw new Error(`${source} is set, but ${maskUrl(url)} is no Redis URL: ${error.message}`, {
      cause: error,
    });
  }
  if (!(await accepts(target))) log?.(`warning: ${source} is set, but ${maskUrl(url)} does not answer now`);
}

function accepts(target) {
  return new Promise((resolve) => {
    const socket = connect(target);
    const done = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => done(false));
    socket.on('error', () => done(false));
    socket.on('connect', () => done(true));
  });
}
