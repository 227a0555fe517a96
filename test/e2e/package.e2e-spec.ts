import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/**
 * What `npm pack` makes, used as a stranger would: installed into an empty project without any optional peer, run by
 * an ES module, by an ordinary CommonJS Nest host under Jest, and type-checked without skipLibCheck.
 */
const root = resolve(import.meta.dirname, '../..');
const { devDependencies, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const installed = { ...devDependencies, ...dependencies };

const CJS_SPEC = `import 'reflect-metadata';
import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { CacheModule, CacheService, Cacheable } from 'nestjs-strata';

@Injectable()
class Quotes {
  loads = 0;
  @Cacheable({ namespace: 'quotes', key: (symbol: string) => symbol })
  async find(symbol: string) {
    return { symbol, load: ++this.loads };
  }
}
@Module({ imports: [CacheModule.forRoot({ namespaces: { quotes: { ttl: '5m' } } })], providers: [Quotes] })
class AppModule {}

it('runs in a CommonJS host', async () => {
  expect(typeof module).toBe('object');
  const app = await Test.createTestingModule({ imports: [AppModule] }).compile();
  await app.init();
  const quotes = app.get(Quotes);
  expect(await quotes.find('AAPL')).toEqual({ symbol: 'AAPL', load: 1 });
  expect(await quotes.find('AAPL')).toEqual({ symbol: 'AAPL', load: 1 });
  expect(app.get(CacheService).stats().hits).toBe(1);
  await app.close();
});
`;

const TYPED_HOST = `import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CacheModule, CacheService, Cacheable } from 'nestjs-strata';

class Quotes {
  loads = 0;
  @Cacheable({ namespace: 'quotes', key: (symbol) => symbol })
  async find(symbol: string): Promise<{ symbol: string; load: number }> {
    return { symbol, load: ++this.loads };
  }
}
class AppModule {}
Module({ imports: [CacheModule.forRoot({ namespaces: { quotes: { ttl: '5m' } } })], providers: [Quotes] })(AppModule);

const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
const quotes = app.get(Quotes);
await quotes.find('AAPL');
const again = await quotes.find('AAPL');
console.log(JSON.stringify({ load: again.load, hits: app.get(CacheService).stats().hits }));
await app.close();
`;

function run(command: string, args: string[], cwd: string): Promise<string> {
  const env = { ...process.env, NODE_OPTIONS: '', NODE_ENV: 'test' };
  return new Promise((done, fail) => {
    execFile(command, args, { cwd, env, timeout: 240_000, maxBuffer: 16e6 }, (error, stdout, stderr) => {
      if (error === null) done(stdout);
      else fail(new Error(`${command} ${args.join(' ')} failed\n${stdout}\n${stderr}`));
    });
  });
}

describe('the packed package', () => {
  let host: string;
  let tarball: string;
  const write = (name: string, content: string | object): void => {
    mkdirSync(dirname(join(host, name)), { recursive: true });
    writeFileSync(join(host, name), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  };

  beforeAll(async () => {
    host = mkdtempSync(join(tmpdir(), 'strata-consumer-'));
    const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', host], root);
    tarball =
      JSON.parse(packed)[0]?.filename ?? Object.values<{ filename: string }>(JSON.parse(packed))[0]!.filename;
    const dependency = (...names: string[]) =>
      Object.fromEntries(names.map((name) => [name, installed[name]]));
    write('package.json', {
      name: 'consumer',
      private: true,
      dependencies: {
        'nestjs-strata': `file:${join(host, tarball)}`,
        ...dependency(
          '@nestjs/common',
          '@nestjs/core',
          '@nestjs/testing',
          'ioredis',
          'reflect-metadata',
          'rxjs',
          'typescript',
        ),
        ...dependency('jest', '@swc/jest', '@swc/core', '@types/node', '@types/jest'),
      },
      overrides: { 'file-type': '^21', 'unrs-resolver': '1.12.2' },
    });
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'], host);
  }, 300_000);

  afterAll(() => rmSync(host, { recursive: true, force: true }));

  it('holds what it needs and nothing else', async () => {
    const files = (await run('tar', ['-tzf', join(host, tarball)], host)).trim().split('\n');
    const unexpected = files.filter(
      (file) =>
        !/^package\/(dist\/(src|libs)\/.*\.(js|d\.ts)|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(
          file,
        ),
    );
    expect(unexpected).toEqual([]);
    expect(files.filter((file) => /\.spec\./.test(file))).toEqual([]);
    expect(files).toContain('package/dist/src/index.js');
  });

  it('compiles without skipLibCheck and runs as an ES module', async () => {
    write('esm/package.json', { type: 'module' });
    write('esm/app.ts', TYPED_HOST);
    write('esm/tsconfig.json', {
      compilerOptions: {
        module: 'nodenext',
        target: 'es2023',
        strict: true,
        skipLibCheck: false,
        types: ['node'],
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
        outDir: 'out',
      },
      files: ['app.ts'],
    });
    await run(
      process.execPath,
      [join(host, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'],
      join(host, 'esm'),
    );
    const output = await run(process.execPath, ['out/app.js'], join(host, 'esm'));
    expect(JSON.parse(output.trim())).toEqual({ load: 1, hits: 1 });
  }, 120_000);

  it('runs in an ordinary CommonJS Nest host with Jest', async () => {
    write('cjs/package.json', { type: 'commonjs' });
    write('cjs/quotes.spec.ts', CJS_SPEC);
    const swc = {
      jsc: {
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true },
        target: 'es2022',
      },
      module: { type: 'commonjs' },
    };
    write('cjs/jest.config.json', {
      testEnvironment: 'node',
      testRegex: 'spec\\.ts$',
      transform: { '^.+\\.[tj]s$': ['@swc/jest', swc] },
      transformIgnorePatterns: [],
    });
    await run(
      process.execPath,
      [join(host, 'node_modules/jest/bin/jest.js'), '--config', 'jest.config.json', '--runInBand'],
      join(host, 'cjs'),
    );
  }, 180_000);

  it('is require()d by plain CommonJS code', async () => {
    write('plain/package.json', { type: 'commonjs' });
    write(
      'plain/engine.js',
      "const { TieredCache } = require('nestjs-strata/engine');\nconst cache = new TieredCache({ namespaces: { a: { ttl: 1000 } } });\ncache.getOrSet('a', 'x', () => 42).then((value) => { console.log(value); return cache.close(); });\n",
    );
    expect((await run(process.execPath, ['engine.js'], join(host, 'plain'))).trim()).toBe('42');
  });
});
