import { Inject, Injectable, Logger, type LoggerService, Module, type OnModuleInit } from '@nestjs/common';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, EventSubscriber, PrimaryColumn } from 'typeorm';
import { CacheModule, CacheService, InjectCache } from '../../src/index.js';
import {
  CachedEntity,
  type CachedEntityOptions,
  CacheTypeOrmModule,
  CacheTypeOrmService,
  entityTag,
  rowTags,
} from '../../src/typeorm/index.js';
import { startRedis } from '../../apps/services/index.mjs';
import { describeWithPostgres, describeWithServices, freshDatabase } from '../support/services.js';

const QUIET: LoggerService = {
  log: () => {},
  debug: () => {},
  warn: () => {},
  error: () => {},
  fatal: () => {},
};

@Entity()
@CachedEntity<Coin>({ keys: { coins: (row) => row.symbol } })
class Coin {
  @PrimaryColumn() symbol!: string;
  @Column() name!: string;
}

@Entity()
@CachedEntity<Trade>({ keys: { trades: (row) => row.id }, cache: 'market' })
class Trade {
  @PrimaryColumn() id!: string;
}

/** Not known to any data source but its own test's. */
function marked(options: unknown): Function {
  @Entity('coin')
  @CachedEntity(options as CachedEntityOptions)
  class Broken {
    @PrimaryColumn() symbol!: string;
    @Column() name!: string;
  }
  return Broken;
}

describeWithPostgres('CacheTypeOrmModule', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  const lines: string[] = [];
  const write = (line: unknown) => void lines.push(String(line));
  const logger: LoggerService = { log: () => {}, debug: () => {}, warn: write, error: write, fatal: write };

  beforeAll(async () => {
    database = await freshDatabase();
    const dataSource = await new DataSource({
      type: 'postgres',
      url: database.url,
      entities: [Coin, Trade],
      synchronize: true,
    }).initialize();
    await dataSource.destroy();
  });
  afterAll(async () => {
    await database?.drop();
  });
  beforeEach(() => {
    lines.length = 0;
  });

  const typeorm = (entities: Function[], name?: string) =>
    TypeOrmModule.forRoot({ type: 'postgres', url: database.url, entities, name, retryAttempts: 1 });
  const cache = (name = 'default', namespaces = ['coins', 'trades', 'lists']) =>
    CacheModule.forRoot({
      name,
      redis: null,
      namespaces: Object.fromEntries(namespaces.map((one) => [one, { ttl: '1h' as const }])),
    });

  async function boot(imports: NonNullable<Parameters<typeof Test.createTestingModule>[0]['imports']>) {
    const builder: TestingModuleBuilder = Test.createTestingModule({ imports }).setLogger(logger);
    const app = (await builder.compile()).createNestApplication();
    app.useLogger(logger);
    try {
      return await app.init();
    } catch (error) {
      await app.close().catch(() => {});
      throw error;
    }
  }

  it('keeps the cache right by itself: entries, lists, negative entries', async () => {
    const app = await boot([cache(), typeorm([Coin]), CacheTypeOrmModule.forRoot()]);
    try {
      const coins = app.get(DataSource).getRepository(Coin);
      const service = app.get(CacheService);
      const read = (symbol: string) =>
        service.getOrSet('coins', symbol, async () => (await coins.findOneBy({ symbol }))?.name ?? null);
      const list = () =>
        service.getOrSet(
          'lists',
          'all',
          async () => (await coins.find({ order: { symbol: 'ASC' } })).map((c) => c.name),
          {
            tags: [entityTag('Coin')],
          },
        );
      const pair = () =>
        service.getOrSet(
          'lists',
          'pair',
          async () => (await coins.findOneByOrFail({ symbol: 'BTC' })).name.length,
          {
            tags: rowTags('Coin', 'BTC'),
          },
        );

      expect([await read('BTC'), await list()]).toEqual([null, []]);
      await coins.save({ symbol: 'BTC', name: 'Bitcoin' });
      expect([await read('BTC'), await list(), await pair()]).toEqual(['Bitcoin', ['Bitcoin'], 7]);
      await coins.save({ symbol: 'BTC', name: 'Bit' });
      expect([await read('BTC'), await list(), await pair()]).toEqual(['Bit', ['Bit'], 3]);
      // Which row, TypeORM does not say.
      await coins.update({ name: 'Bit' }, { name: 'Bits' });
      expect([await read('BTC'), await list(), await pair()]).toEqual(['Bits', ['Bits'], 4]);
      await coins.delete('BTC');
      expect([await read('BTC'), await list()]).toEqual([null, []]);
      expect(app.get(CacheTypeOrmService).stats()).toMatchObject({ sent: 4, late: 0, failed: 0 });
      expect(lines).toEqual([]);
    } finally {
      await app.close();
    }
  });

  it('leaves the host a list of subscribers with its own in it, and takes them out at shutdown', async () => {
    const app = await boot([
      cache(),
      typeorm([Coin]),
      CacheTypeOrmModule.forRoot(),
      CacheTypeOrmModule.forRoot(),
    ]);
    const dataSource = app.get(DataSource);
    expect(dataSource.subscribers).toHaveLength(2);
    expect(dataSource.options.subscribers).toBeUndefined();
    app.get(CacheTypeOrmService).attach(dataSource);
    expect(dataSource.subscribers).toHaveLength(2);
    await app.close();
    expect(dataSource.subscribers).toHaveLength(0);
  });

  it('listens to named data sources, for a named cache, to the entities marked for it', async () => {
    @Injectable()
    class Caches {
      constructor(
        @InjectCache() readonly main: CacheService,
        @InjectCache('market') readonly market: CacheService,
      ) {}
    }
    @Module({ imports: [cache(), cache('market')], providers: [Caches] })
    class HostModule {}

    const app = await boot([
      HostModule,
      typeorm([Coin]),
      typeorm([Coin, Trade], 'second'),
      CacheTypeOrmModule.forRoot({ dataSources: ['default', 'second'] }),
      CacheTypeOrmModule.forRoot({ cache: 'market', dataSources: ['second'] }),
    ]);
    try {
      const { main, market } = app.get(Caches);
      const second = app.get<DataSource>(getDataSourceToken('second'));
      expect([app.get(DataSource).subscribers.length, second.subscribers.length]).toEqual([2, 4]);
      for (const one of [main, market]) {
        await one.set('coins', 'ETH', 'old');
        await one.set('trades', '1', 'old');
      }
      await second.getRepository(Coin).save({ symbol: 'ETH', name: 'Ether' });
      await second.getRepository(Trade).save({ id: '1' });
      expect(await Promise.all([main.get('coins', 'ETH'), main.get('trades', '1')])).toEqual([
        undefined,
        'old',
      ]);
      expect(await Promise.all([market.get('coins', 'ETH'), market.get('trades', '1')])).toEqual([
        'old',
        undefined,
      ]);
    } finally {
      await app.close();
    }
  });

  it("hears what the host's modules write in their own hooks", async () => {
    @Injectable()
    class Seeder implements OnModuleInit {
      constructor(
        @Inject(DataSource) private readonly dataSource: DataSource,
        @InjectCache() private readonly cache: CacheService,
      ) {}
      async onModuleInit(): Promise<void> {
        await this.cache.set('coins', 'SEED', 'old');
        await this.dataSource.getRepository(Coin).save({ symbol: 'SEED', name: 'new' });
      }
    }
    @Module({ imports: [cache()], providers: [Seeder] })
    class HostModule {}

    const app = await boot([HostModule, typeorm([Coin]), CacheTypeOrmModule.forRoot()]);
    try {
      expect(await app.get(CacheService, { strict: false }).get('coins', 'SEED')).toBeUndefined();
    } finally {
      await app.close();
    }
  });

  it("hears a write whose event a host's subscriber answers with a throw", async () => {
    @EventSubscriber()
    class Thrower {
      afterUpdate(): void {
        throw new Error('host');
      }
    }
    const host = TypeOrmModule.forRoot({
      type: 'postgres',
      url: database.url,
      entities: [Coin],
      subscribers: [Thrower],
    });
    const app = await boot([cache(), host, CacheTypeOrmModule.forRoot()]);
    try {
      const dataSource = app.get(DataSource);
      expect(dataSource.subscribers).toHaveLength(3);
      await app.get(CacheService).set('coins', 'BTC', 'old');
      // Without a transaction the row is committed before anybody is told.
      await expect(dataSource.getRepository(Coin).update('BTC', { name: 'x' })).rejects.toThrow('host');
      expect(await app.get(CacheService).get('coins', 'BTC')).toBeUndefined();
    } finally {
      await app.close();
    }
  });

  describe('fails at boot, naming what is wrong', () => {
    const code = 'STRATA_INVALID_OPTIONS';

    it('no data source', async () => {
      await expect(boot([cache(), CacheTypeOrmModule.forRoot()])).rejects.toMatchObject({
        code,
        message: expect.stringMatching(/dataSources.*"default".*TypeOrmModule\.forRoot/),
      });
    });

    it('no data source of that name', async () => {
      const booting = boot([
        cache(),
        typeorm([Coin]),
        CacheTypeOrmModule.forRoot({ dataSources: ['orders'] }),
      ]);
      await expect(booting).rejects.toMatchObject({ code, message: expect.stringContaining('"orders"') });
    });

    it('no cache', async () => {
      const booting = boot([typeorm([Coin]), CacheTypeOrmModule.forRoot()]);
      await expect(booting).rejects.toMatchObject({ code, message: expect.stringContaining('CacheModule') });
    });

    it('a namespace the cache does not have', async () => {
      const booting = boot([cache(undefined, ['other']), typeorm([Coin]), CacheTypeOrmModule.forRoot()]);
      await expect(booting).rejects.toMatchObject({
        code,
        message: expect.stringMatching(/Coin.*"coins".*other/),
      });
    });

    it.each([
      ['keys', { keys: { coins: 'symbol' } }],
      ['keys', { keys: 'symbol' }],
      ['tags', { tags: ['x'] }],
      ['type', { type: '' }],
      ['type', { type: 'a:b' }],
      ['namespaces', { namespaces: 'coins' }],
      ['listColumns', { listColumns: ['nmae'] }],
      ['key', { key: () => 'x' }],
      ['options', null],
    ])('an entity with a wrong option: %s %j', async (option, options) => {
      const booting = boot([cache(), typeorm([marked(options)]), CacheTypeOrmModule.forRoot()]);
      await expect(booting).rejects.toMatchObject({
        code,
        message: expect.stringMatching(new RegExp(`@CachedEntity on Broken: ${option}`)),
      });
    });

    it('two entities of one type', async () => {
      const booting = boot([
        cache(),
        typeorm([Coin, marked({ type: 'Coin' })]),
        CacheTypeOrmModule.forRoot(),
      ]);
      await expect(booting).rejects.toMatchObject({ code, message: expect.stringMatching(/Coin/) });
    });

    it.each([{ maxDelayMs: -1 }, { maxDelayMs: Number.NaN }, { dataSources: [] }, { cache: '' }])(
      'forRoot(%j)',
      (options) => {
        expect(() => CacheTypeOrmModule.forRoot(options)).toThrow(expect.objectContaining({ code }));
      },
    );
  });

  it('says which entities make an unknown write clear everything', async () => {
    Logger.overrideLogger(logger);
    const app = await boot([
      cache(),
      typeorm([marked({ type: 'Wide', tags: () => ['x'] })]),
      CacheTypeOrmModule.forRoot(),
    ]);
    await app.close();
    expect(lines.filter((line) => line.includes('Broken'))).toEqual([
      expect.stringMatching(/clears every namespace/),
    ]);
  });
});

describeWithServices('writes while Redis is in trouble', () => {
  it('take no longer than the limit when it hangs or dies, and none fails', async () => {
    const database = await freshDatabase();
    const redis = await startRedis();
    const app = (
      await Test.createTestingModule({
        imports: [
          CacheModule.forRoot({ redis: redis.url, namespaces: { coins: { ttl: '1h' } } }),
          TypeOrmModule.forRoot({ type: 'postgres', url: database.url, entities: [Coin], synchronize: true }),
          CacheTypeOrmModule.forRoot({ maxDelayMs: 50 }),
        ],
      })
        .setLogger(QUIET)
        .compile()
    ).createNestApplication();
    try {
      await app.init();
      const coins = app.get(DataSource).getRepository(Coin);
      const cache = app.get(CacheService);
      const slowest = async (round: string): Promise<number> => {
        let worst = 0;
        for (let i = 0; i < 5; i++) {
          const name = `${round}${i}`;
          const started = performance.now();
          await coins.save({ symbol: 'BTC', name });
          worst = Math.max(worst, performance.now() - started);
          // Nor is the old value read for longer than the staleness bound.
          const read = () =>
            cache.getOrSet('coins', 'BTC', async () => (await coins.findOneBy({ symbol: 'BTC' }))?.name);
          const deadline = started + 1_000;
          while ((await read()) !== name && performance.now() < deadline)
            await new Promise((resolve) => setTimeout(resolve, 10));
          expect(await read()).toBe(name);
        }
        return worst;
      };
      await slowest('up');
      process.kill(redis.pid, 'SIGSTOP');
      // 50 ms of waiting; the rest is room for PostgreSQL on a busy machine.
      expect(await slowest('hung')).toBeLessThan(50 + 450);
      process.kill(redis.pid, 'SIGCONT');
      redis.kill();
      expect(await slowest('dead')).toBeLessThan(50 + 450);
      expect(app.get(CacheTypeOrmService).stats().sent).toBe(15);
    } finally {
      await app.close();
      await redis.stop();
      await database.drop();
    }
  });
});
