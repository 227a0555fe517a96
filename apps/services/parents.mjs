/** The processes that started us: when they are gone, nobody is left who could stop us. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { isAlive, startTimeOf } from './processes.mjs';

const SHELLS = new Set(['sh', 'dash', 'bash', 'ash', 'zsh', 'ksh', 'busybox']);

/**
 * A function that tells whether a parent has gone. npm forwards no signal reliably, and runs its scripts by a
 * shell which may outlive it: under npm the shell's parent counts too.
 */
export function watchParents() {
  const parent = process.ppid;
  const watched = [];
  if (process.env.npm_lifecycle_event !== undefined) {
    let pid = parent;
    while (pid > 1 && SHELLS.has(commandOf(pid))) {
      pid = parentOf(pid);
      if (pid > 1) watched.push({ pid, started: startTimeOf(pid) });
    }
  }
  return () => process.ppid !== parent || !watched.every(isAlive);
}

function commandOf(pid) {
  if (process.platform !== 'linux') return basename(ps(pid, 'comm')).replace(/^-/, '');
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return ''; // gone: process.ppid will tell
  }
}

function parentOf(pid) {
  if (process.platform !== 'linux') return Number(ps(pid, 'ppid')) || 0;
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^PPid:\s*(\d+)/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0; // gone
  }
}

function ps(pid, field) {
  try {
    return execFileSync('ps', ['-o', `${field}=`, '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return ''; // ps exits 1 when there is no such process
  }
}
