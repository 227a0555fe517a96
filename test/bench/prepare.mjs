/** What a run needs first: the peers beside this file, and the product compiled as it is shipped. */
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, '../..');

/** Installs the peers when they are missing or older than the lock. */
export async function ensurePeers(log) {
  const installed = await stat(join(HERE, 'node_modules/.package-lock.json')).catch(() => undefined); // never installed
  const lock = await stat(join(HERE, 'package-lock.json'));
  if (installed !== undefined && installed.mtimeMs >= lock.mtimeMs) return;
  log('installing the peers (npm ci --prefix test/bench)');
  await run('npm', ['ci', '--prefix', HERE, '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: ROOT });
}

/**
 * Compiles into a folder of its own, with the compiler and the settings of `npm run build`: nothing is measured that
 * is not shipped, and a build that others run from stays as it is.
 *
 * @returns {Promise<{ folder: string, remove(): Promise<void> }>}
 */
export async function buildProduct(log) {
  log('building the product');
  const folder = await mkdtemp(join(tmpdir(), 'strata-bench-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const tsc = createRequire(join(ROOT, 'package.json')).resolve('typescript/bin/tsc');
    await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')], {
      cwd: ROOT,
    }).catch((error) => {
      throw new Error(`the build failed:\n${error.stdout}`, { cause: error });
    });
    await copyFile(join(ROOT, 'package.json'), join(folder, 'package.json'));
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  } catch (error) {
    await remove();
    throw error;
  }
  return { folder, remove };
}
