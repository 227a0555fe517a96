import { createServer, type Server } from 'node:http';
import { Client } from 'pg';
import { closeRuns, leftAfterAll, npmStart, startRunner } from '../support/services-runner.js';
import { freePort } from '../../apps/services/index.mjs';
import { databaseUrl, describeWithServices, redisUrl } from '../support/services.js';

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined)); // somebody else has it, which serves as well
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** The test run's own services, where it does not matter whose they are. */
const shared = (): Record<string, string> => ({ DATABASE_URL: databaseUrl(), REDIS_URL: redisUrl() });

describeWithServices('starting the demo', () => {
  afterEach(closeRuns, 60_000);

  it('says what it uses, then one ready line per node and no http URL before them', async () => {
    const defaultPort = await listen(3000);
    const npm = await npmStart(['--nodes', '3']);
    const seen = await npm.until(/^ready node=3 url=http:\/\/127\.0\.0\.1:\d+$/m);
    expect(seen).toBeTruthy();

    const urls = npm.lines.filter((line) => /https?:\/\//.test(line));
    expect(urls).toHaveLength(3);
    for (const [position, line] of urls.entries()) {
      expect(line).toMatch(new RegExp(`^ready node=${position + 1} url=http://127\\.0\\.0\\.1:\\d+$`));
      expect(line).not.toMatch(/:3000$/); // the default port is taken: a free one instead
      const response = await fetch(line.slice(line.indexOf('http')));
      expect(await response.text()).toBe(`node ${position + 1}`);
    }
    expect(npm.output).toMatch(/^redis {5}redis:\/\/127\.0\.0\.1:\d+ .*pid \d+/m);

    // The URL of its own database works as it is printed.
    const [, url] = await npm.until(/^database {2}(postgres:\S+) .*pid \d+/m);
    const client = new Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query('SELECT current_user AS name');
    await client.end();
    expect(rows).toEqual([{ name: 'strata' }]);

    // The first node alone seeds, and the others start after it.
    const seeds = npm.lines.filter((line) => line.includes('seed='));
    expect(seeds[0]).toMatch(/^\[1\].*seed=1$/);
    expect(seeds.slice(1).map((line) => line.slice(line.indexOf('seed=')))).toEqual(['seed=no', 'seed=no']);
    defaultPort?.close();
  }, 90_000);

  it('uses the services named by the environment, starts none, and shows no password', async () => {
    const database = databaseUrl().replace('strata@', 'strata:s3cret@');
    const redis = redisUrl().replace('redis://', 'redis://:s3cret@');
    const runner = await startRunner([], { env: { DATABASE_URL: database, REDIS_URL: redis } });
    await runner.until(/^ready node=1/m);
    expect(runner.output).toContain(`${database.replace('s3cret', '***')}  (from DATABASE_URL)`);
    expect(runner.output).toContain(`${redis.replace('s3cret', '***')}  (from REDIS_URL)`);
    expect(runner.output).not.toContain('s3cret');
    expect(runner.output).not.toMatch(/^(PostgreSQL|Redis) on/m);
  }, 90_000);

  it.each([
    ['--port', (port: number) => ({ args: ['--port', String(port)], env: {} })],
    ['PORT', (port: number) => ({ args: [], env: { PORT: String(port) } })],
  ])(
    'refuses an explicit port that is taken (%s), having started nothing',
    async (source, how) => {
      const port = await freePort();
      const server = await listen(port);
      const { args, env } = how(port);
      const runner = await startRunner(args, { env });
      expect(await runner.exited).toBe(1);
      expect(runner.output.trim()).toBe(
        `port ${port} (from ${source}) is taken by another process; choose another or none`,
      );
      expect(await leftAfterAll(runner)).toEqual([]);
      server?.close();
    },
    90_000,
  );

  it('fails with the output of a node that exits before it listens, and leaves nothing', async () => {
    const runner = await startRunner([], { env: { ...shared(), FIXTURE_FAULT: 'start' } });
    expect(await runner.exited).toBe(1);
    expect(runner.output).toContain('fixture: cannot start');
    expect(runner.output).toContain('node 1 ended before it listened (exit code 7)');
    expect(await leftAfterAll(runner)).toEqual([]);
  }, 90_000);

  it('reports a node that dies later, stops the rest and exits non-zero', async () => {
    const runner = await startRunner(['--nodes', '2'], { env: { ...shared(), FIXTURE_FAULT: 'die' } });
    expect(await runner.exited).toBe(1);
    expect(runner.output).toMatch(/^node \d died \(exit code 9\): stopping the rest$/m);
    expect(await leftAfterAll(runner)).toEqual([]);
  }, 90_000);

  it.each([
    [['--nodes', '0'], "--nodes must be a whole number from 1 to 32, not '0'"],
    [['--port', '70000'], "--port must be a whole number from 1 to 65535, not '70000'"],
    [['--frobnicate'], "Unknown option '--frobnicate'"],
    [['three'], "Unexpected argument 'three'"],
  ])('refuses %j with a clear error', async (args, message) => {
    const runner = await startRunner(args);
    expect(await runner.exited).toBe(1);
    expect(runner.output).toContain(message);
    expect(runner.output).toContain('Usage: npm start');
  });

  it('explains itself with --help', async () => {
    const runner = await startRunner(['--help']);
    expect(await runner.exited).toBe(0);
    expect(runner.output).toMatch(/^Usage: npm start[^]*--nodes[^]*--port/);
  });
});
