import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { transform } from '@swc/core';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');

/**
 * Prints, at several moments, whether promises take asynchronous ids: that is what every await pays for an
 * AsyncLocalStorage on Node 20 and 22. In a process of its own, as Jest uses one itself.
 */
const PROGRAM = `
  import { AsyncResource } from 'node:async_hooks';
  import { setImmediate as turn } from 'node:timers/promises';
  import { createInProcessTier, InProcessHub, TieredCache } from './engine/index.js';

  const followed = () => {
    const id = () => new AsyncResource('probe').asyncId();
    const before = id();
    for (let i = 0; i < 100; i++) void Promise.resolve().then(() => undefined);
    return id() - before > 100;
  };
  const seen = {};
  seen.imported = followed();
  const cache = new TieredCache({
    namespaces: { items: { ttl: '1m' } },
    remote: createInProcessTier(new InProcessHub()),
  }).start();
  for (let i = 0; i < 3; i++) await cache.getOrSet('items', 'a' + i, async () => i);
  await cache.namespace('items').getOrSetMany(['b'], () => new Map([['b', 1]]));
  await cache.set('items', 'c', 1);
  await cache.deleteByTag('t');
  await turn();
  seen.untracked = followed();
  const load = async () => {
    await turn();
    cache.trackedLoad?.found(['row:1']);
    seen.inside = followed();
    return 1;
  };
  await Promise.all(['d', 'e'].map((id) => cache.getOrSet('items', id, load, { track: true })));
  await turn();
  seen.after = followed();
  await cache.getOrSet('items', 'd', load, { track: true });
  await turn();
  seen.hit = followed();
  await cache.close();
  console.log(JSON.stringify(seen));
`;

describe('what following a load costs', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'strata-tracking-'));
    const source = join(root, 'libs/tiered-cache/src');
    for (const file of await readdir(source, { recursive: true })) {
      if (!file.endsWith('.ts') || file.endsWith('.spec.ts')) continue;
      const { code } = await transform(await readFile(join(source, file), 'utf8'), {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'es6' },
        filename: file,
      });
      const target = join(folder, 'engine', file.replace(/\.ts$/, '.js'));
      await mkdir(join(target, '..'), { recursive: true });
      await writeFile(target, code);
    }
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    await cp(join(root, 'package.json'), join(folder, 'package.json'));
    await writeFile(join(folder, 'program.mjs'), PROGRAM);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is paid only while a tracked load runs', async () => {
    const { stdout } = await run(process.execPath, [join(folder, 'program.mjs')], { cwd: folder });
    // From Node 24 on contexts need no ids, and cost next to nothing.
    const inside = Number(process.versions.node.split('.')[0]) < 24;
    expect(JSON.parse(stdout)).toEqual({
      imported: false,
      untracked: false,
      inside,
      after: false,
      hit: false,
    });
  });
});
