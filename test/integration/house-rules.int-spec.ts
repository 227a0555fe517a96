import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The rules of .dependency-cruiser.cjs are worth what they catch: each violation is planted and must be seen. */
const root = resolve(import.meta.dirname, '../..');

function cruise(folder: string): Promise<{ code: number; output: string }> {
  const args = [
    join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'),
    '--config',
    '.dependency-cruiser.cjs',
    'src',
    'libs',
    'apps',
  ];
  return new Promise((done) => {
    execFile(
      process.execPath,
      args,
      { cwd: folder, env: { ...process.env, NODE_OPTIONS: '' } },
      (error, stdout, stderr) => {
        done({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
      },
    );
  });
}

describe('house rules', () => {
  let copy: string;

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'strata-rules-'));
    for (const name of ['src', 'libs', 'apps', 'package.json', 'tsconfig.json', '.dependency-cruiser.cjs'])
      cpSync(join(root, name), join(copy, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  });

  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  it('hold for the tree as it is', async () => {
    const { code, output } = await cruise(copy);
    expect({ code, output }).toEqual({
      code: 0,
      output: expect.stringContaining('no dependency violations'),
    });
    expect(Number(/\((\d+) modules/.exec(output)?.[1])).toBeGreaterThan(100);
  });

  it('catch every kind of planted violation', async () => {
    const planted: Record<string, [file: string, code: string]> = {
      'engine-is-framework-free': [
        'libs/tiered-cache/src/planted-nest.ts',
        "export { Module } from '@nestjs/common';",
      ],
      'libs-import-nothing-above': [
        'libs/tiered-cache/src/planted-up.ts',
        "export * from '../../../src/index.js';",
      ],
      'engine-through-its-door': [
        'src/planted-deep.ts',
        "export * from '../libs/tiered-cache/src/errors.js';",
      ],
      'apps-through-the-public-doors': [
        'apps/trading/src/planted-side-door.ts',
        "export * from '../../../src/cache.options.js';",
      ],
      'features-apart': ['src/health/planted-neighbour.ts', "export * from '../admin/index.js';"],
      'src-imports-no-apps': ['src/planted-app.ts', "export * from '../apps/trading/src/main.js';"],
      'core-knows-ports-only': [
        'libs/tiered-cache/src/tiered-cache.ts',
        "export { createRedisTier } from './remote/redis/redis-tier.js';",
      ],
      'no-circular': [
        'src/planted-circle-a.ts',
        "import { b } from './planted-circle-b.js';\nexport const a = () => b;",
      ],
    };
    for (const [file, code] of Object.values(planted)) writeFileSync(join(copy, file), `${code}\n`);
    writeFileSync(
      join(copy, 'src/planted-circle-b.ts'),
      "import { a } from './planted-circle-a.js';\nexport const b = () => a;\n",
    );
    const { code, output } = await cruise(copy);
    expect(code).not.toBe(0);
    expect(Object.keys(planted).filter((rule) => !output.includes(`error ${rule}: `))).toEqual([]);
  });
});
