/** Where a Redis (or Valkey) program comes from: PATH, else the distribution's package, fetched not installed. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fetchRedisPackage } from './redis-package.mjs';
import { findOnPath, serviceUser } from './launch.mjs';
import { libraryEnv, programIn, versionOf } from './redis-tree.mjs';
import { UnavailableError } from './unavailable.mjs';

const FIX = 'set REDIS_URL, or install a server: sudo apt-get install redis-server';

/** `{ source, command, tree? }`; `tree` is the folder to copy if the service's user cannot enter it. */
export async function findRedis({ log, signal } = {}) {
  for (const name of ['redis-server', 'valkey-server']) {
    const command = findOnPath(name);
    if (command) return { source: command, command };
  }
  try {
    const tree = await fetchRedisPackage({ log, signal });
    return { source: `the distribution's package in ${tree}`, command: programIn(tree), tree };
  } catch (error) {
    signal?.throwIfAborted();
    throw new UnavailableError(
      'Redis',
      `no redis-server or valkey-server on PATH, and ${error.message}`,
      FIX,
    );
  }
}

/** The program as the service's user can run it: in place, or copied into its folder. */
export async function usableBy({ command, tree }, folder) {
  const env = tree ? await libraryEnv(tree) : {};
  const inPlace = await versionOf(command, env, { ...serviceUser(), cwd: folder });
  if (inPlace) return { command, env, version: inPlace };
  if (tree) {
    const copy = join(folder, 'package');
    await cp(tree, copy, { recursive: true, verbatimSymlinks: true });
    const copied = { command: programIn(copy), env: await libraryEnv(copy) };
    const version = await versionOf(copied.command, copied.env, { ...serviceUser(), cwd: folder });
    if (version) return { ...copied, version };
  }
  throw new UnavailableError('Redis', `${command} does not run`, FIX);
}
