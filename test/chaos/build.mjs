/**
 * The package under test, compiled into a folder of its own; a mutant's patch is applied to the copy of the source
 * before it is compiled, so nothing of it exists in the product. Beside it the judge's node programs, which so
 * import `nestjs-strata/...` by self-reference, through the package's own exports.
 */
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';

const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, '../..');

const SWC = {
  jsc: {
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    target: 'es2022',
    keepClassNames: true,
  },
  module: { type: 'es6' },
  isModule: true,
  swcrc: false,
};

/**
 * @param {string} folder where to
 * @param {readonly {file: string, find: string, replace: string}[]} patches each `find` must occur exactly once
 * @returns {Promise<string>} the path of the node program
 */
export async function buildPackage(folder, patches = []) {
  const applied = new Set();
  for (const part of ['libs', 'src']) {
    for (const file of await sources(part)) {
      const own = patches.filter((patch) => patch.file === file);
      let text = await readFile(join(ROOT, file), 'utf8');
      for (const patch of own) {
        text = patched(text, patch);
        applied.add(patch);
      }
      const { code } = await transform(text, { ...SWC, filename: file });
      const out = join(folder, 'dist', file.replace(/\.ts$/, '.js'));
      await mkdir(dirname(out), { recursive: true });
      await writeFile(out, code);
    }
  }
  for (const patch of patches) if (!applied.has(patch)) throw new Error(`no such file: ${patch.file}`);
  await cp(join(ROOT, 'package.json'), join(folder, 'package.json'));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await mkdir(join(folder, 'chaos'));
  await cp(join(HERE, 'node'), join(folder, 'chaos/node'), { recursive: true });
  for (const shared of ['records.mjs', 'random.mjs'])
    await cp(join(HERE, shared), join(folder, 'chaos', shared));
  return join(folder, 'chaos/node/main.mjs');
}

/** @returns the text with its one occurrence of `find` replaced. */
export function patched(text, { file, find, replace }) {
  const times = text.split(find).length - 1;
  if (times !== 1) throw new Error(`the patch of ${file} matches ${times} times, not once:\n${find}`);
  return text.replace(find, () => replace);
}

async function sources(part) {
  const entries = await readdir(join(ROOT, part), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('spec.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(ROOT.length + 1));
}
