import type { LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Client } from 'pg';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { CacheModule, CacheService } from '../../src/index.js';
import { CacheHealthModule, StrataHealthIndicator } from '../../src/health/index.js';
import {
  CachedEntity,
  CacheTypeOrmModule,
  type CacheTypeOrmOptions,
  CacheTypeOrmService,
  installOutbox,
  writeInvalidation,
} from '../../src/typeorm/index.js';
import { describeWithServices, freshDatabase, keyPrefix, redisUrl } from '../support/services.js';

@Entity()
@CachedEntity<Coin>({ keys: { coins: (row) => row.symbol } })
class Coin {
  @PrimaryColumn() symbol!: string;
  @Column() name!: string;
}

describeWithServices('CacheTypeOrmModule with an outbox', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let stranger: Client;
  const lines: string[] = [];
  const write = (line: unknown) => void lines.push(String(line));
  const logger: LoggerService = { log: () => {}, debug: () => {}, warn: write, error: write, fatal: write };

  beforeEach(async () => {
    database = await freshDatabase();
    stranger = new Client({ connectionString: database.url });
    await stranger.connect();
    await stranger.query(`CREATE TABLE coin (symbol varchar PRIMARY KEY, name varchar NOT NULL)`);
    await stranger.query(`INSERT INTO coin VALUES ('BTC', 'Bitcoin'), ('ETH', 'Ether')`);
    lines.length = 0;
  });
  afterEach(async () => {
    await stranger?.end();
    await database?.drop();
  });

  async function boot(
    options: CacheTypeOrmOptions,
    prefix: string | null = null,
    besides: CacheTypeOrmOptions | null = null,
  ) {
    const redis = prefix === null ? null : { url: redisUrl() };
    const builder = Test.createTestingModule({
      imports: [
        CacheModule.forRoot({
          isGlobal: true,
          prefix: prefix ?? undefined,
          redis,
          namespaces: { coins: { ttl: '1h' } },
        }),
        TypeOrmModule.forRoot({ type: 'postgres', url: database.url, entities: [Coin], retryAttempts: 1 }),
        ...(besides ? [CacheTypeOrmModule.forRoot(besides)] : []),
        CacheTypeOrmModule.forRoot(options),
        CacheHealthModule.forRoot({ controller: false }),
      ],
    }).setLogger(logger);
    const app = (await builder.compile()).createNestApplication();
    app.useLogger(logger);
    await app.init();
    const cache = app.get(CacheService);
    const coins = app.get(DataSource).getRepository(Coin);
    let loads = 0;
    const read = (symbol: string) =>
      cache.getOrSet('coins', symbol, async () => {
        loads += 1;
        return (await coins.findOneBy({ symbol }))?.name ?? null;
      });
    return { app, cache, coins, read, loads: () => loads, writes: app.get(CacheTypeOrmService) };
  }

  async function until(what: () => unknown): Promise<void> {
    const end = performance.now() + 8_000;
    while (!(await what())) {
      if (performance.now() > end) throw new Error('not within the time');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  it.each([
    ['embedded', false],
    ['with Redis', true],
  ])("%s: installs itself and hears another program's SQL", async (_name, shared) => {
    const { app, read, writes } = await boot({ outbox: { install: 'auto' } }, shared ? keyPrefix() : null);
    try {
      expect(await read('BTC')).toBe('Bitcoin');
      await stranger.query(`UPDATE coin SET name = 'Bit' WHERE symbol = 'BTC'`);
      await until(async () => (await read('BTC')) === 'Bit');
      await until(() => writes.outbox().backlog === 0);
      expect(writes.outbox()).toMatchObject({ enabled: true, relayed: 1, problem: null, unseen: [] });
      expect(lines).toEqual([]);
    } finally {
      await app.close();
    }
    expect(lines).toEqual([]);
  });

  it('is a second bus only where every write is seen', async () => {
    const bus = async (options: CacheTypeOrmOptions) => {
      const { app, cache } = await boot(options, keyPrefix());
      const { secondBus } = cache.health();
      await app.close();
      return secondBus;
    };
    // Nothing is installed, and nobody looks; then somebody looks.
    expect(await bus({ outbox: { install: 'off' } })).toBeNull();
    expect(await bus({ outbox: {} })).toBeNull();
    expect(await bus({ outbox: { install: 'auto' } })).toMatchObject({ problem: null });
    await stranger.query('ALTER TABLE coin DISABLE TRIGGER strata_outbox_u');
    expect(await bus({ outbox: {} })).toBeNull();
  });

  it('does not end a second time what its own transaction has ended, but hears raw SQL in it', async () => {
    const { app, coins, read, loads, writes } = await boot({ outbox: { install: 'auto' } }, keyPrefix());
    try {
      await coins.save({ symbol: 'BTC', name: 'b1' });
      expect(await read('BTC')).toBe('b1');
      const before = loads();
      await until(() => writes.outbox().own === 1);
      expect(writes.outbox().relayed).toBe(0);
      expect(await read('BTC')).toBe('b1');
      expect(loads()).toBe(before);

      expect(await read('ETH')).toBe('Ether');
      await coins.manager.transaction(async (em) => {
        await em.save(Coin, { symbol: 'BTC', name: 'b2' });
        await em.query(`UPDATE coin SET name = 'e2' WHERE symbol = 'ETH'`);
      });
      expect(await read('BTC')).toBe('b2');
      await until(async () => (await read('ETH')) === 'e2');
      await until(() => writes.outbox().own === 2 && writes.outbox().relayed === 1);
    } finally {
      await app.close();
    }
  });

  it('carries out what the application wrote into its transaction, and only if it is committed', async () => {
    const { app, cache, coins } = await boot({ outbox: { install: 'auto' } }, keyPrefix());
    try {
      for (const id of ['x', 'y']) await cache.set('coins', id, 'old');
      const rolledBack = coins.manager.transaction(async (em) => {
        await writeInvalidation(em, { keys: [{ namespace: 'coins', id: 'y' }] });
        throw new Error('no');
      });
      await expect(rolledBack).rejects.toThrow('no');
      await coins.manager.transaction((em) =>
        writeInvalidation(em, { keys: [{ namespace: 'coins', id: 'x' }] }),
      );
      await until(async () => (await cache.get('coins', 'x')) === undefined);
      expect(await cache.get('coins', 'y')).toBe('old');
    } finally {
      await app.close();
    }
  });

  it('says which writes it cannot see, and sees them once it is installed', async () => {
    const { app, read, writes } = await boot({ outbox: {} });
    const health = app.get(StrataHealthIndicator);
    try {
      await until(() => writes.outbox().problem !== null);
      expect(writes.outbox().unseen).toEqual([
        expect.stringMatching(/tables of "public"."strata_outbox" do not exist/),
        expect.stringMatching(/^writes to Coin \(table coin\) by others than TypeORM cannot be seen/),
      ]);
      expect(health.report().recommendations.join()).toMatch(/writes to Coin/);
      expect(health.report().status).toBe('up');
      expect(lines.filter((line) => line.includes('writes to Coin'))).toHaveLength(1);
      expect(await read('BTC')).toBe('Bitcoin');
      const installer = await new DataSource({
        type: 'postgres',
        url: database.url,
        entities: [Coin],
      }).initialize();
      await installOutbox(installer);
      await installer.destroy();
      await stranger.query(`UPDATE coin SET name = 'Bit' WHERE symbol = 'BTC'`);
      await until(async () => (await read('BTC')) === 'Bit');
      await until(() => writes.outbox().unseen.length === 0);
      expect(health.report().databaseWrites).toMatchObject({ problem: null, unseen: [] });
    } finally {
      await app.close();
    }
  });

  it('without one, health says what that means', async () => {
    const { app } = await boot({});
    try {
      const { databaseWrites, recommendations } = app.get(StrataHealthIndicator).report();
      expect(databaseWrites?.unseen).toEqual([expect.stringMatching(/raw SQL, other programs/)]);
      expect(recommendations).toEqual([]);
    } finally {
      await app.close();
    }
  });

  it('a second module for the same cache and data source brings its outbox along, and is warned of', async () => {
    const { app, read } = await boot({ outbox: { install: 'auto' } }, null, { maxDelayMs: 40 });
    try {
      expect(lines.filter((line) => line.includes('a second CacheTypeOrmModule'))).not.toEqual([]);
      expect(await read('BTC')).toBe('Bitcoin');
      await stranger.query(`UPDATE coin SET name = 'Bit' WHERE symbol = 'BTC'`);
      await until(async () => (await read('BTC')) === 'Bit');
    } finally {
      await app.close();
    }
  });

  it('does not install itself in production', async () => {
    const before = process.env['NODE_ENV'];
    process.env['NODE_ENV'] = 'production';
    try {
      await expect(boot({ outbox: { install: 'auto' } })).rejects.toThrow(/outbox\.install.*migration/);
    } finally {
      process.env['NODE_ENV'] = before;
    }
  });
});
