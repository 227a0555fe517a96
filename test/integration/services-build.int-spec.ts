import { mkdir, mkdtemp, readFile, readdir, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT, ensureBuilt, isStale } from '../../apps/trading/runner/build.mjs';

describe('building before a start', () => {
  let root: string;
  const past = new Date(Date.now() - 60_000);
  const main = 'apps/trading/src/main.ts';

  async function put(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }

  /** As if everything had been written a minute ago, before the build. */
  async function age(): Promise<void> {
    for (const name of await readdir(root, { recursive: true })) {
      if (!name.startsWith('dist') && name !== 'node_modules') await utimes(join(root, name), past, past);
    }
  }

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'nestjs-strata-test-'));
    for (const name of ['src/index.ts', 'libs/lib.ts', main])
      await put(name, 'export const answer: number = 42;\n');
    await put('package.json', '{ "type": "module" }');
    await put('tsconfig.json', '{}');
    const compilerOptions = { module: 'nodenext', target: 'es2023', rootDir: '.', types: [] };
    await put('tsconfig.build.json', JSON.stringify({ compilerOptions, include: ['src', 'libs', 'apps'] }));
    await put('dist/apps/trading/src/main.js', 'old\n');
    await age();
  });

  afterEach(() => rm(root, { recursive: true, force: true }));

  it('is not needed while nothing is newer than the build', async () => {
    expect(await isStale(root)).toBe(false);
    await put('libs/lib.spec.ts', 'tests are not built');
    await utimes(join(root, 'libs'), past, past);
    expect(await isStale(root)).toBe(false);
  });

  it.each([
    ['a source was changed', () => writeFile(join(root, 'libs/lib.ts'), 'export {};')],
    ['a source was removed', () => unlink(join(root, 'src/index.ts'))],
    ['the compiler settings were changed', () => writeFile(join(root, 'tsconfig.json'), '{ }')],
    ['there is no build', () => rm(join(root, 'dist'), { recursive: true })],
  ])('is needed when %s', async (_why, change) => {
    await utimes(join(root, 'dist/apps/trading/src/main.js'), past, past);
    await change();
    expect(await isStale(root)).toBe(true);
  });

  it('replaces the old build, or keeps it and shows why when the sources do not compile', async () => {
    await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'));
    // Within one tick of the file system's clock nothing is newer than anything.
    await utimes(join(root, 'dist/apps/trading/src/main.js'), past, past);
    await writeFile(join(root, main), 'export const answer: number = "not a number";\n');
    await expect(ensureBuilt({ root })).rejects.toThrow(/main\.ts.*not assignable/);
    expect(await readFile(join(root, 'dist/apps/trading/src/main.js'), 'utf8')).toBe('old\n');

    await writeFile(join(root, main), 'export const answer: number = 43;\n');
    await put('dist/left-over.js', 'of an earlier build');
    const built = await ensureBuilt({ root });
    expect(await readFile(built, 'utf8')).toContain('answer = 43');
    expect((await readdir(join(root, 'dist'))).sort()).toEqual(['apps', 'libs', 'src']);
    expect(await readdir(join(root, '.cache'))).toEqual([]);
    expect(await isStale(root)).toBe(false);
  }, 60_000);
});
