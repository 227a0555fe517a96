import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);
let folder: string;

/** What the build emits, without its type check. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-commonjs-'));
  writeFileSync(join(folder, 'package.json'), readFileSync(join(root, 'package.json')));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  for (const top of ['src', 'libs'])
    for (const name of readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || name.endsWith('.spec.ts')) continue;
      const source = join(root, top, name);
      const target = join(folder, 'dist', relative(root, source)).replace(/\.ts$/, '.js');
      mkdirSync(dirname(target), { recursive: true });
      // The folder's package.json would say so, but a transpiled file has no folder.
      const compilerOptions = { ...options, noEmit: false, module: ts.ModuleKind.ESNext };
      const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), {
        compilerOptions,
        fileName: source,
      });
      writeFileSync(target, outputText);
    }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the root door, compiled', () => {
  it('can be required by a CommonJS host, which then caches', async () => {
    const script = join(folder, 'host.cjs');
    writeFileSync(
      script,
      `
      require('reflect-metadata');
      const { NestFactory } = require('@nestjs/core');
      const { Injectable, Module } = require('@nestjs/common');
      const { Cacheable, CacheModule, CacheService } = require('nestjs-strata');
      class Service { calls = 0; async find(id) { return id + ++this.calls; } }
      const descriptor = Object.getOwnPropertyDescriptor(Service.prototype, 'find');
      Cacheable({ ttl: '1m' })(Service.prototype, 'find', descriptor);
      Object.defineProperty(Service.prototype, 'find', descriptor);
      Injectable()(Service);
      class App {}
      Module({ imports: [CacheModule.forRoot()], providers: [Service] })(App);
      (async () => {
        const app = await NestFactory.createApplicationContext(App, { logger: false });
        const service = app.get(Service);
        console.log(await service.find('x'), await service.find('x'), app.get(CacheService).stats().hits);
        await app.close();
      })();
      `,
    );
    const { stdout } = await run(process.execPath, [script], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    expect(stdout.trim()).toBe('x1 x1 1');
  }, 60_000);

  it('loads no optional peer: what is imported without being asked for', () => {
    const imported = packagesReachableFrom(join(folder, 'dist/src/index.js'));
    for (const name of ['typeorm', 'pg', '@nestjs/terminus', '@nestjs/schedule', '@nestjs/typeorm', 'express', 'prom-client', 'class-validator', 'class-transformer'])
      expect(imported).not.toContain(name); // prettier-ignore
    expect(imported).toContain('@nestjs/common');
  });

  it('has no top-level await and no import.meta anywhere, which require() refuses', () => {
    for (const name of readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.js')) continue;
      const text = readFileSync(join(folder, 'dist', name), 'utf8');
      const file = ts.createSourceFile(name, text, ts.ScriptTarget.ESNext, true);
      expect({ name, found: topLevelAwaitOrMeta(file) }).toEqual({ name, found: false });
    }
  });
});

/** Names of packages that static imports reach. */
function packagesReachableFrom(entry: string): Set<string> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ESNext);
    for (const statement of source.statements) {
      if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) continue;
      const name = (statement.moduleSpecifier as ts.StringLiteral | undefined)?.text;
      if (name === undefined) continue;
      if (name.startsWith('.')) visit(join(dirname(file), name));
      else if (name === '#tiered-cache') visit(join(folder, 'dist/libs/tiered-cache/src/index.js'));
      else packages.add(name.startsWith('@') ? name.split('/', 2).join('/') : name.split('/', 1)[0]!);
    }
  };
  visit(entry);
  return packages;
}

function topLevelAwaitOrMeta(node: ts.Node, inFunction = false): boolean {
  if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword) return true;
  if (
    !inFunction &&
    (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined))
  )
    return true;
  const inside = inFunction || ts.isFunctionLike(node);
  return ts.forEachChild(node, (child) => topLevelAwaitOrMeta(child, inside) || undefined) ?? false;
}
