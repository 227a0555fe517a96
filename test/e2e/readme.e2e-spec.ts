import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { CacheService } from 'nestjs-strata';
import { DataSource, type Repository } from 'typeorm';
import { until } from '../conformance/until.js';
import { describeWithServices, freshDatabase, redisUrl } from '../support/services.js';

/** What a reader pastes must run: the example is read from README.md, only the imports are added. */
const root = resolve(import.meta.dirname, '../..');
const IMPORTS = `
import { Injectable, Module } from '@nestjs/common';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { Cacheable, CacheModule } from 'nestjs-strata';
import { CachedEntity, CacheTypeOrmModule } from 'nestjs-strata/typeorm';
import { Column, Entity, PrimaryColumn, Repository } from 'typeorm';
`;

interface Quote {
  symbol: string;
  name: string;
}

describeWithServices('the example of the README', () => {
  const folder = join(root, '.cache', `readme-${process.pid}`);
  const before = { DATABASE_URL: process.env['DATABASE_URL'], REDIS_URL: process.env['REDIS_URL'] };

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  it('caches what it reads and notices what is saved', async () => {
    const database = await freshDatabase();
    Object.assign(process.env, { DATABASE_URL: database.url, REDIS_URL: redisUrl() });
    const section = /## Ten lines\n([\s\S]*?)\n## /.exec(readFileSync(join(root, 'README.md'), 'utf8'))![1]!;
    const [service, rest] = [...section.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]!);
    mkdirSync(folder, { recursive: true });
    // The entity first: a class has to exist before a decorator refers to it.
    const [entity, module] = rest!.split(/(?=@Module)/);
    const file = join(folder, 'app.ts');
    writeFileSync(file, [IMPORTS, entity, service, module].join('\n'));
    const { AppModule, QuoteService, Quote } = await import(file);
    const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'fatal'] });
    try {
      await app.get(DataSource).synchronize();
      const cache = app.get(CacheService);
      await until(() => cache.health().l1.serving);
      await cache.clear();
      const repository: Repository<Quote> = app.get(DataSource).getRepository(Quote);
      const quotes: { find(symbol: string): Promise<Quote | null> } = app.get(QuoteService);
      expect(await quotes.find('AAPL')).toBeNull();
      await repository.save(repository.create({ symbol: 'AAPL', name: 'Apple' }));
      expect(await quotes.find('AAPL')).toMatchObject({ name: 'Apple' });
      const loads = cache.stats().sourceLoads;
      expect(await quotes.find('AAPL')).toMatchObject({ name: 'Apple' });
      expect(cache.stats().sourceLoads).toBe(loads);
      await repository.save({ symbol: 'AAPL', name: 'Apple Inc.' });
      expect(await quotes.find('AAPL')).toMatchObject({ name: 'Apple Inc.' });
      expect(cache.stats().notStored).toBe(0);
    } finally {
      await app.close();
      await database.drop();
    }
  });
});
