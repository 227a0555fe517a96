/**
 * Runs what speaks to a real Redis, and the types of the engine, against ioredis 6: in a copy under the temporary
 * folder, because TypeORM's peer range does not allow 6 beside it. Everything else comes from this checkout.
 *
 *   npm run test:ioredis6 [-- <pattern of test files>...]
 */
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
/** Not copied: made, large, or somebody's own. */
const LEFT_OUT = new Set(['node_modules', 'dist', 'coverage', '.git', '.env']);
/** Must not be there: they would bring, or ask for, another ioredis. */
const WITHOUT = new Set(['ioredis', 'typeorm', '@nestjs/typeorm']);
const SUITES = [
  'libs/tiered-cache/src/remote/redis/',
  'test/conformance/redis',
  'test/integration/redis-',
  'test/integration/engine',
];

async function main() {
  const copy = await mkdtemp(join(tmpdir(), 'nestjs-strata-ioredis6-'));
  let child;
  const stop = (signal) => child?.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);

  function run(command, args, env = {}) {
    return new Promise((resolve, reject) => {
      child = spawn(command, args, { cwd: copy, stdio: 'inherit', env: { ...process.env, ...env } });
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(signal ? 1 : code));
    });
  }

  try {
    await makeCopy(copy);
    const npm = [
      'install',
      '--no-audit',
      '--no-fund',
      '--no-package-lock',
      '--ignore-scripts',
      '--loglevel=error',
    ];
    if ((await run('npm', [...npm, 'ioredis@^6'])) !== 0) return 1;
    await linkTheRest(copy);
    await usePackageJson(copy);
    const { version } = JSON.parse(await readFile(join(copy, 'node_modules/ioredis/package.json'), 'utf8'));
    console.log(`ioredis ${version}`);
    const types = await run(process.execPath, [
      join(ROOT, 'node_modules/typescript/bin/tsc'),
      '-p',
      'tsconfig.ioredis6.json',
    ]);
    console.log(types === 0 ? 'types: fit' : 'types: do not fit');
    const patterns = process.argv.slice(2);
    const tests = await run(
      process.execPath,
      [
        join(ROOT, 'node_modules/jest/bin/jest.js'),
        '--runInBand',
        ...(patterns.length > 0 ? patterns : SUITES),
      ],
      { NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning' },
    );
    return types === 0 && tests === 0 ? 0 : 1;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function makeCopy(copy) {
  for (const name of await readdir(ROOT)) {
    if (LEFT_OUT.has(name) || name === 'package.json' || name === 'package-lock.json') continue;
    await cp(join(ROOT, name), join(copy, name), { recursive: true });
  }
  // The checkout's own would make npm install everything it lists.
  await writeFile(join(copy, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  await writeFile(
    join(copy, 'tsconfig.ioredis6.json'),
    JSON.stringify({ extends: './tsconfig.json', include: ['libs', 'test/conformance'] }),
  );
}

/** Now that ioredis is there: `imports` and `exports`, by which the sources name themselves. */
async function usePackageJson(copy) {
  await cp(join(ROOT, 'package.json'), join(copy, 'package.json'));
}

/** Links to what the checkout has installed, but for what npm has put there just now. */
async function linkTheRest(copy) {
  const from = join(ROOT, 'node_modules');
  const to = join(copy, 'node_modules');
  const there = new Set(await packages(to));
  for (const name of await packages(from)) {
    if (there.has(name) || WITHOUT.has(name)) continue;
    await mkdir(dirname(join(to, name)), { recursive: true });
    await symlink(join(from, name), join(to, name), 'dir');
  }
}

async function packages(folder) {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.'));
  const scoped = names
    .filter((name) => name.startsWith('@'))
    .map(async (scope) => (await readdir(join(folder, scope))).map((name) => `${scope}/${name}`));
  return [...names.filter((name) => !name.startsWith('@')), ...(await Promise.all(scoped)).flat()];
}

process.exitCode = await main();
