/** A folder into which a distribution's Redis package was extracted: its program, its libraries, its version. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isExecutable, run } from './launch.mjs';

/** The server program inside an extracted package. */
export function programIn(tree) {
  for (const name of ['redis-server', 'valkey-server']) {
    const command = join(tree, 'usr/bin', name);
    if (isExecutable(command)) return command;
  }
  throw new Error(`the package in ${tree} holds no server program`);
}

/** Environment with which a program in an extracted package finds the libraries beside it. */
export async function libraryEnv(tree) {
  const folders = [];
  for (const lib of ['usr/lib', 'lib']) {
    const entries = await readdir(join(tree, lib), { withFileTypes: true }).catch(() => []); // may be absent
    folders.push(
      ...entries.filter((entry) => entry.isDirectory()).map((entry) => join(tree, lib, entry.name)),
    );
  }
  return { LD_LIBRARY_PATH: folders.join(':') };
}

/** The version, if the program runs at all as this user. */
export async function versionOf(command, env, options = {}) {
  const { code, output } = await run(command, ['--version'], {
    env: { PATH: process.env.PATH, ...env },
    timeoutMs: 5000,
    ...options,
  });
  return code === 0 ? /v=(\d+\.\d+(\.\d+)?)/.exec(output)?.[1] : undefined;
}
