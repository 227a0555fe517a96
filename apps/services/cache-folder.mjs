/** Where fetched programs are kept between runs. They are executed, so the folder must be ours alone. */
import { access, constants, lstat, mkdir } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** $XDG_CACHE_HOME/nestjs-strata, else ~/.cache/nestjs-strata, else a folder in the temporary one. */
export async function cacheFolder() {
  const xdg = process.env.XDG_CACHE_HOME;
  const candidates = [
    ...(xdg && isAbsolute(xdg) ? [join(xdg, 'nestjs-strata')] : []),
    join(homedir(), '.cache', 'nestjs-strata'),
    join(tmpdir(), `nestjs-strata-cache-${process.getuid?.() ?? 'user'}`),
  ];
  for (const folder of candidates) {
    if (await isOurs(folder)) return folder;
  }
  throw new Error(`none of these folders can be written: ${candidates.join(', ')}`);
}

async function isOurs(folder) {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK);
    const stat = await lstat(folder);
    const othersMayWrite = (stat.mode & 0o022) !== 0;
    return stat.isDirectory() && stat.uid === process.getuid?.() && !othersMayWrite;
  } catch {
    return false; // no home, a read-only one, somebody else's: the next candidate
  }
}
