/** A private Redis: loopback only, no persistence, its own folder, its own user if we are root. */
import { freePort } from './ports.mjs';
import { dataServerArgs, openRedisRun, startRedisServer } from './redis-server.mjs';

/**
 * Starts a Redis of our own. Throws UnavailableError when there is no program to start.
 *
 * @param options.port taken as it is; default a free one
 * @param options.args more command line arguments for redis-server
 * @param options.debug allows DEBUG from loopback (Redis >= 7)
 * @param options.restartAfterMs starts it again so long after it died; default: never
 * @returns `{ url, port, pid, source, version, kill(signal), stop(), restart() }`
 */
export async function startRedis(options = {}) {
  const shared = await openRedisRun(options);
  try {
    const port = options.port ?? (await freePort());
    const server = await startRedisServer({
      ...options,
      ...shared,
      port,
      args: (dir, version) =>
        dataServerArgs({
          listen: ['--port', String(port)],
          dir,
          version,
          debug: options.debug,
          args: options.args,
        }),
    });
    return handle(server, { url: `redis://127.0.0.1:${port}` }, shared.close);
  } catch (error) {
    await shared.close();
    throw error;
  }
}

/** A server's handle with more about it, and a stop() that also removes the folder. */
export function handle(server, more, close) {
  const { stop } = server;
  // Not a copy: `pid` changes when the server is started again.
  return Object.assign(server, more, {
    async stop() {
      await stop();
      await close();
    },
  });
}
