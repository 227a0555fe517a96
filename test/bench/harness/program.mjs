/** Programs that measure one thing in a process of their own and answer once over IPC. */
import { fork } from 'node:child_process';

/**
 * @param {string} name of the file in ../programs, without .mjs
 * @param {object} request
 * @param {{ execArgv?: string[], withinMs?: number }} [how]
 * @returns {Promise<any>} what the program sends; rejects when it ends without that
 */
export function runProgram(name, request, { execArgv = [], withinMs = 300_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = fork(new URL(`../programs/${name}.mjs`, import.meta.url), [], {
      execArgv,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
    let answer;
    child.once('message', (message) => {
      answer = message;
      child.disconnect();
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      if (answer === undefined) reject(new Error(`${name} ended with ${signal ?? code}`));
      else if (answer.error !== undefined) reject(new Error(`${name}: ${answer.error}`));
      else resolve(answer.answer);
    });
    child.send(request);
  });
}
