/**
 * The private temporary folders of one process, and how they disappear whatever happens to it.
 *
 * `<tmp>/nestjs-strata-run-XXXXXX` (0700) names its owner and the processes started for it; each service has
 * a folder of its own beside it, `….postgres` (0700, owned by the service's user, which is not always ours).
 * Three things remove them: close(); the reaper, a detached process that waits for its end of a pipe to close,
 * which happens even on `kill -9`; and the sweep at the next start, should the reaper be killed as well.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { chown, lstat, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serviceUser } from './launch.mjs';
import { isAlive, pidSpace, signalProcess, startTimeOf, waitUntilGone } from './processes.mjs';

export const RUN_PREFIX = 'nestjs-strata-run-';
const OWNER_FILE = 'owner.json';
/** A folder without an owner's record is somebody's who is about to write it, for this long. */
const NEWBORN_MS = 60_000;
const NODE_GRACE_MS = 10_000;
const SERVICE_GRACE_MS = 4_000;

/** Makes the folder and its reaper. Sweeps what dead owners have left first. */
export async function openRun() {
  await sweep();
  const base = await mkdtemp(join(tmpdir(), RUN_PREFIX));
  const owner = { pid: process.pid, started: startTimeOf(process.pid), space: pidSpace() };
  await writeFile(join(base, OWNER_FILE), JSON.stringify(owner), { mode: 0o600 });
  const reaper = startReaper(base);
  let closing;
  return {
    base,
    /** A new 0700 folder for a service, owned by the user that the service will run as. */
    async folder(name) {
      const path = `${base}.${name}`;
      await mkdir(path, { mode: 0o700 });
      const { uid, gid } = serviceUser();
      if (uid !== undefined) await chown(path, uid, gid);
      return path;
    },
    /** Notes a process that must not outlive the run. Synchronous: no gap in which we could be killed. */
    record(pid, { stage, signal }) {
      mkdirSync(join(base, 'pids'), { recursive: true, mode: 0o700 });
      const entry = { pid, started: startTimeOf(pid), stage, signal };
      writeFileSync(join(base, 'pids', String(pid)), JSON.stringify(entry), { mode: 0o600 });
    },
    forget(pid) {
      rmSync(join(base, 'pids', String(pid)), { force: true });
    },
    /** Removes the folders; the processes must have been stopped. */
    close() {
      closing ??= (async () => {
        await reap(base);
        await dismiss(reaper);
      })();
      return closing;
    },
  };
}

function startReaper(base) {
  const script = join(dirname(fileURLToPath(import.meta.url)), 'reaper.mjs');
  const reaper = spawn(process.execPath, [script, base], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    env: { PATH: process.env.PATH, TMPDIR: tmpdir() },
  });
  // Without a reaper the next start sweeps: no reason to fail.
  reaper.on('error', () => {});
  reaper.stdin.on('error', () => {});
  reaper.unref();
  reaper.stdin.unref();
  return reaper;
}

function dismiss(reaper) {
  return new Promise((resolve) => {
    if (reaper.pid === undefined || reaper.exitCode !== null || reaper.signalCode !== null) return resolve();
    reaper.ref();
    reaper.once('exit', () => resolve());
    reaper.stdin.end();
  });
}

/** Ends what a run has started, the application's nodes first, and removes its folders. */
export async function reap(base) {
  const processes = await recorded(base);
  await end(
    processes.filter(({ stage }) => stage === 'node'),
    NODE_GRACE_MS,
  );
  await end(
    processes.filter(({ stage }) => stage !== 'node'),
    SERVICE_GRACE_MS,
  );
  const tmp = dirname(base);
  for (const name of await readdir(tmp)) {
    if (name.startsWith(`${basename(base)}.`)) await remove(join(tmp, name));
  }
  await remove(base);
}

async function end(processes, graceMs) {
  const alive = processes.filter(isAlive);
  for (const { pid, signal } of alive) signalProcess(pid, signal);
  if (await waitUntilGone(alive, graceMs)) return;
  for (const entry of alive.filter(isAlive)) {
    if (!signalProcess(-entry.pid, 'SIGKILL')) signalProcess(entry.pid, 'SIGKILL');
  }
  await waitUntilGone(alive, SERVICE_GRACE_MS);
}

async function recorded(base) {
  const folder = join(base, 'pids');
  const names = await readdir(folder).catch(() => []); // nothing was started
  const entries = await Promise.all(names.map((name) => readRecord(join(folder, name))));
  return entries.filter((entry) => Number.isInteger(entry?.pid) && entry.pid > 1);
}

/** Undefined when there is none, or only part of one: its writer was killed, or the disk was full. */
async function readRecord(path) {
  try {
    return JSON.parse(await readFile(path, 'utf8')) ?? undefined;
  } catch {
    return undefined;
  }
}

/** A database that is being killed may still write files: try again. */
function remove(path) {
  return rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

/** Removes the folders, and ends the processes, of owners that are dead. Gives the folders it removed. */
export async function sweep() {
  const tmp = tmpdir();
  const swept = [];
  const names = (await readdir(tmp)).filter((name) => name.startsWith(RUN_PREFIX));
  for (const name of names) {
    const path = join(tmp, name);
    const [run] = name.split('.');
    if (run === name ? await isDeadRun(path) : !names.includes(run) && (await isOldAndOurs(path))) {
      await (run === name ? reap(path) : remove(path));
      swept.push(path);
    }
  }
  return swept;
}

/** The folders of our own runs whose owners live, the newest first. */
export async function livingRuns() {
  const tmp = tmpdir();
  const names = (await readdir(tmp)).filter((name) => name.startsWith(RUN_PREFIX) && !name.includes('.'));
  const runs = await Promise.all(names.map((name) => livingRun(join(tmp, name))));
  return runs
    .filter((run) => run !== undefined)
    .sort((a, b) => b.born - a.born)
    .map(({ base }) => base);
}

async function livingRun(base) {
  const stat = await lstat(base).catch(() => undefined); // gone meanwhile
  if (!stat?.isDirectory() || stat.uid !== process.getuid?.()) return undefined;
  const owner = await readRecord(join(base, OWNER_FILE));
  const lives = owner !== undefined && owner.space === pidSpace() && isAlive(owner);
  return lives ? { base, born: stat.birthtimeMs } : undefined;
}

async function isDeadRun(base) {
  const stat = await lstat(base).catch(() => undefined); // gone meanwhile
  // Another user's record could name any pid: only our own folders are believed.
  if (!stat?.isDirectory() || stat.uid !== process.getuid?.()) return false;
  const owner = await readRecord(join(base, OWNER_FILE));
  if (owner === undefined) return isOldAndOurs(base);
  return owner.space === pidSpace() && !isAlive(owner);
}

async function isOldAndOurs(path) {
  const stat = await lstat(path).catch(() => undefined); // gone meanwhile
  const ours = stat && (stat.uid === process.getuid?.() || stat.uid === serviceUser().uid);
  return Boolean(ours && stat.isDirectory() && Date.now() - stat.mtimeMs > NEWBORN_MS);
}
