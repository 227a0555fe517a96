/** A private PostgreSQL: loopback only, its own folder, an unprivileged user if we are root. */
import { randomBytes } from 'node:crypto';
import { chown, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { Daemon } from './daemon.mjs';
import { createDatabase } from './database.mjs';
import { run as execute, serviceUser } from './launch.mjs';
import { freePort } from './ports.mjs';
import { postgresCandidates, runnable } from './postgres-binaries.mjs';
import { openRun } from './run-folder.mjs';
import { UnavailableError } from './unavailable.mjs';

/** Logs in without a password, so it must not be a superuser: COPY TO PROGRAM would be everybody's. */
const OWNER = 'strata';
const SUPERUSER = 'strata_superuser';
const FIX = 'set DATABASE_URL, or install a server: sudo apt-get install postgresql';

let counter = 0;

/**
 * Starts a PostgreSQL of our own with an empty database. Throws UnavailableError when no program does.
 *
 * @param options.port taken as it is; default a free one
 * @param options.args more command line arguments for postgres, such as `['-c', 'wal_level=logical']`
 * @param options.candidates which programs to try, see postgres-binaries.mjs; default: all there are
 * @param options.restartAfterMs starts it again so long after it died; default: never
 * @returns `{ url, adminUrl, port, pid, source, version, createDatabase(), kill(signal), stop(), restart() }`;
 *   `url` needs no secret, `adminUrl` is the superuser's and must not be shown
 */
export async function startPostgres(options = {}) {
  const run = options.run ?? (await openRun());
  const closeRun = options.run ? async () => {} : async () => run.close();
  try {
    const server = await firstThatStarts(run, options);
    const stop = server.stop;
    return Object.assign(server, {
      async stop() {
        await stop();
        await closeRun();
      },
    });
  } catch (error) {
    await closeRun();
    throw error;
  }
}

async function firstThatStarts(run, options) {
  const failures = [];
  for (const candidate of options.candidates ?? (await postgresCandidates())) {
    try {
      return await startFrom(candidate, run, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.push(`${candidate.source}: ${error.message}`);
    }
  }
  const reason =
    failures.join('; ') || 'no folder with initdb and postgres on this machine or in node_modules';
  throw new UnavailableError('PostgreSQL', reason, FIX);
}

async function startFrom(candidate, run, options) {
  counter += 1;
  const name = `postgres-${counter}`;
  const folder = await run.folder(name);
  const programs = await runnable(candidate, folder);
  if (!programs) throw new Error('its programs do not run here');
  const { bin, version } = programs;
  const env = { PATH: process.env.PATH, HOME: folder, LC_ALL: 'C', TZ: 'UTC' };
  const password = randomBytes(24).toString('hex');
  const data = join(folder, 'data');
  await initialise({ bin, folder, data, env, password });
  options.signal?.throwIfAborted();
  const port = options.port ?? (await freePort());
  const adminUrl = (database) => `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;
  const daemon = new Daemon({
    name: `PostgreSQL on 127.0.0.1:${port}`,
    command: join(bin, 'postgres'),
    args: ['-D', data, '-p', String(port), ...settings(), ...(options.args ?? [])],
    cwd: folder,
    env,
    logFile: join(run.base, `${name}.log`),
    stopSignal: 'SIGINT', // "fast": does not wait for clients
    deathSignal: 'QUIT', // "immediate": still removes its shared memory, which SIGKILL would leave behind
    ready: () => accepts(adminUrl('postgres')),
    restartAfterMs: options.restartAfterMs,
    onRestart: options.onRestart,
    run,
    log: options.log,
    signal: options.signal,
  });
  await daemon.start();
  try {
    await createOwner(adminUrl('postgres'));
    const ownerUrl = `postgres://${OWNER}@127.0.0.1:${port}/${OWNER}`;
    await createDatabase({ url: ownerUrl, adminUrl: adminUrl('postgres'), name: OWNER });
    return {
      url: ownerUrl,
      adminUrl: adminUrl('postgres'),
      port,
      source: candidate.source,
      version,
      get pid() {
        return daemon.pid;
      },
      createDatabase: (database) =>
        createDatabase({ url: ownerUrl, adminUrl: adminUrl('postgres'), name: database }),
      kill: (signal) => daemon.kill(signal),
      restart: () => daemon.restart(),
      stop: () => daemon.stop(),
    };
  } catch (error) {
    await daemon.stop();
    throw error;
  }
}

async function initialise({ bin, folder, data, env, password }) {
  const { uid, gid } = serviceUser();
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (uid !== undefined) await chown(passwordFile, uid, gid);
  const args = ['-D', data, '-U', SUPERUSER, `--pwfile=${passwordFile}`, '-A', 'scram-sha-256'];
  const { code, output } = await execute(join(bin, 'initdb'), [...args, '-N', '--locale=C', '-E', 'UTF8'], {
    cwd: folder,
    env,
    ...serviceUser(),
    timeoutMs: 60_000,
  });
  await rm(passwordFile);
  if (code !== 0) throw new Error(`initdb failed: ${output.trim().slice(-1000)}`);
  const rules = [`host all ${OWNER} 127.0.0.1/32 trust`, 'host all all 127.0.0.1/32 scram-sha-256'];
  await writeFile(join(data, 'pg_hba.conf'), `${rules.join('\n')}\n`);
}

function settings() {
  return [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'fsync=off', // survives a crash of the process, which is all that a temporary database needs
    'full_page_writes=off',
    'max_connections=200',
    'dynamic_shared_memory_type=mmap', // in the folder, so that nothing stays in /dev/shm
    'log_min_messages=fatal', // a client's errors are the client's to report
    'timezone=UTC',
  ].flatMap((setting) => ['-c', setting]);
}

async function accepts(url) {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => {}); // a connection that breaks while starting: the next attempt tells
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {}); // what was asked is answered; the connection may be broken
  }
}

async function createOwner(adminUrl) {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(`CREATE ROLE ${OWNER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE`);
  } finally {
    await client.end();
  }
}
