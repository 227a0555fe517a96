/**
 * Fetches the distribution's Redis package without installing it (installing would enable a boot service) and
 * without root: apt with its state and cache in a folder of ours, then `dpkg-deb -x`. Keyed by release and
 * architecture; several processes may do so at once, the first to rename its folder into place wins.
 */
import { mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.mjs';
import { findOnPath, run } from './launch.mjs';
import { libraryEnv, programIn, versionOf } from './redis-tree.mjs';

const PACKAGES = ['redis-server', 'valkey-server'];
const ABANDONED_MS = 3_600_000;

/** The folder that holds the extracted package. Throws when this is no Debian or the network says no. */
export async function fetchRedisPackage({ log, signal } = {}) {
  const key = await releaseKey();
  const cache = await cacheFolder();
  const target = join(cache, `redis-${key}`);
  if (await answers(target)) return target;
  await removeAbandoned(cache);
  const work = await mkdtemp(join(cache, `fetching-${key}-`));
  try {
    log?.("Redis: fetching the distribution's package (once; nothing is installed)");
    const tree = await fetchInto(work, signal);
    if (!(await answers(tree))) throw new Error('the fetched redis-server does not run');
    await putInPlace(tree, target, work);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** For instance `debian-bookworm-amd64`. */
async function releaseKey() {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (name) => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(release)?.[1];
  const family = `${field('ID')} ${field('ID_LIKE')}`;
  const tools = ['apt-get', 'dpkg', 'dpkg-deb'].every(findOnPath);
  if (!/\b(debian|ubuntu)\b/.test(family) || !tools) {
    throw new Error('this is not Debian or Ubuntu, whose package could be fetched');
  }
  const { output } = await run('dpkg', ['--print-architecture']);
  return [field('ID'), field('VERSION_CODENAME') ?? field('VERSION_ID'), output.trim()]
    .map((part) => String(part).replaceAll(/[^\w.]/g, '_'))
    .join('-');
}

async function fetchInto(work, signal) {
  const config = await aptConfig(work);
  const apt = async (...args) => {
    signal?.throwIfAborted();
    const env = { ...process.env, APT_CONFIG: '', DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
    const result = await run('apt-get', ['-c', config, '-q', ...args], { timeoutMs: 120_000, env, signal });
    signal?.throwIfAborted();
    if (result.code !== 0) {
      // Without the scheme: the demo promises that its own URL is the first one it prints.
      const reason = result.output
        .trim()
        .split('\n')
        .slice(-3)
        .join(' | ')
        .replaceAll(/https?:\/\//g, '');
      throw new Error(`apt-get ${args[0]} failed: ${reason}`);
    }
  };
  await apt('update');
  let failure;
  for (const name of PACKAGES) {
    try {
      await apt('install', '--yes', '--download-only', '--no-install-recommends', name);
      return await extract(work);
    } catch (error) {
      signal?.throwIfAborted();
      failure ??= error;
    }
  }
  throw failure;
}

/** Read after the system's own configuration, whose hooks (cache cleaners, catalogues) must not run for us. */
async function aptConfig(work) {
  await mkdir(join(work, 'state/lists/partial'), { recursive: true });
  await mkdir(join(work, 'cache/archives/partial'), { recursive: true });
  const hooks = ['Update::Pre-Invoke', 'Update::Post-Invoke', 'Update::Post-Invoke-Success'];
  const lines = [
    ...hooks.map((name) => `#clear APT::${name};`),
    ...['Pre-Invoke', 'Post-Invoke', 'Pre-Install-Pkgs'].map((name) => `#clear DPkg::${name};`),
    `Dir::State "${join(work, 'state')}";`,
    'Dir::State::status "/var/lib/dpkg/status";',
    `Dir::Cache "${join(work, 'cache')}";`,
    `Dir::Log "${join(work, 'log')}";`,
    'Debug::NoLocking "1";',
    'APT::Keep-Downloaded-Packages "1";',
    'Acquire::Retries "2";',
    'Acquire::http::Timeout "20";',
    'Acquire::https::Timeout "20";',
    'Acquire::Languages "none";',
  ];
  const file = join(work, 'apt.conf');
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}

async function extract(work) {
  const archives = join(work, 'cache/archives');
  const tree = join(work, 'tree');
  await mkdir(tree);
  const packages = (await readdir(archives)).filter((name) => name.endsWith('.deb'));
  if (packages.length === 0) throw new Error('apt-get downloaded nothing');
  for (const name of packages) {
    const { code, output } = await run('dpkg-deb', ['-x', join(archives, name), tree]);
    if (code !== 0) throw new Error(`dpkg-deb could not extract ${name}: ${output.trim()}`);
  }
  return tree;
}

/** Whether the tree holds a server that runs here. */
async function answers(tree) {
  try {
    return Boolean(await versionOf(programIn(tree), await libraryEnv(tree)));
  } catch {
    return false; // nothing there yet
  }
}

async function putInPlace(tree, target, work) {
  try {
    await rename(tree, target);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error;
    if (await answers(target)) return; // somebody else was faster
    await rename(target, join(work, 'broken'));
    await rename(tree, target);
  }
}

async function removeAbandoned(cache) {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('fetching-')) continue;
    const path = join(cache, name);
    const made = await stat(path).catch(() => undefined); // its owner has just removed it
    if (made && Date.now() - made.mtimeMs > ABANDONED_MS) await rm(path, { recursive: true, force: true });
  }
}
