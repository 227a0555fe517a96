import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPackage, ROOT } from '../chaos/build.mjs';

export interface WriterEnv {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly fence: boolean;
}

/** Processes that write one row each and die; of the package as its source is now, compiled once. */
export class Writers {
  private readonly alive = new Set<ChildProcess>();
  private constructor(private readonly folder: string) {}

  static async build(): Promise<Writers> {
    const folder = await mkdtemp(join(tmpdir(), 'strata-kill-'));
    await buildPackage(folder);
    await mkdir(join(folder, 'kill'));
    for (const file of ['writer.mjs', 'item.mjs'])
      await cp(join(ROOT, 'test/kill', file), join(folder, 'kill', file));
    return new Writers(folder);
  }

  /** Ready to write: `write` resolves when it is dead, right after its COMMIT, with that time (performance.now). */
  async start(env: WriterEnv): Promise<{ write: (id: number) => Promise<number> }> {
    const child = fork(join(this.folder, 'kill/writer.mjs'), {
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        DATABASE_URL: env.databaseUrl,
        REDIS_URL: env.redisUrl,
        PREFIX: env.prefix,
        FENCE: env.fence ? '1' : '0',
      },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.alive.add(child);
    const ended = once(child, 'exit').then(([code, signal]) => {
      this.alive.delete(child);
      return { code: code as number | null, signal: signal as string | null, at: performance.now() };
    });
    const first = await Promise.race([once(child, 'message').then(() => null), ended]);
    if (first) throw new Error(`the writer ended before it was ready: ${first.code ?? first.signal}`);
    return {
      write: async (id) => {
        child.send({ id });
        const { code, signal, at } = await ended;
        if (signal !== 'SIGKILL')
          throw new Error(`the writer was to be killed, but ended with ${code ?? signal}`);
        return at;
      },
    };
  }

  async close(): Promise<void> {
    for (const child of this.alive) child.kill('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}
