import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Redis } from 'ioredis';
import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  type EntityManager,
  type FindManyOptions,
  PrimaryColumn,
} from 'typeorm';
import { startRedis } from '../../apps/services/index.mjs';
import { createRedisTier, systemClock, TieredCache } from '../../libs/tiered-cache/src/index.js';
import { CacheModule, CacheService } from '../../src/index.js';
import { CacheSubscriber } from '../../src/typeorm/cache-subscriber.js';
import {
  bindQueryCache,
  CacheTypeOrmModule,
  runInTransaction,
  strataQueryCache,
} from '../../src/typeorm/index.js';
import { InvalidationGate } from '../../src/typeorm/invalidation-gate.js';
import { MarkRegistry } from '../../src/typeorm/mark-registry.js';
import { until } from '../conformance/until.js';
import { deferred } from '../support/fleet.js';
import { describeWithServices, freshDatabase, keyPrefix, redisUrl } from '../support/services.js';
import { Account, ENTITIES, Instrument, Label, Note, Position, seed } from './typeorm.fixture.js';

@Entity()
class Sample {
  @PrimaryColumn() id!: number;
  @Column('timestamptz', { nullable: true }) at!: Date | null;
  @Column('bigint') big!: string;
  @Column('numeric') exact!: string;
  @Column('jsonb') data!: unknown;
  @Column('text', { array: true }) words!: string[];
  @Column('text', { nullable: true }) nothing!: string | null;
  @Column('bytea') bytes!: Buffer;
}

const ALL = [...ENTITIES, Sample];
/** A port where nobody answers. */
const NOBODY = 1;

describeWithServices('query results of TypeORM', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let redis: Redis;
  let prefix: string;
  const open: { dataSource?: DataSource; cache?: TieredCache; subscriber?: CacheSubscriber }[] = [];

  beforeAll(async () => {
    database = await freshDatabase();
    redis = new Redis(redisUrl());
    await (await source({ synchronize: true })).destroy();
  });
  afterAll(async () => {
    redis?.disconnect();
    await database?.drop();
  });
  beforeEach(async () => {
    prefix = keyPrefix();
    const dataSource = await source();
    await seed(dataSource);
    await dataSource.destroy();
  });
  afterEach(async () => {
    for (const { dataSource, cache, subscriber } of open.splice(0)) {
      await subscriber?.close();
      if (dataSource?.isInitialized) await dataSource.destroy();
      await cache?.close();
    }
  });

  async function source(options: Partial<DataSourceOptions> = {}): Promise<DataSource> {
    const dataSource = new DataSource({
      type: 'postgres',
      url: database.url,
      entities: ALL,
      cache: { provider: strataQueryCache(), duration: 60_000 },
      ...options,
    } as DataSourceOptions);
    return dataSource.initialize();
  }

  function cacheOn(url = redisUrl()): TieredCache {
    const cache = new TieredCache({ prefix, remote: createRedisTier({ url, prefix, commandTimeout: 500 }) });
    for (const name of ['labels', 'instruments', 'isins', 'accounts', 'statements', 'positions', 'alerts'])
      cache.declareNamespace(name, { ttl: '1m' });
    return cache.start();
  }

  /** One process, as the module makes it. */
  async function node(options: Partial<DataSourceOptions> = {}) {
    const dataSource = await source(options);
    const cache = cacheOn();
    const marks = new MarkRegistry('default', () => {});
    marks.add(dataSource);
    bindQueryCache(dataSource, cache, marks);
    const log = { warn: () => {}, error: () => {} };
    const gate = new InvalidationGate(cache, 2_000, systemClock, log);
    const subscriber = new CacheSubscriber(marks, gate, systemClock, log);
    dataSource.subscribers.unshift(subscriber);
    open.push({ dataSource, cache, subscriber });
    await until(() => cache.health().l1.serving);
    return { dataSource, cache, ...queries(dataSource) };
  }

  function queries(dataSource: DataSource) {
    const cached = { cache: true } as const;
    return {
      notes: (cache: FindManyOptions['cache'] = true) =>
        dataSource
          .getRepository(Note)
          .find({ cache, order: { id: 'ASC' } })
          .then((rows) => rows.map(({ text }) => text)),
      owners: () =>
        dataSource
          .getRepository(Account)
          .find({ ...cached, order: { id: 'ASC' } })
          .then((rows) => rows.map(({ owner }) => owner)),
      /** What nobody hears of: no mark, no event. */
      note: (text: string) => dataSource.query(`UPDATE note SET text = $1`, [text]),
    };
  }

  it('are answered from the cache, in every process, for as long as their duration says', async () => {
    const here = await node();
    const there = await node();
    expect(await here.notes(700)).toEqual(['n']);
    const readAt = performance.now();
    const keys = (await redis.keys(`*${prefix.replace(':', '')}*`)).filter((key) => key.endsWith(':v'));
    expect(keys).toHaveLength(1);
    expect(await redis.pttl(keys[0]!)).toBeLessThanOrEqual(700);
    await here.note('m');
    expect(await here.notes(700)).toEqual(['n']);
    expect(await there.notes(700)).toEqual(['n']);
    expect(await here.notes(false)).toEqual(['m']);
    await until(async () => (await there.notes(700))[0] === 'm');
    expect(performance.now() - readAt).toBeGreaterThan(600);
    expect(await here.notes(700)).toEqual(['m']);
  });

  it('come back as the rows they were', async () => {
    const { dataSource } = await node();
    const samples = dataSource.getRepository(Sample);
    await samples.save({
      id: 1,
      at: new Date('2026-01-02T03:04:05.678Z'),
      big: '9007199254740993',
      exact: '0.1000000000000000055511',
      data: { a: [1, null, 'x'], '': 'ü' },
      words: ['a', 'b c'],
      nothing: null,
      bytes: Buffer.from([0, 255]),
    });
    const plain = await samples.findOneByOrFail({ id: 1 });
    const find = () => samples.findOneOrFail({ where: { id: 1 }, cache: true });
    await find();
    await dataSource.query(`UPDATE sample SET big = 5`);
    const cached = await find();
    // TypeORM writes and reads the rows as JSON, whoever keeps them: its own providers answer the same.
    expect(cached).toEqual(Object.assign(samples.create(), plain, { bytes: plain.bytes.toJSON() }));
    expect(cached.at).toEqual(plain.at);
    expect(cached.big).toBe('9007199254740993');
    expect(cached).toBeInstanceOf(Sample);
    const count = () => samples.findAndCount({ cache: true, where: { id: 2 } });
    expect([await count(), await count()]).toEqual([
      [[], 0],
      [[], 0],
    ]);
  });

  describe('and writes', () => {
    it('of a marked entity end the results whose SQL names its table, on all nodes', async () => {
      const here = await node();
      const there = await node();
      expect([await here.owners(), await there.owners()]).toEqual([
        ['ann', 'bob'],
        ['ann', 'bob'],
      ]);
      await there.dataSource.getRepository(Account).save({ id: 'a1', owner: 'eve' });
      expect(await there.owners()).toEqual(['eve', 'bob']);
      await until(async () => (await here.owners())[0] === 'eve');
      await here.dataSource.getRepository(Account).update({ id: 'b1' }, { owner: 'joe' });
      expect(await here.owners()).toEqual(['eve', 'joe']);
    });

    it('joined, counted, in a subquery: also then; other results stay', async () => {
      const { dataSource, notes, note } = await node();
      const positions = dataSource.getRepository(Position);
      const rich = () =>
        dataSource
          .getRepository(Account)
          .createQueryBuilder('a')
          .leftJoinAndSelect('a.positions', 'p')
          .cache(true)
          .orderBy('p.symbol')
          .getMany()
          .then(([first]) => first!.positions.length);
      const holders = () =>
        dataSource
          .getRepository(Label)
          .createQueryBuilder('l')
          .where('(SELECT count(*) FROM position) > 1')
          .cache('holders', 60_000)
          .getCount();
      expect([await rich(), await holders(), await notes()]).toEqual([1, 0, ['n']]);
      await note('m');
      await positions.insert({ accountId: 'a1', symbol: 'TSLA', quantity: 1 });
      expect([await rich(), await holders(), await notes()]).toEqual([2, 2, ['n']]);
    });

    it('by listColumns only where those change, as for lists', async () => {
      const { dataSource } = await node();
      const instruments = dataSource.getRepository(Instrument);
      const read = async () => {
        const [row] = await instruments.find({ cache: true, order: { id: 'ASC' } });
        return [row!.name, row!.volume];
      };
      expect(await read()).toEqual(['Apple', 0]);
      const row = await instruments.findOneByOrFail({ id: 1 });
      await instruments.save(Object.assign(row, { volume: 5 }));
      expect(await read()).toEqual(['Apple', 0]);
      await instruments.save(Object.assign(row, { name: 'Pear' }));
      expect(await read()).toEqual(['Pear', 5]);
    });

    it('a result that was read before an invalidation is not stored after it', async () => {
      const here = await node();
      const there = await node();
      const read = deferred<void>();
      const go = deferred<void>();
      let held = false;
      (here.dataSource.subscribers as unknown[]).push({
        afterQuery: async ({ query }: { query: string }) => {
          if (held || !query.includes('"account"')) return;
          held = true;
          read.resolve();
          await go.promise;
        },
      });
      const old = here.owners();
      await read.promise;
      await there.dataSource.getRepository(Account).save({ id: 'a1', owner: 'eve' });
      go.resolve();
      expect(await old).toEqual(['ann', 'bob']);
      expect(await there.owners()).toEqual(['eve', 'bob']);
      expect(await here.owners()).toEqual(['eve', 'bob']);
    });

    it('a removal in between counts as well', async () => {
      const here = await node();
      const there = await node();
      const read = deferred<void>();
      const go = deferred<void>();
      let held = false;
      (here.dataSource.subscribers as unknown[]).push({
        afterQuery: async ({ query }: { query: string }) => {
          if (held || !query.includes('"note"')) return;
          held = true;
          read.resolve();
          await go.promise;
        },
      });
      const old = here.notes({ id: 'notes', milliseconds: 60_000 });
      await read.promise;
      await there.note('m');
      await there.dataSource.queryResultCache!.remove(['notes']);
      go.resolve();
      expect(await old).toEqual(['n']);
      expect(await here.notes({ id: 'notes', milliseconds: 60_000 })).toEqual(['m']);
    });

    it.each([
      ['runInTransaction', runInTransaction],
      [
        'a transaction that nobody follows',
        (dataSource: DataSource, work: (em: EntityManager) => Promise<void>) => dataSource.transaction(work),
      ],
    ])('inside %s results come from the database, and are not stored', async (_name, run) => {
      const { dataSource, notes } = await node();
      const read = async (em: EntityManager, order: 'ASC' | 'DESC') =>
        (await em.find(Note, { cache: true, order: { id: order } }))[0]!.text;
      expect(await notes()).toEqual(['n']);
      const failed = run(dataSource, async (em) => {
        await em.query(`UPDATE note SET text = 'm'`);
        expect([await read(em, 'ASC'), await read(em, 'DESC')]).toEqual(['m', 'm']);
        throw new Error('no');
      });
      await expect(failed).rejects.toThrow('no');
      expect([await notes(), await read(dataSource.manager, 'DESC')]).toEqual([['n'], 'n']);
    });
  });

  describe('are removed', () => {
    it('by identifier, with their counts and pages, and nothing else', async () => {
      const { dataSource, notes, note } = await node();
      const page = () =>
        dataSource
          .getRepository(Note)
          .createQueryBuilder('n')
          .cache('page', 60_000)
          .take(5)
          .getManyAndCount();
      await page();
      await notes({ id: 'other', milliseconds: 60_000 });
      await note('m');
      await dataSource.query(`INSERT INTO note (text) VALUES ('o')`);
      expect((await page())[1]).toBe(1);
      await dataSource.queryResultCache!.remove(['page']);
      const [rows, count] = await page();
      expect([rows.map(({ text }) => text), count]).toEqual([['m', 'o'], 2]);
      expect(await notes({ id: 'other', milliseconds: 60_000 })).toEqual(['n']);
    });

    it('all at once by clear(), without touching anything else in that Redis', async () => {
      const here = await node();
      await redis.set(`${prefix}foreign`, 'mine', 'EX', 60);
      await here.cache.set('accounts', 'a1', 5);
      await here.notes();
      await here.note('m');
      await here.dataSource.queryResultCache!.clear();
      expect(await here.notes()).toEqual(['m']);
      expect(await redis.get(`${prefix}foreign`)).toBe('mine');
      expect(await here.cache.get('accounts', 'a1')).toBe(5);
    });
  });

  it('of two databases are kept apart', async () => {
    const other = await freshDatabase();
    try {
      const here = await node();
      const away = await node({ url: other.url, synchronize: true });
      await away.dataSource.query(`INSERT INTO note (text) VALUES ('away')`);
      expect([await here.notes(), await away.notes()]).toEqual([['n'], ['away']]);
      await away.dataSource.destroy();
    } finally {
      await other.drop();
    }
  });

  describe('without a cache', () => {
    it('everything is a miss until one is bound; removals from before are done then', async () => {
      const before = await node();
      await before.notes({ id: 'notes', milliseconds: 60_000 });
      await before.note('m');

      const dataSource = await source();
      const late = queries(dataSource);
      open.push({ dataSource });
      expect(await late.notes({ id: 'notes', milliseconds: 60_000 })).toEqual(['m']);
      await dataSource.queryResultCache!.remove(['notes']);
      const cache = cacheOn();
      open.push({ cache });
      await until(() => cache.health().l1.serving);
      bindQueryCache(dataSource, cache);
      await until(async () => (await before.notes({ id: 'notes', milliseconds: 60_000 }))[0] === 'm');
      await late.note('o');
      expect(await late.notes({ id: 'notes', milliseconds: 60_000 })).toEqual(['m']);
    });

    it('that is closed queries go on', async () => {
      const { cache, notes, note, dataSource } = await node();
      await notes();
      await cache.close();
      await note('m');
      expect(await notes()).toEqual(['m']);
      await dataSource.queryResultCache!.clear();
    });

    it('of another name nothing is kept', async () => {
      const { notes, note } = await node({ cache: { provider: strataQueryCache({ cache: 'other' }) } });
      await notes();
      await note('m');
      expect(await notes()).toEqual(['m']);
    });
  });

  describe('with Redis down', () => {
    it('the data source starts, and queries are answered', async () => {
      const dataSource = await source();
      const cache = cacheOn(`redis://127.0.0.1:${NOBODY}`);
      open.push({ dataSource, cache });
      bindQueryCache(dataSource, cache);
      const { notes, note } = queries(dataSource);
      expect(await notes()).toEqual(['n']);
      await note('m');
      expect(await notes()).toEqual(['m']);
      await dataSource.queryResultCache!.remove(['x']);
      await dataSource.queryResultCache!.clear();
    });

    it("TypeORM's own provider has the query fail", async () => {
      const dataSource = await source({
        cache: {
          type: 'ioredis',
          options: { port: NOBODY, maxRetriesPerRequest: 0, retryStrategy: () => null },
        },
      });
      open.push({ dataSource });
      (dataSource.queryResultCache as unknown as { client: Redis }).client.on('error', () => {});
      await expect(queries(dataSource).notes()).rejects.toThrow();
      // Its disconnect() would fail as well.
      Object.assign(dataSource, { queryResultCache: undefined });
    });
  });

  it("TypeORM's own provider empties the whole Redis database", async () => {
    const own = await startRedis();
    const client = new Redis(own.url);
    try {
      await client.set('session', 'mine');
      const { port } = new URL(own.url);
      const dataSource = await source({ cache: { type: 'ioredis', options: { port: Number(port) } } });
      await dataSource.queryResultCache!.clear();
      await dataSource.destroy();
      expect(await client.get('session')).toBe(null);
    } finally {
      client.disconnect();
      await own.stop();
    }
  });

  it('CacheTypeOrmModule binds by itself what TypeOrmModule made before', async () => {
    const module = await Test.createTestingModule({
      imports: [
        TypeOrmModule.forRoot({
          type: 'postgres',
          url: database.url,
          entities: ALL,
          cache: { provider: strataQueryCache(), duration: 60_000 },
        }),
        CacheModule.forRoot({
          redis: null,
          namespaces: {},
          defaults: { ttl: '1m' },
        }),
        CacheTypeOrmModule.forRoot(),
      ],
    }).compile();
    const app = module.createNestApplication({ logger: false });
    const cache = app.get(CacheService);
    for (const name of ['labels', 'instruments', 'isins', 'accounts', 'statements', 'positions', 'alerts'])
      cache.declareNamespace(name, { ttl: '1m' });
    await app.init();
    try {
      const { notes, note, owners } = queries(app.get(DataSource));
      await notes();
      await note('m');
      expect(await notes()).toEqual(['n']);
      await owners();
      await app.get(DataSource).getRepository(Account).save({ id: 'a1', owner: 'eve' });
      expect(await owners()).toEqual(['eve', 'bob']);
      expect(cache.namespaces).toContain('queries');
      expect(cache.stats().namespaces['queries']).toMatchObject({ misses: 3 });
    } finally {
      await app.close();
    }
  });

  it('wrong options are said when the data source is described', () => {
    expect(() => strataQueryCache({ cache: '' })).toThrow('cache');
    expect(() => strataQueryCache({ namespace: '1' })).toThrow('namespace');
    expect(() => strataQueryCache({ entityTags: 1 as unknown as boolean })).toThrow('entityTags');
    expect(() => strataQueryCache({ nonesuch: 1 } as object)).toThrow('nonesuch');
  });
});
