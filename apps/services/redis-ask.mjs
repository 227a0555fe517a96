/** One command, one answer: what setting up and watching a topology needs of a client. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

/** Calls `use(client)` with a connection of its own to 127.0.0.1:port; commands that hang reject after 2 s. */
export async function withClient(port, use) {
  const client = new Redis({
    host: '127.0.0.1',
    port,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: 2000,
    commandTimeout: 2000,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    // ioredis 6 defaults to RESP3, which reshapes the replies of CLUSTER and SENTINEL.
    protocol: 2,
    replyMapping: 'legacy',
  });
  client.on('error', () => {}); // connect() rejects with it
  try {
    await client.connect();
    return await use(client);
  } finally {
    client.disconnect();
  }
}

export function ask(port, ...command) {
  return withClient(port, (client) => client.call(...command));
}

/** A section of INFO as an object; undefined when the server does not answer. */
export async function info(port, section) {
  const text = await ask(port, 'INFO', section).catch(() => undefined); // down, or starting
  return text && fields(text);
}

/** `name:value` lines as an object. */
export function fields(text) {
  return Object.fromEntries(
    text
      .split(/\r?\n/)
      .filter((line) => line.includes(':'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

/** Asks again until `condition` answers something true, and gives that; a condition that throws is not met yet. */
export async function eventually(what, condition, withinMs = 30_000) {
  const deadline = Date.now() + withinMs;
  let last;
  for (;;) {
    try {
      const answer = await condition();
      if (answer) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(`${what}: not within ${withinMs / 1000} s${last ? ` (${last.message})` : ''}`);
    await sleep(25);
  }
}
