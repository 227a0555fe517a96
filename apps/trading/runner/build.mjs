/** Compiles the sources when dist is missing or older than they are; shared by `npm start` and `npm test`. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../services/launch.mjs';
import { isAlive } from '../../services/processes.mjs';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const DEMO = 'dist/apps/trading/src/main.js';
const SOURCES = ['src', 'libs', 'apps'];
const SETTINGS = ['package.json', 'tsconfig.json', 'tsconfig.build.json'];
const BUILD_WITHIN_MS = 300_000;

/** Resolves with the compiled demo's path. Throws with the compiler's output when it does not compile. */
export async function ensureBuilt({ root = ROOT, log, signal } = {}) {
  const demo = join(root, DEMO);
  if (!(await isStale(root))) return demo;
  log?.('building');
  const scratch = join(root, '.cache', `build-${process.pid}`);
  const began = new Date();
  try {
    await removeAbandoned(root);
    await compile(root, scratch, signal);
    await replaceDist(root, scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  // A source saved while the compiler ran may not be in it: the build is as old as its beginning.
  if (existsSync(demo)) await utimes(demo, began, began);
  return demo;
}

/** A folder's own time changes when a file in it is added or removed, so folders count like files. */
export async function isStale(root = ROOT) {
  const built = await stat(join(root, DEMO)).catch(() => undefined); // never built
  if (!built) return true;
  for (const name of SETTINGS) {
    if ((await stat(join(root, name))).mtimeMs > built.mtimeMs) return true;
  }
  for (const name of SOURCES) {
    const folder = join(root, name);
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const relevant = entries.filter((entry) => entry.isDirectory() || isSource(entry.name));
    const paths = [folder, ...relevant.map((entry) => join(entry.parentPath ?? entry.path, entry.name))];
    const times = await Promise.all(paths.map((path) => stat(path)));
    if (times.some(({ mtimeMs }) => mtimeMs > built.mtimeMs)) return true;
  }
  return false;
}

function isSource(name) {
  return name.endsWith('.ts') && !name.endsWith('spec.ts');
}

async function compile(root, outDir, signal) {
  const tsc = createRequire(join(root, 'package.json')).resolve('typescript/bin/tsc');
  await mkdir(outDir, { recursive: true });
  const { code, output } = await run(
    process.execPath,
    [tsc, '-p', 'tsconfig.build.json', '--outDir', outDir, '--pretty', 'false'],
    { cwd: root, signal, timeoutMs: BUILD_WITHIN_MS },
  );
  signal?.throwIfAborted();
  if (code !== 0) throw new Error(`the build failed:\n${output.trim()}`);
}

/** The old build stays whole until the new one is: other processes may be running from it. */
async function replaceDist(root, scratch) {
  const dist = join(root, 'dist');
  const old = `${scratch}-old`;
  if (existsSync(dist)) await rename(dist, old);
  await rename(scratch, dist);
  await rm(old, { recursive: true, force: true });
}

/** What builders that were killed have left. */
async function removeAbandoned(root) {
  const cache = join(root, '.cache');
  const names = await readdir(cache).catch(() => []); // nothing there yet
  for (const name of names) {
    const pid = Number(/^build-(\d+)/.exec(name)?.[1]);
    if (pid && !isAlive({ pid })) await rm(join(cache, name), { recursive: true, force: true });
  }
}
