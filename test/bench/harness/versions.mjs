import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';

/** Versions of all that was measured, by name. */
export async function versions({ here, root }) {
  const { dependencies } = await json(join(here, 'package.json'));
  const found = {
    node: process.versions.node,
    v8: process.versions.v8,
    platform: `${process.platform} ${process.arch}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    'nestjs-strata': (await json(join(root, 'package.json'))).version,
  };
  for (const name of Object.keys(dependencies))
    found[name] = (await json(join(here, 'node_modules', name, 'package.json'))).version;
  return found;
}

async function json(file) {
  return JSON.parse(await readFile(file, 'utf8'));
}
