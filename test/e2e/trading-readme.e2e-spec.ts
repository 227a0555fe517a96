/** The README's first minute, as it is pasted: its commands are read from README.md and run beside `npm start`. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describeWithServices } from '../support/services.js';
import { closeRuns, ROOT, type Running, startRunner } from '../support/services-runner.js';
import { within } from './trading-fleet.js';

const BOUND_MS = 500;
const run = promisify(execFile);

/** The block after "three nodes over one database and one Redis". */
function commandsOfReadme(): string[] {
  const section = /## See it run\n([\s\S]*?)\n## /.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))![1]!;
  const blocks = [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]!);
  return blocks[1]!.trim().split('\n');
}

describeWithServices('the demo, tried as the README says', () => {
  let demo: Running;
  let urls: string[];
  const commands = commandsOfReadme();

  beforeAll(async () => {
    demo = await startRunner(['--nodes', '3'], {
      env: { STRATA_DEMO_MAIN: '', CACHE_WARMING_ENABLED: '0', LOG_LEVEL: 'warn' },
    });
    await demo.until(/^ready node=3 .*$/m, 180_000);
    urls = [...demo.output.matchAll(/^ready node=\d+ url=(\S+)$/gm)].map((match) => match[1]!);
    expect(urls).toHaveLength(3);
  }, 200_000);
  afterAll(closeRuns, 60_000);

  /** In a shell, in the checkout. Ports 3000 to 3002 may be somebody else's here. */
  async function paste(command: string): Promise<string> {
    const here = command.replace(/localhost:300(\d)/g, (_all, node) => new URL(urls[Number(node)]!).host);
    const { DATABASE_URL: _database, ...env } = process.env;
    const { stdout } = await run('sh', ['-c', here], {
      cwd: ROOT,
      env: { ...env, TMPDIR: demo.tmp, NO_PROXY: '*' },
    });
    return stdout;
  }

  const nameOn = async (url: string): Promise<string> => {
    const answer = await fetch(`${url}/instruments/AAPL`);
    return ((await answer.json()) as { name: string }).name;
  };
  const seenEverywhere = async (name: string) =>
    (await Promise.all(urls.map((url) => within(BOUND_MS, async () => (await nameOn(url)) === name)))).every(
      Boolean,
    );
  const loads = async () => {
    const all = await Promise.all(
      urls.map(async (url) => (await fetch(`${url}/admin/cache/metrics`)).json()),
    );
    return all.reduce((sum: number, { sourceLoads }: any) => sum + sourceLoads, 0);
  };
  const newName = (command: string) => /SET name = '([^']+)'/.exec(command)?.[1];
  const hasPsql = () =>
    run('psql', ['--version']).then(
      () => true,
      () => false,
    );

  it('answers every command, and shows what psql wrote on all three nodes within the bound', async () => {
    let written = 0;
    for (const command of commands) {
      const name = newName(command) ?? /"name":"([^"]+)"/.exec(command)?.[1];
      if (name !== undefined) {
        // Cached on every node: asking again loads nothing.
        for (const url of urls) await nameOn(url);
        const before = await loads();
        for (const url of urls) expect(await nameOn(url)).not.toBe(name);
        expect(await loads()).toBe(before);
      }
      const pasted =
        command.startsWith('psql ') && !(await hasPsql())
          ? command.replace('psql "$(npm run --silent sql)" -c', 'npm run --silent sql --')
          : command;
      const output = await paste(pasted);
      expect(output).not.toBe('');
      if (command.startsWith('curl')) expect(JSON.parse(output)).not.toHaveProperty('title');
      else expect(output).toContain('UPDATE 1');
      if (name === undefined) continue;
      expect(await seenEverywhere(name)).toBe(true);
      written += 1;
    }
    expect(written).toBe(2);
    expect(commands.filter((command) => newName(command))).toHaveLength(1);
  }, 60_000);

  it('does without psql: npm run sql', async () => {
    for (const url of urls) await nameOn(url);
    const update = `npm run --silent sql -- "UPDATE instruments SET name = 'Without psql' WHERE symbol = 'AAPL'"`;
    expect(await paste(update)).toBe('UPDATE 1\n');
    expect(await seenEverywhere('Without psql')).toBe(true);
    expect(await paste(`npm run --silent sql -- "SELECT name FROM instruments WHERE id = 1"`)).toMatch(
      /Without psql[^]*SELECT 1\n$/,
    );
  }, 60_000);

  it('says what is wrong with SQL, and refuses a database on another machine', async () => {
    await expect(paste('npm run --silent sql -- "UPDATE nothing"')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('syntax error'),
    });
    for (const url of ['postgres://db.example.com/x', 'postgres://127.0.0.1/x?host=db.example.com'])
      await expect(paste(`DATABASE_URL='${url}' npm run --silent sql -- "SELECT 1"`)).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringContaining('not on this machine but on db.example.com'),
      });
  }, 60_000);
});
