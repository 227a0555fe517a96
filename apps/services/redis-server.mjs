/** One redis-server process with its own folder and user, whatever it serves: a master, a sentinel, a cluster's node. */
import { connect } from 'node:net';
import { join } from 'node:path';
import { Daemon } from './daemon.mjs';
import { findRedis, usableBy } from './redis-binaries.mjs';
import { openRun } from './run-folder.mjs';

let counter = 0;

/**
 * The program and the run folder that several servers of one topology share; `close()` removes the folder if it
 * was made here. Throws UnavailableError when there is no program to start.
 */
export async function openRedisRun({ program, run, log, signal } = {}) {
  const found = program ?? (await findRedis({ log, signal }));
  const folder = run ?? (await openRun());
  return { program: found, run: folder, close: run ? async () => {} : async () => folder.close() };
}

/**
 * Starts one server.
 *
 * @param options.program, options.run from openRedisRun
 * @param options.name how logs call it, default 'Redis'
 * @param options.args(cwd, version) its command line; may be async, to write files into the folder first
 * @param options.ready(port) resolves true when it answers; default: a plain PING
 * @returns `{ port, cwd, source, version, pid, kill(signal), stop(), restart() }`; `restart()` also of one that was killed
 */
export async function startRedisServer(options) {
  const { program, run, name = 'Redis', port, log, signal, restartAfterMs, onRestart } = options;
  counter += 1;
  const label = `redis-${counter}`;
  const cwd = await run.folder(label);
  const { command, env, version } = await usableBy(program, cwd);
  const daemon = new Daemon({
    name: `${name} on 127.0.0.1:${port}`,
    command,
    args: await options.args(cwd, version),
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, LC_ALL: 'C', ...env },
    logFile: join(run.base, `${label}.log`),
    stopSignal: 'SIGTERM',
    deathSignal: 'KILL',
    ready: () => (options.ready ?? answersPing)(port),
    restartAfterMs,
    onRestart,
    run,
    log,
    signal,
  });
  await daemon.start();
  return {
    port,
    cwd,
    source: program.source,
    version,
    get pid() {
      return daemon.pid;
    },
    kill: (how) => daemon.kill(how),
    restart: () => daemon.restart(),
    stop: () => daemon.stop(),
  };
}

/** The command line of a data server: loopback only, no persistence, nothing that lets others write files. */
export function dataServerArgs({ listen, dir, version, debug, args = [] }) {
  const major = Number.parseInt(version, 10);
  return [
    listen,
    ['--bind', '127.0.0.1'],
    ['--protected-mode', 'yes'],
    ['--save', ''],
    ['--appendonly', 'no'],
    ['--daemonize', 'no'],
    ['--dir', dir],
    // From 7 on these refuse to touch files by default; before, CONFIG SET dir lets any local user write as us.
    ...(major < 7 ? ['CONFIG', 'MODULE', 'DEBUG'].map((command) => ['--rename-command', command, '']) : []),
    ...(debug && major >= 7 ? [['--enable-debug-command', 'local']] : []),
    args,
  ].flat();
}

/** Whether a server on this port answers PING (any answer but "loading" counts: it may want a password). */
export function answersPing(port, open = () => connect({ port, host: '127.0.0.1' })) {
  return new Promise((resolve) => {
    const socket = open();
    const done = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => done(false));
    socket.on('error', () => done(false));
    socket.write('PING\r\n');
    socket.on('data', (data) => done(!data.toString().startsWith('-LOADING')));
  });
}
