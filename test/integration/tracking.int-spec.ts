import { type DataSource, In, MoreThan } from 'typeorm';
import { dependsOn } from '#tiered-cache';
import { entityTag } from '../../src/typeorm/entity-tag.js';
import { deferred } from '../support/fleet.js';
import { describeWithServices } from '../support/services.js';
import { until } from '../conformance/until.js';
import { Holding, Memo, Sector, Stock, Topic, Trader } from './tracking.entities.js';
import { BOUND_MS, TrackingFleet } from './tracking.fleet.js';

type Load = (db: DataSource) => Promise<unknown>;

/** Entries by name, and the loader of each. */
const ENTRIES: Record<string, Load> = {
  aapl: (db) => db.manager.findOneBy(Stock, { id: 1 }),
  tsla: (db) => db.manager.findOneBy(Stock, { symbol: 'TSLA' }),
  nobody: (db) => db.manager.findOneBy(Stock, { symbol: 'GONE' }),
  nobodyById: (db) => db.manager.findOneBy(Stock, { id: 99 }),
  two: (db) => db.manager.findBy(Stock, { id: In([1, 3]) }),
  tech: (db) => db.manager.find(Stock, { where: { sector: { code: 'tech' } }, order: { symbol: 'ASC' } }),
  cheap: (db) => db.manager.find(Stock, { where: { price: MoreThan(25) } }),
  inactive: (db) => db.manager.countBy(Stock, { active: false }),
  ann: (db) => db.manager.findBy(Holding, { traderId: 1 }),
  bob: (db) => db.manager.findBy(Holding, { traderId: 2 }),
  bobByNote: (db) =>
    db.manager.find(Holding, { where: { traderId: 2, note: 'x' }, order: { quantity: 'DESC' } }),
  annWithStocks: (db) => db.manager.find(Holding, { where: { traderId: 1 }, relations: { stock: true } }),
  annJoined: (db) =>
    db.manager.findOne(Trader, { where: { id: 1 }, relations: { holdings: { stock: true } } }),
  annSeparately: (db) =>
    db.manager.findOne(Trader, {
      where: { id: 1 },
      relations: { holdings: true },
      relationLoadStrategy: 'query',
    }),
  lazily: async (db) => (await (await db.manager.findOneByOrFail(Sector, { code: 'tech' })).stocks).length,
  page: (db) => db.manager.find(Trader, { relations: { holdings: true }, order: { name: 'ASC' }, take: 2 }),
  builder: (db) =>
    db
      .createQueryBuilder(Holding, 'h')
      .leftJoinAndSelect('h.stock', 's')
      .where('h.traderId = :id', { id: 2 })
      .getMany(),
  sumOfAnn: (db) =>
    db.createQueryBuilder(Holding, 'h').select('SUM(h.quantity)', 'sum').where('h.traderId = 1').getRawOne(),
  exists: (db) => db.manager.existsBy(Holding, { traderId: 3 }),
  ai: (db) => db.manager.findOne(Topic, { where: { name: 'ai' }, relations: { stocks: true } }),
  withDeleted: (db) =>
    db.manager.find(Stock, { select: { id: true, symbol: true }, where: { active: true } }),
};

/** Without lazy relations, which are no data. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Date || typeof value !== 'object' || value === null) return value;
  const data = Object.entries(Object.getOwnPropertyDescriptors(value)).filter(([, one]) => 'value' in one);
  return Object.fromEntries(data.map(([name, one]) => [name, plain(one.value)]));
}

for (const [id, load] of Object.entries(ENTRIES)) ENTRIES[id] = async (db) => plain(await load(db));

/** A write on the second node, and the entries that it changes. */
const WRITES: [string, (db: DataSource) => Promise<unknown>, string[]][] = [
  [
    'an update of one stock’s price',
    async (db) =>
      db.manager.save(Object.assign(await db.manager.findOneByOrFail(Stock, { id: 1 }), { price: 11 })),
    // All that contain it; `cheap` asks by the price.
    ['aapl', 'two', 'tech', 'cheap', 'annWithStocks', 'annJoined', 'builder', 'lazily', 'ai', 'withDeleted'],
  ],
  [
    'an update of a stock that hardly anybody shows',
    async (db) =>
      db.manager.save(Object.assign(await db.manager.findOneByOrFail(Stock, { id: 4 }), { price: 50 })),
    ['cheap', 'withDeleted'],
  ],
  [
    'an update of one holding’s quantity',
    async (db) =>
      db.manager.save(Object.assign(await db.manager.findOneByOrFail(Holding, { id: 1 }), { quantity: 9 })),
    ['ann', 'annWithStocks', 'annJoined', 'annSeparately', 'sumOfAnn', 'page'],
  ],
  [
    'an insert into another account',
    (db) => db.manager.save(Object.assign(new Holding(), { traderId: 3, quantity: 1 })),
    ['exists'],
  ],
  [
    'an insert into this account',
    (db) => db.manager.save(Object.assign(new Holding(), { traderId: 2, quantity: 1, note: 'z' })),
    ['bob', 'bobByNote', 'builder', 'page'],
  ],
  [
    'an insert of a stock of no sector',
    (db) => db.manager.save(Object.assign(new Stock(), { symbol: 'NEW', price: 1 })),
    ['cheap', 'inactive', 'withDeleted'],
  ],
  [
    'the insert of the one that was missed',
    (db) => db.manager.save(Object.assign(new Stock(), { symbol: 'GONE', price: 1 })),
    ['nobody', 'cheap', 'inactive', 'withDeleted'],
  ],
  [
    'a holding that changes hands',
    async (db) =>
      db.manager.save(Object.assign(await db.manager.findOneByOrFail(Holding, { id: 2 }), { traderId: 2 })),
    ['ann', 'bob', 'bobByNote', 'annWithStocks', 'annJoined', 'annSeparately', 'sumOfAnn', 'page', 'builder'],
  ],
  [
    'an update of a sector’s title',
    (db) => db.manager.save(Object.assign(new Sector(), { code: 'tech', title: 'T' })),
    ['aapl', 'two', 'tech', 'cheap', 'lazily', 'withDeleted', 'ai', 'annJoined', 'annWithStocks'],
  ],
  ['an update of a memo', (db) => db.manager.update(Memo, 1, { text: 'other' }), []],
  [
    'a delete',
    async (db) => db.manager.remove(await db.manager.findOneByOrFail(Holding, { id: 3 })),
    ['bob', 'bobByNote', 'builder', 'page'],
  ],
  [
    'a relation that is added',
    (db) => db.createQueryBuilder().relation(Topic, 'stocks').of(1).add(3),
    // TypeORM tells of no rows: all of both sides go.
    [
      'aapl',
      'tsla',
      'nobody',
      'nobodyById',
      'two',
      'tech',
      'cheap',
      'inactive',
      'annWithStocks',
      'annJoined',
      'builder',
      'lazily',
      'ai',
      'withDeleted',
    ],
  ],
  [
    'an update by a query builder',
    (db) => db.manager.update(Holding, { traderId: 2 }, { note: 'other' }),
    [
      'ann',
      'bob',
      'bobByNote',
      'annWithStocks',
      'annJoined',
      'annSeparately',
      'page',
      'builder',
      'sumOfAnn',
      'exists',
    ],
  ],
];

describeWithServices('tracked entries', () => {
  let fleet: TrackingFleet;
  beforeAll(async () => {
    fleet = await TrackingFleet.open();
  });
  afterAll(() => fleet?.close());
  beforeEach(() => fleet.reset());

  async function loadAll(node = 0): Promise<void> {
    for (const [id, load] of Object.entries(ENTRIES)) await fleet.read(id, load, { node });
  }

  async function evicted(): Promise<string[]> {
    const gone: string[] = [];
    for (const id of Object.keys(ENTRIES)) if (!(await fleet.has(id))) gone.push(id);
    return gone;
  }

  it('are stored by their first load, whatever asks, and shared by the nodes', async () => {
    await loadAll();
    expect(fleet.refused).toEqual([]);
    expect(fleet.loads).toBe(Object.keys(ENTRIES).length);
    await loadAll(1);
    expect(fleet.loads).toBe(Object.keys(ENTRIES).length);
  });

  it.each(WRITES)('%s ends the entries that it changes, and no others', async (_what, write, changed) => {
    await loadAll();
    await loadAll(1);
    const { db } = fleet.nodes[1]!;
    await write(db);
    expect((await evicted()).sort()).toEqual([...changed].sort());
    await new Promise((resolve) => setTimeout(resolve, BOUND_MS));
    for (const [id, load] of Object.entries(ENTRIES))
      expect([id, JSON.stringify(await fleet.read(id, load))]).toEqual([id, JSON.stringify(await load(db))]);
  });

  it('end with a soft delete, and come back with a recovery', async () => {
    const { db } = fleet.nodes[1]!;
    const stock = await db.manager.findOneByOrFail(Stock, { id: 1 });
    for (const write of ['softRemove', 'recover'] as const) {
      await loadAll();
      await db.manager[write](stock);
      await new Promise((resolve) => setTimeout(resolve, BOUND_MS));
      for (const [id, load] of Object.entries(ENTRIES))
        expect([id, JSON.stringify(await fleet.read(id, load))]).toEqual([
          id,
          JSON.stringify(await load(db)),
        ]);
    }
  });

  describe.each([false, true])('(strict: %s)', (strict) => {
    it.each<[string, Load]>([
      ['by its key', ENTRIES['aapl']!],
      ['in a list', ENTRIES['tech']!],
      ['joined', ENTRIES['annJoined']!],
      ['in a transaction', (db) => db.transaction((em) => em.findBy(Stock, { active: true }))],
    ])('an update between the query and the fill leaves no old entry: %s', async (_what, load) => {
      const { db } = fleet.nodes[1]!;
      for (const pause of ['after the query', 'before the query'] as const) {
        const [asked, go] = [deferred<void>(), deferred<void>()];
        const paused = async (own: DataSource) => {
          const value = pause === 'after the query' ? await load(own) : undefined;
          asked.resolve();
          await go.promise;
          return value ?? load(own);
        };
        const reader = fleet.read(pause, paused, { strict });
        await asked.promise;
        const stock = await db.manager.findOneByOrFail(Stock, { id: 1 });
        stock.price += 1;
        await db.manager.save(stock);
        go.resolve();
        await reader;
        if (!strict) await new Promise((resolve) => setTimeout(resolve, BOUND_MS));
        for (const node of [0, 1])
          expect(JSON.stringify(await fleet.read(pause, load, { node, strict }))).toBe(
            JSON.stringify(await load(db)),
          );
      }
    });

    it('nor does one that a transaction’s snapshot does not show', async () => {
      const { db } = fleet.nodes[1]!;
      const load: Load = (own) => own.manager.findBy(Holding, { traderId: 1 });
      const snapshot: Load = (own) =>
        own.transaction('REPEATABLE READ', async (em) => {
          await em.findBy(Stock, { id: 4 });
          const holding = await db.manager.findOneByOrFail(Holding, { id: 1 });
          holding.quantity = 77;
          await db.manager.save(holding);
          return em.findBy(Holding, { traderId: 1 });
        });
      await fleet.read('snapshot', snapshot, { strict });
      if (!strict) await new Promise((resolve) => setTimeout(resolve, BOUND_MS));
      expect(JSON.stringify(await fleet.read('snapshot', load, { strict }))).toBe(
        JSON.stringify(await load(db)),
      );
    });
  });

  it.each<[string, Load, string]>([
    [
      'raw SQL that is no SELECT',
      (db) => db.query('WITH x AS (SELECT 1) SELECT * FROM x'),
      'no plain SELECT',
    ],
    ['an entity that is not marked', (db) => db.manager.find(Memo), 'Memo is not marked'],
    [
      'a table of no entity',
      (db) => db.query('SELECT * FROM pg_class LIMIT 1'),
      'no entity has the table pg_class',
    ],
    ['a function', (db) => db.query('SELECT txid_current()'), 'the function txid_current'],
    ['a write', (db) => db.query("UPDATE memo SET text = 'x'"), 'no plain SELECT'],
    [
      'a stream',
      async (db) => {
        await db.manager.findBy(Stock, { id: 1 });
        const runner = db.createQueryRunner();
        await runner.stream('SELECT 1').catch(() => undefined);
        await runner.release();
      },
      'a stream',
    ],
    ['nothing at all', async () => 1, 'nothing that it read was seen'],
  ])('are not stored where nobody knows what was read: %s', async (_what, load, why) => {
    await fleet.read('x', load);
    expect(await fleet.has('x')).toBe(false);
    expect(fleet.refused[0]).toContain(why);
  });

  it('are not stored where the transaction was open before', async () => {
    const runner = fleet.nodes[0]!.db.createQueryRunner();
    await runner.startTransaction();
    await fleet.read('x', () => runner.manager.findBy(Trader, { id: 1 }));
    await runner.rollbackTransaction();
    await runner.release();
    expect(fleet.refused[0]).toContain('transaction that was open before');
  });

  it('track a SELECT that was written by hand, where its SQL says all', async () => {
    const load: Load = (db) => db.query('SELECT quantity FROM holding WHERE "traderId" = $1', [1]);
    await fleet.read('x', load);
    await fleet.nodes[1]!.db.manager.save(Object.assign(new Holding(), { traderId: 3 }));
    expect(await fleet.has('x')).toBe(false);
    const qualified: Load = (db) => db.query('SELECT h.quantity FROM holding h WHERE h."traderId" = $1', [1]);
    await fleet.read('y', qualified);
    await fleet.nodes[1]!.db.manager.save(Object.assign(new Holding(), { traderId: 3 }));
    expect(await fleet.has('y')).toBe(true);
    await fleet.nodes[1]!.db.manager.save(Object.assign(new Holding(), { traderId: 1 }));
    expect(await fleet.has('y')).toBe(false);
  });

  it('can be told what cannot be seen', async () => {
    const load: Load = (db) => dependsOn([entityTag('Stock')], () => db.query('SELECT txid_current()'));
    await fleet.read('x', load);
    expect(fleet.refused).toEqual([]);
    expect(await fleet.has('x')).toBe(true);
    await fleet.nodes[1]!.db.manager.save(Object.assign(new Stock(), { symbol: 'NEW' }));
    expect(await fleet.has('x')).toBe(false);
  });

  it('end with the entries that they were made of', async () => {
    const part: Load = (db) =>
      fleet.nodes[0]!.cache.getOrSet('parts', 'p', () => ENTRIES['aapl']!(db), { track: true });
    await part(fleet.nodes[0]!.db);
    await fleet.read('x', part);
    const { db } = fleet.nodes[1]!;
    await db.manager.save(Object.assign(await db.manager.findOneByOrFail(Stock, { id: 1 }), { price: 99 }));
    expect(await fleet.has('x')).toBe(false);
  });
});

describeWithServices('tracked entries with the outbox', () => {
  let fleet: TrackingFleet;
  beforeAll(async () => {
    fleet = await TrackingFleet.open(true);
  });
  afterAll(() => fleet?.close());
  beforeEach(() => fleet.reset());

  it.each<[string, string, string[]]>([
    [
      'an update of one row',
      'UPDATE holding SET quantity = 9 WHERE id = 1',
      ['ann', 'annWithStocks', 'annJoined', 'annSeparately', 'sumOfAnn', 'page'],
    ],
    ['an insert into another account', `INSERT INTO holding ("traderId") VALUES (3)`, ['exists']],
    [
      'a row that changes hands',
      'UPDATE holding SET "traderId" = 3 WHERE id = 3',
      ['bob', 'bobByNote', 'builder', 'exists', 'page'],
    ],
    [
      'a relation',
      'INSERT INTO stock_topics_topic VALUES (3, 1)',
      ['ai', 'two', 'tech', 'cheap', 'lazily', 'withDeleted'],
    ],
    [
      'a stock that nobody shows',
      'UPDATE stock SET active = false WHERE id = 2',
      ['tsla', 'inactive', 'annWithStocks', 'annJoined', 'withDeleted'],
    ],
  ])('SQL of a stranger ends what it changes, and no others: %s', async (_what, sql, changed) => {
    // The seed is relayed as well.
    await until(async () => {
      for (const [id, load] of Object.entries(ENTRIES)) await fleet.read(id, load);
      const { loads } = fleet;
      await new Promise((resolve) => setTimeout(resolve, 300));
      for (const [id, load] of Object.entries(ENTRIES)) await fleet.read(id, load, { node: 1 });
      return loads === fleet.loads;
    });
    await fleet.stranger.query(sql);
    const gone = async () => {
      const found: string[] = [];
      for (const id of Object.keys(ENTRIES)) if (!(await fleet.has(id))) found.push(id);
      return found.sort();
    };
    await until(async () => (await gone()).length >= changed.length);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await gone()).toEqual([...changed].sort());
  });
});
