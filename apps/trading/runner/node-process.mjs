/** One node of the demo: a process that says over its IPC channel when it listens. */
import { createInterface } from 'node:readline';
import { launch } from '../../services/launch.mjs';
import { signalProcess } from '../../services/processes.mjs';

const READY_WITHIN_MS = 120_000;
const FLUSH_WITHIN_MS = 10_000;

/**
 * @param options `main`: the program; `index`: 1..N; `env`; `cwd`; `run`: the run folder; `print(line)`
 * @returns `{ index, url, pid, ready, exited, stop() }`; `ready` rejects when it exits before it listens, `exited`
 *   resolves with how it ended
 */
export function startNode({ main, index, env, cwd, run, print }) {
  const child = launch(process.execPath, [main], {
    deathSignal: 'TERM', // its own IPC 'disconnect' tells it as well
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  if (child.pid !== undefined) run.record(child.pid, { stage: 'node', signal: 'SIGTERM' });
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', print);

  let stopping = false;
  const exited = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    // 'close', not 'exit': what it printed last has been read by then.
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  }).then((how) => {
    if (child.pid !== undefined) run.forget(child.pid);
    return how;
  });
  return {
    index,
    url: `http://127.0.0.1:${env.PORT}`,
    pid: child.pid,
    exited,
    ready: untilReady(child, index, exited),
    /** Asks it to stop and to flush, insists after 10 s; resolves when it is gone. */
    async stop() {
      if (stopping || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
        await exited;
        return;
      }
      stopping = true;
      signalProcess(child.pid, 'SIGTERM');
      const insist = setTimeout(() => {
        print(`does not stop within ${FLUSH_WITHIN_MS / 1000} s: killed`);
        signalProcess(child.pid, 'SIGKILL');
      }, FLUSH_WITHIN_MS);
      await exited;
      clearTimeout(insist);
    },
  };
}

function untilReady(child, index, exited) {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => {
      reject(new Error(`node ${index} does not listen after ${READY_WITHIN_MS / 1000} s`));
    }, READY_WITHIN_MS);
    child.on('message', (message) => {
      if (message?.type !== 'ready') return;
      clearTimeout(limit);
      resolve();
    });
    void exited.then((how) => {
      clearTimeout(limit);
      reject(new Error(`node ${index} ended before it listened (${how}); its output is above`));
    });
  });
}
