import { DataSource, type EntityManager } from 'typeorm';
import { systemClock } from '#tiered-cache';
import { CacheSubscriber } from '../../src/typeorm/cache-subscriber.js';
import { InvalidationGate } from '../../src/typeorm/invalidation-gate.js';
import { MarkRegistry } from '../../src/typeorm/mark-registry.js';
import { describeWithPostgres, freshDatabase } from '../support/services.js';
import {
  Account,
  ENTITIES,
  Instrument,
  Label,
  Note,
  Position,
  RecordingCache,
  seed,
} from './typeorm.fixture.js';

/** What an unknown row takes. */
const INSTRUMENTS = ['#entity:Instrument', '#entity:Instrument:*', 'instruments:*', 'isins:*'];
const ACCOUNTS = ['#entity:Account', '#entity:Account:*', 'accounts:*', 'statements:*'];
const LABELS = ['#entity:Label', '#entity:Label:*', 'labels:*'];
const POSITIONS = ['#entity:Position', '#entity:Position:*', '*'];
const ALERTS = ['#entity:Alert', '#entity:Alert:*', 'alerts:*'];
const AAPL = ['#entity:Instrument:1', 'instruments:AAPL', 'isins:US037'];

type Write = (em: EntityManager) => Promise<unknown>;
/** [write path, the write, what must be invalidated; null: nothing, nobody hears it] */
const paths: [string, Write, string[] | null][] = [
  [
    'save: insert',
    (em) => em.save(em.create(Instrument, { symbol: 'MSFT', name: 'Microsoft' })),
    ['#entity:Instrument', '#entity:Instrument:3', 'instruments:MSFT'],
  ],
  [
    'save: insert of a plain object through a repository',
    (em) => em.getRepository(Account).save({ id: 'c1', owner: 'cy' }),
    ['#entity:Account', '#entity:Account:c1', '#owner:cy', 'accounts:c1'],
  ],
  [
    'save: update of a loaded row, a column lists do not show',
    async (em) => em.save(Object.assign(await load(em), { volume: 7 })),
    AAPL,
  ],
  [
    'save: update of a loaded row, a column lists show',
    async (em) => em.save(Object.assign(await load(em), { name: 'Apple Inc.' })),
    ['#entity:Instrument', ...AAPL],
  ],
  ['save: partial object', (em) => em.getRepository(Instrument).save({ id: 1, volume: 8 }), AAPL],
  [
    'save: entity loaded without its key column',
    async (em) => {
      const row = await em.findOneOrFail(Instrument, {
        where: { id: 1 },
        select: { id: true, volume: true },
      });
      return em.save(Object.assign(row, { volume: 9 }));
    },
    AAPL,
  ],
  [
    'save: renamed symbol',
    async (em) => em.save(Object.assign(await load(em), { symbol: 'APPL' })),
    ['#entity:Instrument', ...AAPL, 'instruments:APPL'],
  ],
  [
    'save: key column set to null',
    async (em) => em.save(Object.assign(await load(em), { isin: null })),
    AAPL,
  ],
  [
    'save: a tag changes',
    (em) => em.save(Account, { id: 'a1', owner: 'eve' }),
    ['#entity:Account', '#entity:Account:a1', '#owner:ann', '#owner:eve', 'accounts:a1'],
  ],
  ['save: nothing changed', async (em) => em.save(await load(em)), null],
  [
    'save: without listeners',
    async (em) => em.save(Object.assign(await load(em), { volume: 1 }), { listeners: false }),
    null,
  ],
  [
    'save: several entities, one batch',
    async (em) => {
      const rows = await em.find(Instrument, { order: { id: 'ASC' } });
      return em.save(rows.map((row) => Object.assign(row, { volume: 3 })));
    },
    [...AAPL, '#entity:Instrument:2', 'instruments:TSLA'],
  ],
  [
    'save: cascade to a new child, composite key',
    async (em) => {
      const account = await em.findOneOrFail(Account, { where: { id: 'b1' } });
      account.positions = [em.create(Position, { accountId: 'b1', symbol: 'TSLA', quantity: 1 })];
      return em.save(account);
    },
    ['#entity:Position', '#entity:Position:b1,TSLA', 'positions:b1/TSLA'],
  ],
  [
    'save: orphan of a one-to-many is deleted',
    async (em) => {
      const account = await em.findOneOrFail(Account, {
        where: { id: 'a1' },
        relations: { positions: true },
      });
      account.positions = [];
      return em.save(account);
    },
    POSITIONS,
  ],
  [
    'save: many-to-many, a label is added',
    async (em) => {
      const row = await em.findOneOrFail(Instrument, { where: { id: 1 }, relations: { labels: true } });
      row.labels = [await em.findOneByOrFail(Label, { id: 1 })];
      return em.save(row);
    },
    [...INSTRUMENTS, ...LABELS],
  ],
  [
    'relation query builder: many-to-many',
    (em) => em.createQueryBuilder().relation(Instrument, 'labels').of(1).add(2),
    [...INSTRUMENTS, ...LABELS],
  ],
  [
    'remove: with what ON DELETE CASCADE takes along',
    async (em) => em.remove(await load(em)),
    ['#entity:Instrument', ...AAPL, ...ALERTS],
  ],
  [
    'remove: of a row that was changed in memory',
    async (em) => em.remove(Object.assign(await load(em), { symbol: 'XXXX' })),
    ['#entity:Instrument', ...AAPL, ...ALERTS],
  ],
  ['soft-remove', async (em) => em.softRemove(await load(em)), ['#entity:Instrument', ...AAPL]],
  ['delete', (em) => em.delete(Instrument, { symbol: 'AAPL' }), [...INSTRUMENTS, ...ALERTS]],
  ['soft-delete', (em) => em.softDelete(Instrument, 1), INSTRUMENTS],
  ['update', (em) => em.update(Instrument, 1, { name: 'x' }), INSTRUMENTS],
  ['update: 0 rows', (em) => em.update(Instrument, 99, { name: 'x' }), INSTRUMENTS],
  ['increment', (em) => em.increment(Instrument, { id: 1 }, 'volume', 5), INSTRUMENTS],
  ['decrement', (em) => em.decrement(Account, { id: 'a1' }, 'balance', 5), ACCOUNTS],
  [
    'insert',
    (em) => em.insert(Instrument, { symbol: 'MSFT', name: 'Microsoft' }),
    ['#entity:Instrument', '#entity:Instrument:3', 'instruments:MSFT'],
  ],
  [
    'insert: several rows, one batch',
    (em) =>
      em.insert(Account, [
        { id: 'c1', owner: 'cy' },
        { id: 'd1', owner: 'cy' },
      ]),
    [
      '#entity:Account',
      '#entity:Account:c1',
      '#entity:Account:d1',
      '#owner:cy',
      'accounts:c1',
      'accounts:d1',
    ],
  ],
  [
    'upsert: of an existing row',
    (em) => em.upsert(Instrument, { symbol: 'AAPL', isin: 'US038', name: 'Apple' }, ['symbol']),
    [...INSTRUMENTS, '#entity:Instrument:1'],
  ],
  [
    'upsert: of a new row',
    (em) => em.upsert(Account, { id: 'z1', owner: 'zoe', balance: 1 }, ['id']),
    [...ACCOUNTS, '#entity:Account:z1', '#owner:zoe'],
  ],
  [
    'query builder: insert',
    (em) => em.createQueryBuilder().insert().into(Label).values({ name: 'new' }).execute(),
    ['#entity:Label', '#entity:Label:3', 'labels:new'],
  ],
  [
    'query builder: insert of a key computed in SQL',
    (em) =>
      em
        .createQueryBuilder()
        .insert()
        .into(Label)
        .values({ name: () => `upper('new')` })
        .execute(),
    LABELS,
  ],
  [
    'query builder: insert or ignore',
    (em) =>
      em.createQueryBuilder().insert().into(Account).values({ id: 'y1', owner: 'yan' }).orIgnore().execute(),
    ['#entity:Account', '#entity:Account:y1', '#owner:yan', 'accounts:y1'],
  ],
  [
    'query builder: update',
    (em) =>
      em
        .createQueryBuilder()
        .update(Instrument)
        .set({ volume: 4 })
        .where('symbol = :s', { s: 'AAPL' })
        .execute(),
    INSTRUMENTS,
  ],
  [
    'query builder: delete',
    (em) => em.createQueryBuilder().delete().from(Label).where('id = 1').execute(),
    LABELS,
  ],
  [
    'query builder: soft delete',
    (em) => em.createQueryBuilder().softDelete().from(Instrument).where('id = 1').execute(),
    INSTRUMENTS,
  ],
  [
    'query builder: without listeners',
    (em) => em.createQueryBuilder().update(Instrument).set({ volume: 4 }).callListeners(false).execute(),
    null,
  ],
  ['raw SQL', (em) => em.query(`UPDATE instrument SET volume = 1`), null],
  ['an entity that is not marked', (em) => em.save(em.create(Note, { text: 'x' })), null],
];

/** Paths that start from a soft-deleted row. */
const restores: [string, Write, string[]][] = [
  [
    'recover',
    async (em) => em.recover(await em.findOneOrFail(Instrument, { where: { id: 1 }, withDeleted: true })),
    ['#entity:Instrument', ...AAPL],
  ],
  ['restore', (em) => em.restore(Instrument, 1), INSTRUMENTS],
  [
    'query builder: restore',
    (em) => em.createQueryBuilder().restore().from(Instrument).where('id = 1').execute(),
    INSTRUMENTS,
  ],
];

function load(em: EntityManager): Promise<Instrument> {
  return em.findOneByOrFail(Instrument, { id: 1 });
}

describeWithPostgres('every write path of TypeORM', () => {
  const cache = new RecordingCache();
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let dataSource: DataSource;
  let other: DataSource;
  const faults: string[] = [];
  /** The tables as another connection saw them at each invalidation. */
  const seen: string[] = [];

  beforeAll(async () => {
    database = await freshDatabase();
    const options = { type: 'postgres', url: database.url, entities: ENTITIES } as const;
    dataSource = await new DataSource({ ...options, synchronize: true }).initialize();
    other = await new DataSource(options).initialize();
    const log = { warn: (line: string) => faults.push(line), error: (line: string) => faults.push(line) };
    const marks = new MarkRegistry('default', (entity, problem) => faults.push(`${entity.type}: ${problem}`));
    marks.add(dataSource);
    const gate = new InvalidationGate(cache, 5_000, systemClock, log);
    dataSource.subscribers.unshift(new CacheSubscriber(marks, gate, systemClock, log));
    cache.answer = async () => {
      seen.push(await state());
      return { acknowledged: true, position: null };
    };
  });
  afterAll(async () => {
    await dataSource?.destroy();
    await other?.destroy();
    await database?.drop();
  });

  beforeEach(async () => {
    await seed(dataSource);
    faults.length = 0;
    seen.length = 0;
    cache.taken();
  });

  async function state(): Promise<string> {
    const tables = ['instrument', 'label', 'account', 'position', 'instrument_labels_label'];
    const rows = await Promise.all(
      tables.map((table) => other.query(`SELECT * FROM "${table}" ORDER BY 1, 2`)),
    );
    return JSON.stringify(rows);
  }

  async function check(write: Write, expected: string[] | null): Promise<void> {
    const before = await state();
    await write(dataSource.manager);
    expect(cache.taken()).toEqual(expected ? [expected.toSorted()] : []);
    // Whoever loads because of the invalidation finds the write.
    if (expected && before !== (await state())) expect(seen).not.toContain(before);
    expect(faults).toEqual([]);
  }

  async function checkInTransaction(write: Write, expected: string[] | null): Promise<void> {
    await dataSource.transaction(async (em) => {
      await write(em);
      expect(cache.taken()).toEqual([]);
    });
    expect(cache.taken()).toEqual(expected ? [expected.toSorted()] : []);
  }

  async function checkRolledBack(write: Write): Promise<void> {
    const before = await state();
    const end = dataSource.transaction(async (em) => {
      await write(em);
      throw new Error('no');
    });
    await expect(end).rejects.toThrow('no');
    expect(await state()).toBe(before);
    expect(cache.taken()).toEqual([]);
  }

  describe.each(paths)('%s', (_name, write, expected) => {
    it('invalidates after the write', () => check(write, expected));
    it('invalidates once, after COMMIT', () => checkInTransaction(write, expected));
    it('invalidates nothing when rolled back', () => checkRolledBack(write));
  });

  describe.each(restores)('%s', (_name, write, expected) => {
    beforeEach(() => dataSource.query('UPDATE instrument SET "deletedAt" = now() WHERE id = 1'));
    it('invalidates after the write', () => check(write, expected));
    it('invalidates once, after COMMIT', () => checkInTransaction(write, expected));
    it('invalidates nothing when rolled back', () => checkRolledBack(write));
  });
});
