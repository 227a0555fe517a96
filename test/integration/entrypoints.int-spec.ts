import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/**
 * The architecture, proved on the compiled output: what each public door loads before anybody asks for a feature.
 * Walks static imports only; a dynamic import is how an optional peer is meant to be reached.
 */
const root = resolve(import.meta.dirname, '../..');
const { exports: doors, imports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const STATIC_IMPORT = /(?:^|\n)\s*(?:import|export)\s(?:[^'"();]*?from\s*)?['"]([^'"]+)['"]/g;

function packagesLoadedBy(door: string): Set<string> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const walk = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(STATIC_IMPORT)) {
      if (specifier!.startsWith('.')) walk(resolve(dirname(file), specifier!));
      else if (specifier!.startsWith('#')) walk(join(root, imports[specifier!].default));
      else if (!specifier!.startsWith('node:')) packages.add(packageName(specifier!));
    }
  };
  walk(join(root, doors[door].default));
  return packages;
}

function packageName(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

const OPTIONAL = [
  'typeorm',
  'pg',
  '@nestjs/terminus',
  '@nestjs/typeorm',
  '@nestjs/schedule',
  'express',
  'prom-client',
  'class-validator',
  'class-transformer',
  'msgpackr',
];

describe('what the doors load', () => {
  it('has every door in the build', () => {
    for (const [door, target] of Object.entries<{ default: string; types: string } | string>(doors)) {
      if (typeof target === 'string') continue;
      expect([door, existsSync(join(root, target.default)), existsSync(join(root, target.types))]).toEqual([
        door,
        true,
        true,
      ]);
    }
  });

  it('loads no optional peer by the root door', () => {
    const loaded = packagesLoadedBy('.');
    expect(loaded).toContain('@nestjs/common');
    expect(OPTIONAL.filter((name) => loaded.has(name))).toEqual([]);
  });

  it('loads no framework and no Redis client by the engine door', () => {
    expect([...packagesLoadedBy('./engine')].sort()).toEqual(['cockatiel', 'devalue']);
  });

  it.each([
    ['./typeorm', ['typeorm']],
    ['./warming', ['@nestjs/schedule']],
    ['./health', ['@nestjs/terminus']],
    ['./admin', ['class-validator', 'class-transformer']],
  ])('reaches by %s only its own peers', (door, own) => {
    const loaded = packagesLoadedBy(door);
    expect(OPTIONAL.filter((name) => loaded.has(name) && !own.includes(name))).toEqual([]);
  });

  it('uses no top-level await and no import.meta, so that require() works', () => {
    const seen = new Set<string>();
    const offenders: string[] = [];
    const walk = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      const code = readFileSync(file, 'utf8');
      if (/\bimport\.meta\b|^await\s/m.test(code.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')))
        offenders.push(file);
      for (const [, specifier] of code.matchAll(STATIC_IMPORT)) {
        if (specifier!.startsWith('.')) walk(resolve(dirname(file), specifier!));
        if (specifier!.startsWith('#')) walk(join(root, imports[specifier!].default));
      }
    };
    for (const target of Object.values<{ default: string } | string>(doors))
      if (typeof target !== 'string') walk(join(root, target.default));
    expect(offenders).toEqual([]);
    expect(seen.size).toBeGreaterThan(50);
  });
});
