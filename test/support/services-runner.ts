/** Runs `npm start` and the like as a user would, in a temporary folder of its own, and looks at what is left. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const ROOT = join(import.meta.dirname, '../..');
export const FIXTURE_NODE = join(ROOT, 'test/support/services-fixture-node.mjs');
const START = 'apps/trading/start.mjs';

export interface RunOptions {
  /** Default: the fixture instead of the demo, and no services named by the environment. */
  env?: Record<string, string>;
  cwd?: string;
  uid?: number;
}

export class Running {
  readonly child: ChildProcess;
  readonly exited: Promise<number | string>;
  output = '';

  constructor(
    readonly tmp: string,
    command: string,
    args: readonly string[],
    { env = {}, cwd = ROOT, uid }: RunOptions,
  ) {
    this.child = spawn(command, args, {
      cwd,
      env: { ...cleanEnvironment(), STRATA_DEMO_MAIN: FIXTURE_NODE, TMPDIR: tmp, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
    this.exited = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
    });
  }

  get lines(): string[] {
    return this.output.split('\n');
  }

  /** Waits until the output matches; throws with the output after 60 s. */
  async until(pattern: RegExp, withinMs = 60_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const match = pattern.exec(this.output);
      if (match) return match;
      if (Date.now() > deadline) throw new Error(`${pattern} did not appear in:\n${this.output}`);
      await sleep(20);
    }
  }

  /** The pids it has printed: of services and, by the fixture, of nodes. */
  get pids(): number[] {
    return [...this.output.matchAll(/pid[ =](\d+)/g)].map((match) => Number(match[1]));
  }
}

/** The environment without anything that a user's shell or the test run itself would add. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = { ...process.env };
  for (const name of Object.keys(own)) {
    if (
      /^(npm_|TEST_|FIXTURE_|STRATA_|JEST_)|^(DATABASE_URL|REDIS_URL|PORT|NODE_OPTIONS|NODE_ENV)$/.test(name)
    ) {
      delete own[name];
    }
  }
  return own;
}

const opened: Running[] = [];

async function open(command: string, args: readonly string[], options: RunOptions): Promise<Running> {
  const tmp = await mkdtemp(join(tmpdir(), 'nestjs-strata-test-'));
  await chmod(tmp, 0o777); // the services may run as another user, who passes through
  const running = new Running(tmp, command, args, options);
  opened.push(running);
  return running;
}

/** `node apps/trading/start.mjs …` */
export function startRunner(args: readonly string[] = [], options: RunOptions = {}): Promise<Running> {
  return open(process.execPath, [START, ...args], options);
}

/** `npm start -- …` */
export function npmStart(args: readonly string[] = [], options: RunOptions = {}): Promise<Running> {
  return open('npm', ['start', '--', ...args], options);
}

/** `node <script> …` in the checkout. */
export function runScript(args: readonly string[], options: RunOptions = {}): Promise<Running> {
  return open(process.execPath, args, options);
}

/** What a run has left: processes it told of or that work in its folder, and entries of that folder. */
export async function leftovers(running: Running): Promise<string[]> {
  const left = (await readdir(running.tmp)).filter((name) => !/^(node-compile-cache|npm-)/.test(name));
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''); // just gone; zombies: empty
    if (command && (command.includes(running.tmp) || running.pids.includes(Number(pid)))) {
      left.push(`${pid} ${command.replaceAll('\0', ' ')}`);
    }
  }
  return left;
}

/** Waits, up to 15 s, until nothing is left; gives what is. */
export async function leftAfterAll(running: Running): Promise<string[]> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const left = await leftovers(running);
    if (left.length === 0 || Date.now() > deadline) return left;
    await sleep(50);
  }
}

function signalProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // has just ended by itself
  }
}

/** For afterEach: ends what a failed test has left running and removes the temporary folders. */
export async function closeRuns(): Promise<void> {
  for (const running of opened.splice(0)) {
    if (running.child.exitCode === null && running.child.signalCode === null) running.child.kill('SIGTERM');
    await Promise.race([running.exited, sleep(20_000, undefined, { ref: false })]);
    for (const left of await leftAfterAll(running)) {
      const pid = Number.parseInt(left, 10); // the others are names of folders
      if (pid > 1) signalProcess(pid);
    }
    await rm(running.tmp, { recursive: true, force: true, maxRetries: 5 });
  }
}
