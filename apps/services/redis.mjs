/** A private Redis: loopback only, no persistence, its own folder, its own user if we are root. */
import { connect } from 'node:net';
import { join } from 'node:path';
import { Daemon } from './daemon.mjs';
import { freePort } from './ports.mjs';
import { findRedis, usableBy } from './redis-binaries.mjs';
import { openRun } from './run-folder.mjs';

let counter = 0;

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
  const { log, signal, restartAfterMs, onRestart } = options;
  const program = options.program ?? (await findRedis({ log, signal }));
  const run = options.run ?? (await openRun());
  const closeRun = options.run ? async () => {} : async () => run.close();
  try {
    counter += 1;
    const cwd = await run.folder(`redis-${counter}`);
    const { command, env, version } = await usableBy(program, cwd);
    const port = options.port ?? (await freePort());
    const daemon = new Daemon({
      name: `Redis on 127.0.0.1:${port}`,
      command,
      args: [...settings(port, cwd, version, options.debug), ...(options.args ?? [])],
      cwd,
      env: { PATH: process.env.PATH, HOME: cwd, LC_ALL: 'C', ...env },
      logFile: join(run.base, `redis-${counter}.log`),
      stopSignal: 'SIGTERM',
      deathSignal: 'KILL',
      ready: () => answersPing(port),
      restartAfterMs,
      onRestart,
      run,
      log,
      signal,
    });
    await daemon.start();
    return {
      url: `redis://127.0.0.1:${port}`,
      port,
      source: program.source,
      version,
      get pid() {
        return daemon.pid;
      },
      kill: (name) => daemon.kill(name),
      restart: () => daemon.restart(),
      async stop() {
        await daemon.stop();
        await closeRun();
      },
    };
  } catch (error) {
    await closeRun();
    throw error;
  }
}

function settings(port, dir, version, debug) {
  const major = Number.parseInt(version, 10);
  return [
    ['--port', String(port)],
    ['--bind', '127.0.0.1'],
    ['--protected-mode', 'yes'],
    ['--save', ''],
    ['--appendonly', 'no'],
    ['--daemonize', 'no'],
    ['--dir', dir],
    // From 7 on these refuse to touch files by default; before, CONFIG SET dir lets any local user write as us.
    ...(major < 7 ? ['CONFIG', 'MODULE', 'DEBUG'].map((name) => ['--rename-command', name, '']) : []),
    ...(debug && major >= 7 ? [['--enable-debug-command', 'local']] : []),
  ].flat();
}

/** Whether a server on this port answers PING (any answer but "loading" counts: it may want a password). */
function answersPing(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const done = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => done(false));
    socket.on('error', () => done(false));
    socket.on('connect', () => socket.write('PING\r\n'));
    socket.on('data', (data) => done(!data.toString().startsWith('-LOADING')));
  });
}
