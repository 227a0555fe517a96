/**
 * Who is alive: a process is known by its pid and its start time, because pids are used again.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A string that no other process of this pid has had, or undefined when there is no such process. */
export function startTimeOf(pid) {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The command name may hold spaces and brackets: fields count from behind its last bracket.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
    } catch {
      return undefined; // no such process
    }
  }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined; // ps exits 1 when there is no such process
  }
}

/** The pid namespace: a folder shared between containers may name pids that mean nothing here. */
export function pidSpace() {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return process.platform; // only Linux has namespaces
  }
}

export function isAlive({ pid, started }) {
  const now = startTimeOf(pid);
  return now !== undefined && (started === undefined || now === started);
}

/** Sends a signal; false when the process is gone. `pid` may be negative: a process group. */
export function signalProcess(pid, signal) {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (error.code === 'ESRCH') return false;
    throw error;
  }
}

/** Waits until all of them are gone; false when `withinMs` have passed before that. */
export async function waitUntilGone(processes, withinMs) {
  const deadline = Date.now() + withinMs;
  while (processes.some(isAlive)) {
    if (Date.now() > deadline) return false;
    await sleep(25);
  }
  return true;
}
