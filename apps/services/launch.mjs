/**
 * Starts programs so that they cannot outlive us: in a group of their own (a Ctrl-C in the terminal must not
 * reach a database before the application has flushed), and under `setpriv --pdeathsig` where that exists, so
 * that the kernel stops them when we are killed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** `nobody` on every Linux: PostgreSQL refuses to run as root, and nothing here needs to. */
const UNPRIVILEGED = { uid: 65534, gid: 65534 };

/** The user the services run as: ourselves, or an unprivileged one if we are root. */
export function serviceUser() {
  return process.getuid?.() === 0 ? UNPRIVILEGED : {};
}

export function pathFolders() {
  return (process.env.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
}

export function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // missing or not ours to run: both mean "no"
  }
}

export function findOnPath(name) {
  return pathFolders()
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

let setpriv;
/** The path of a setpriv that knows --pdeathsig (BusyBox's does not), or null. */
function deathSignaller() {
  if (setpriv === undefined) {
    const found = process.platform === 'linux' ? findOnPath('setpriv') : undefined;
    const works = found && spawnSync(found, ['--pdeathsig', 'TERM', '--', found, '--version']).status === 0;
    // The file itself: the service's user may not be able to enter a folder of PATH.
    setpriv = works ? realpathSync(found) : null;
  }
  return setpriv;
}

/**
 * Spawns a long-running program. `deathSignal` (without SIG) is what it gets when this process dies.
 * setpriv replaces itself with the program, so the pid is the program's own.
 */
export function launch(command, args, { deathSignal, ...options }) {
  const wrapper = deathSignaller();
  const line = wrapper ? [wrapper, '--pdeathsig', deathSignal, '--', command, ...args] : [command, ...args];
  return spawn(line[0], line.slice(1), { detached: true, ...options });
}

/**
 * Runs a short program to its end and gives `{ code, output }`; never throws for a program that fails. It stays
 * in our group, and dies with us.
 */
export function run(command, args, { timeoutMs = 30_000, ...options } = {}) {
  return new Promise((resolve) => {
    let output = '';
    const child = launch(command, args, {
      deathSignal: 'KILL',
      detached: false,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
    // spawn's own `timeout` is not cleared when the program cannot be started, and keeps the process alive.
    const limit = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const collect = (chunk) => {
      output = (output + chunk).slice(-20_000);
    };
    const finish = (code, note) => {
      clearTimeout(limit);
      resolve({ code, output: output + note });
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => finish(-1, error.message));
    child.on('close', (code, signal) => finish(code ?? -1, signal ? `\nended by ${signal}` : ''));
  });
}
