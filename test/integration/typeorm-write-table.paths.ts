import type { Client } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { Account, Instrument, Label, Note, Position } from './typeorm.fixture.js';
import {
  Company,
  Desk,
  ENTRIES,
  entries,
  Party,
  Person,
  Region,
  Trader,
} from './typeorm-write-table.entities.js';
import { copyIn, hasPsql, psql } from './typeorm-write-table.strangers.js';

/** With what a path writes. */
export interface Writer {
  /** Of the default data source, outside a transaction; of a transaction in the twin that is rolled back. */
  readonly em: EntityManager;
  readonly db: DataSource;
  /** Another data source of the same application, listened to as well. */
  readonly second: DataSource;
  /** A program that knows nothing of TypeORM. */
  readonly stranger: Client;
  readonly url: string;
}

export interface WritePath {
  readonly group: string;
  readonly name: string;
  /** Who notices the write: TypeORM's events, or only the triggers of the outbox; nobody: there is no write. */
  readonly sees: 'subscriber' | 'trigger' | 'nobody';
  /** What goes, in the words of docs/typeorm.md. */
  readonly goes: string;
  /** The entries that go; all others stay where they are. */
  readonly ends: readonly string[];
  readonly run: (writer: Writer) => Promise<unknown>;
  /** Whether this machine has what it needs; default: it does. */
  readonly needs?: () => boolean;
  /** Raw SQL before the entries are loaded. */
  readonly before?: string;
  /** The same, rolled back; default: `run` in a transaction that fails. Null: there is no such thing. */
  readonly rolledBack?: ((writer: Writer) => Promise<unknown>) | null;
  /** Seen only when the outbox's `writerLead` is over: the statement names no table of a marked entity. */
  readonly late?: boolean;
  /** Nothing changes in the database, but who listens cannot know. */
  readonly unchanged?: boolean;
}

const AAPL = ['instruments:AAPL', 'isins:US037', 'views:instrument/1'];
const INSTRUMENTS = entries(
  'instruments:*',
  'isins:*',
  'views:instrument/1',
  'views:instrument/2',
  'lists:instruments',
);
const INSTRUMENT_LIST = 'lists:instruments';
const ALERTS = entries('alerts:*', 'lists:alerts');
const LABELS = entries('labels:*', 'lists:labels');
const ACCOUNTS = entries('accounts:*', 'statements:*', 'lists:accounts');
const TRADERS = entries('traders:*', 'lists:traders');
const BADGES = entries('badges:*', 'lists:badges');
const PARTIES = entries('parties:*', 'companies:*', 'lists:parties', 'lists:companies');
const REGIONS = entries('regions:*', 'lists:regions');

const ROW = 'row';
const ROW_TYPE = 'row, type';
const ALL = 'all rows';
const NOTHING = 'nothing';

export class RolledBack extends Error {}

/** Runs the work in a transaction and rolls it back. */
export function rollBack(db: DataSource, work: (em: EntityManager) => Promise<unknown>): Promise<void> {
  return db
    .transaction(async (em) => {
      await work(em);
      throw new RolledBack();
    })
    .catch((error: unknown) => {
      if (!(error instanceof RolledBack)) throw error;
    });
}

const aapl = (em: EntityManager): Promise<Instrument> => em.findOneByOrFail(Instrument, { id: 1 });
const volume = async (em: EntityManager, to = 7): Promise<unknown> =>
  em.save(Object.assign(await aapl(em), { volume: to }));
const deskOf = (em: EntityManager): Promise<Desk> =>
  em.findOneOrFail(Desk, { where: { id: 'd1' }, relations: { traders: true, badges: true } });

type Run = WritePath['run'];
type Path = Omit<WritePath, 'group' | 'sees' | 'name' | 'goes' | 'ends' | 'run'>;

/** Rows of the table, in the order of the docs. */
function group(title: string, sees: WritePath['sees']) {
  return (
    name: string,
    goes: string,
    ends: readonly string[],
    run: Run,
    more: Path & { sees?: WritePath['sees'] } = {},
  ): WritePath => ({ group: title, sees, name, goes, ends, run, ...more });
}

const saved = group('save, remove, recover', 'subscriber');
const cascaded = group('relations and cascades', 'subscriber');
const mapped = group('kinds of entities', 'subscriber');
const direct = group('without loading the row', 'subscriber');
const built = group('QueryBuilder', 'subscriber');
const transactional = group('transactions', 'subscriber');
const unheard = group('TypeORM tells of no entity', 'trigger');
const foreign = group('others', 'trigger');

export const PATHS: readonly WritePath[] = [
  saved('save: insert', ROW_TYPE, ['instruments:MSFT', INSTRUMENT_LIST], ({ em }) =>
    em.save(em.create(Instrument, { symbol: 'MSFT', name: 'Microsoft' })),
  ),
  saved('save: update, a column that lists do not show', ROW, AAPL, ({ em }) => volume(em)),
  saved('save: update, a column that lists show', ROW_TYPE, [...AAPL, INSTRUMENT_LIST], async ({ em }) =>
    em.save(Object.assign(await aapl(em), { name: 'Apple Inc.' })),
  ),
  saved(
    'save: update of a key column',
    'row (old and new keys), type',
    [...AAPL, 'instruments:MSFT', INSTRUMENT_LIST],
    async ({ em }) => em.save(Object.assign(await aapl(em), { symbol: 'MSFT' })),
  ),
  saved('save: partial or plain object', ROW, AAPL, ({ em }) =>
    em.getRepository(Instrument).save({ id: 1, volume: 8 }),
  ),
  saved('save: nothing changed', NOTHING, [], async ({ em }) => em.save(await aapl(em)), {
    sees: 'nobody',
    unchanged: true,
  }),
  saved('save: an array', 'the rows', [...AAPL, 'instruments:TSLA', 'views:instrument/2'], async ({ em }) =>
    em.save((await em.find(Instrument)).map((row) => Object.assign(row, { volume: 3 }))),
  ),
  saved(
    'save: an array in chunks',
    'the rows',
    [...AAPL, 'instruments:TSLA', 'views:instrument/2'],
    async ({ em }) =>
      em.save(
        (await em.find(Instrument)).map((row) => Object.assign(row, { volume: 3 })),
        { chunk: 1 },
      ),
  ),
  saved('save({ data })', ROW, AAPL, async ({ em }) =>
    em.save(Object.assign(await aapl(em), { volume: 2 }), { data: { by: 'me' } }),
  ),
  saved('save({ transaction: false })', ROW, AAPL, async ({ em }) =>
    em.save(Object.assign(await aapl(em), { volume: 2 }), { transaction: false }),
  ),
  saved('save({ reload: false })', ROW, AAPL, async ({ em }) =>
    em.save(Object.assign(await aapl(em), { volume: 2 }), { reload: false }),
  ),
  saved('remove', ROW_TYPE, ['labels:tech', 'lists:labels'], async ({ em }) =>
    em.remove(await em.findOneByOrFail(Label, { id: 1 })),
  ),
  saved('remove: an array', 'the rows, type', ['labels:tech', 'lists:labels'], async ({ em }) =>
    em.remove(await em.find(Label)),
  ),
  saved('softRemove', ROW_TYPE, [...AAPL, INSTRUMENT_LIST], async ({ em }) => em.softRemove(await aapl(em))),
  saved(
    'recover',
    ROW_TYPE,
    [...AAPL, INSTRUMENT_LIST],
    async ({ em }) => em.recover(await em.findOneOrFail(Instrument, { where: { id: 1 }, withDeleted: true })),
    { before: 'UPDATE instrument SET "deletedAt" = now() WHERE id = 1' },
  ),

  cascaded(
    'cascade: insert of a child',
    'row, type of the child',
    ['positions:b1/TSLA', 'lists:positions'],
    async ({ em }) => {
      const account = await em.findOneOrFail(Account, {
        where: { id: 'b1' },
        relations: { positions: true },
      });
      account.positions.push(em.create(Position, { accountId: 'b1', symbol: 'TSLA', quantity: 1 }));
      return em.save(account);
    },
  ),
  cascaded(
    'cascade: update of a child',
    'row, type of the child',
    ['traders:t1', 'lists:traders'],
    async ({ em }) => {
      const desk = await deskOf(em);
      desk.traders[0]!.name = 'Tina';
      return em.save(desk);
    },
  ),
  cascaded(
    'cascade: remove of children',
    'row, type of each',
    ['desks:d1', 'currencies:EUR', 'lists:desks', 'traders:t1', 'lists:traders', 'badges:g1', 'lists:badges'],
    async ({ em }) => em.remove(await deskOf(em)),
  ),
  cascaded('orphan of a one-to-many: foreign key nulled', 'all rows of the child', TRADERS, async ({ em }) =>
    em.save(Object.assign(await deskOf(em), { traders: [] })),
  ),
  cascaded('orphan of a one-to-many: soft-deleted', 'all rows of the child', BADGES, async ({ em }) =>
    em.save(Object.assign(await deskOf(em), { badges: [] })),
  ),
  cascaded(
    'orphan of a one-to-many: deleted',
    'all rows of the child (here of unnamed namespaces: everything)',
    ENTRIES,
    async ({ em }) => {
      const account = await em.findOneOrFail(Account, {
        where: { id: 'a1' },
        relations: { positions: true },
      });
      return em.save(Object.assign(account, { positions: [] }));
    },
  ),
  cascaded('many-to-many by save', 'all rows of both sides', [...INSTRUMENTS, ...LABELS], async ({ em }) => {
    const row = await em.findOneOrFail(Instrument, { where: { id: 1 }, relations: { labels: true } });
    return em.save(Object.assign(row, { labels: [await em.findOneByOrFail(Label, { id: 1 })] }));
  }),
  cascaded(
    'many-to-many by save: removed',
    'all rows of both sides',
    [...INSTRUMENTS, ...LABELS],
    async ({ em }) => {
      const row = await em.findOneOrFail(Instrument, { where: { id: 1 }, relations: { labels: true } });
      return em.save(Object.assign(row, { labels: [] }));
    },
    { before: 'INSERT INTO instrument_labels_label VALUES (1, 1)' },
  ),
  cascaded('relation().add, many-to-many', 'all rows of both sides', [...INSTRUMENTS, ...LABELS], ({ em }) =>
    em.createQueryBuilder().relation(Instrument, 'labels').of(1).add(2),
  ),
  cascaded(
    'relation().remove, many-to-many',
    'all rows of both sides',
    [...INSTRUMENTS, ...LABELS],
    ({ em }) => em.createQueryBuilder().relation(Instrument, 'labels').of(1).remove(1),
    { before: 'INSERT INTO instrument_labels_label VALUES (1, 1)' },
  ),
  cascaded('relation().set, many-to-one', ALL, TRADERS, ({ em }) =>
    em.createQueryBuilder().relation(Trader, 'desk').of('t2').set('d1'),
  ),
  cascaded('relation().add and remove, one-to-many', 'all rows of the child', TRADERS, ({ em }) =>
    em.createQueryBuilder().relation(Desk, 'traders').of('d2').add('t2'),
  ),
  cascaded(
    'remove: rows that ON DELETE CASCADE takes along',
    'row, type; all rows of the referring entity',
    [...AAPL, INSTRUMENT_LIST, ...ALERTS],
    async ({ em }) => em.remove(await aapl(em)),
  ),
  cascaded(
    'delete: rows that ON DELETE CASCADE takes along',
    'all rows of both',
    [...INSTRUMENTS, ...ALERTS],
    ({ em }) => em.delete(Instrument, 1),
  ),

  mapped(
    'embedded column, which a tag is made of',
    'row (old and new tags), type',
    ['desks:d1', 'currencies:EUR', 'currencies:USD', 'lists:desks'],
    ({ em }) => em.save(Desk, { id: 'd1', limits: { currency: 'USD' } }),
  ),
  mapped('version column', ROW_TYPE, ['desks:d1', 'currencies:EUR', 'lists:desks'], async ({ em }) => {
    const desk = await em.findOneByOrFail(Desk, { id: 'd1' });
    desk.limits.max = 6;
    return em.save(desk);
  }),
  mapped('composite primary key', ROW_TYPE, ['positions:a1/AAPL', 'lists:positions'], ({ em }) =>
    em.save(Position, { accountId: 'a1', symbol: 'AAPL', quantity: 9 }),
  ),
  mapped(
    'inheritance: a row of a child entity',
    'row, type, of the child and its parents',
    ['parties:k1', 'companies:DE1', 'lists:parties', 'lists:companies'],
    ({ em }) => em.save(Company, { id: 'k1', name: 'Kraft Foods' }),
  ),
  mapped(
    'inheritance: another child of the same table',
    'row, type, of that child and its parents',
    ['parties:p1', 'lists:parties'],
    ({ em }) => em.save(Person, { id: 'p1', age: 31 }),
  ),
  mapped(
    'inheritance: update by criteria',
    'all rows of the child and its parents',
    entries('parties:*', 'lists:parties'),
    ({ em }) => em.update(Person, { id: 'p1' }, { age: 32 }),
  ),
  mapped(
    'inheritance: update by criteria of the parent',
    'all rows of it and its children',
    PARTIES,
    ({ em }) => em.createQueryBuilder().update(Party).set({ name: 'x' }).where(`id = 'k1'`).execute(),
  ),
  mapped('tree: insert below a parent', ROW_TYPE, ['lists:regions'], async ({ em }) =>
    em.save(em.create(Region, { name: 'Tyrol', parent: await em.findOneByOrFail(Region, { id: 2 }) })),
  ),
  mapped('tree: moved below another parent', ROW_TYPE, ['regions:2', 'lists:regions'], async ({ em }) => {
    const [europe, alps] = [
      await em.findOneByOrFail(Region, { id: 1 }),
      await em.findOneByOrFail(Region, { id: 2 }),
    ];
    return em.save(Object.assign(alps, { parent: europe }));
  }),

  direct('insert()', ROW_TYPE, ['instruments:MSFT', INSTRUMENT_LIST], ({ em }) =>
    em.insert(Instrument, { symbol: 'MSFT', name: 'Microsoft' }),
  ),
  direct('insert(): several rows', 'the rows, type', ['labels:new', 'lists:labels'], ({ em }) =>
    em.insert(Label, [{ name: 'new' }, { name: 'newer' }]),
  ),
  direct('update() by id', ALL, INSTRUMENTS, ({ em }) => em.update(Instrument, 1, { name: 'x' })),
  direct('update() by criteria', ALL, ACCOUNTS, ({ em }) =>
    em.update(Account, { owner: 'ann' }, { balance: 4 }),
  ),
  direct(
    'update() that matches no row',
    ALL,
    INSTRUMENTS,
    ({ em }) => em.update(Instrument, 99, { volume: 1 }),
    {
      unchanged: true,
    },
  ),
  direct('update() of a primary key', ALL, TRADERS, ({ em }) => em.update(Trader, 't1', { id: 't9' })),
  direct('delete() by id', ALL, LABELS, ({ em }) => em.delete(Label, 1)),
  direct('delete() by criteria', ALL, LABELS, ({ em }) => em.delete(Label, { name: 'tech' })),
  direct('softDelete()', ALL, INSTRUMENTS, ({ em }) => em.softDelete(Instrument, 1)),
  direct('restore()', ALL, INSTRUMENTS, ({ em }) => em.restore(Instrument, 1), {
    before: 'UPDATE instrument SET "deletedAt" = now() WHERE id = 1',
  }),
  direct('upsert(): the row exists', 'all rows, tags of the new values', ACCOUNTS, ({ em }) =>
    em.upsert(Account, { id: 'a1', owner: 'ann', balance: 9 }, ['id']),
  ),
  direct('upsert(): a new row', 'all rows, tags of the new values', ACCOUNTS, ({ em }) =>
    em.upsert(Account, { id: 'c1', owner: 'bob' }, ['id']),
  ),
  direct('increment()', ALL, INSTRUMENTS, ({ em }) => em.increment(Instrument, { id: 1 }, 'volume', 5)),
  direct('decrement()', ALL, ACCOUNTS, ({ em }) => em.decrement(Account, { id: 'a1' }, 'balance', 5)),

  built('insert', ROW_TYPE, ['labels:new', 'lists:labels'], ({ em }) =>
    em.createQueryBuilder().insert().into(Label).values({ name: 'new' }).execute(),
  ),
  built('insert, a key computed by SQL', ALL, LABELS, ({ em }) =>
    em
      .createQueryBuilder()
      .insert()
      .into(Label)
      .values({ name: () => `lower('NEW')` })
      .execute(),
  ),
  built('insert orIgnore', ROW_TYPE, ['accounts:c1', 'statements:bob', 'lists:accounts'], ({ em }) =>
    em.createQueryBuilder().insert().into(Account).values({ id: 'c1', owner: 'bob' }).orIgnore().execute(),
  ),
  built('insert orUpdate', 'all rows, tags of the new values', ACCOUNTS, ({ em }) =>
    em
      .createQueryBuilder()
      .insert()
      .into(Account)
      .values({ id: 'a1', owner: 'ann', balance: 3 })
      .orUpdate(['balance'], ['id'])
      .execute(),
  ),
  built('update', ALL, INSTRUMENTS, ({ em }) =>
    em.createQueryBuilder().update(Instrument).set({ volume: 4 }).where('id = 1').execute(),
  ),
  built('delete', ALL, LABELS, ({ em }) =>
    em.createQueryBuilder().delete().from(Label).where('id = 1').execute(),
  ),
  built('softDelete', ALL, INSTRUMENTS, ({ em }) =>
    em.createQueryBuilder().softDelete().from(Instrument).where('id = 1').execute(),
  ),
  built(
    'restore',
    ALL,
    INSTRUMENTS,
    ({ em }) => em.createQueryBuilder().restore().from(Instrument).where('id = 1').execute(),
    { before: 'UPDATE instrument SET "deletedAt" = now() WHERE id = 1' },
  ),

  transactional(
    'dataSource.transaction',
    'the writes, in one batch',
    [...AAPL, 'traders:t1', 'lists:traders'],
    ({ db }) =>
      db.transaction(async (em) => {
        await volume(em);
        await em.save(Trader, { id: 't1', name: 'x' });
      }),
    {
      rolledBack: ({ db }) =>
        rollBack(db, async (em) => {
          await volume(em);
          await em.save(Trader, { id: 't1', name: 'x' });
        }),
    },
  ),
  transactional(
    'savepoint released',
    'the writes, after the outermost COMMIT',
    AAPL,
    ({ db }) => db.transaction((em) => em.transaction((inner) => volume(inner))),
    { rolledBack: ({ db }) => rollBack(db, (em) => em.transaction((inner) => volume(inner))) },
  ),
  transactional(
    'savepoint rolled back',
    'what was written outside it',
    ['traders:t1', 'lists:traders'],
    ({ db }) =>
      db.transaction(async (em) => {
        await em.save(Trader, { id: 't1', name: 'x' });
        await rollBackInner(em, (inner) => volume(inner));
      }),
    { rolledBack: ({ db }) => db.transaction((em) => rollBackInner(em, (inner) => volume(inner))) },
  ),
  transactional(
    'Promise.all in one transaction',
    'the writes, in one batch',
    [...AAPL, 'traders:t1', 'lists:traders', ...LABELS],
    ({ db }) => db.transaction((em) => together(em)),
    { rolledBack: ({ db }) => rollBack(db, (em) => together(em)) },
  ),
  transactional('a query runner of your own', 'the writes', AAPL, (writer) => byRunner(writer, 'commit'), {
    rolledBack: (writer) => byRunner(writer, 'rollback'),
  }),
  transactional('BEGIN and COMMIT by query()', 'the writes', AAPL, (writer) => bySql(writer, 'COMMIT'), {
    rolledBack: (writer) => bySql(writer, 'ROLLBACK'),
  }),
  transactional(
    'COMMIT AND CHAIN by query()',
    'the writes of each link',
    AAPL,
    (writer) => bySql(writer, 'COMMIT AND CHAIN', 'ROLLBACK'),
    {
      rolledBack: (writer) => bySql(writer, 'ROLLBACK AND CHAIN', 'COMMIT'),
    },
  ),
  transactional('another data source', ROW, AAPL, ({ second }) => volume(second.manager), {
    rolledBack: ({ second }) => rollBack(second, (em) => volume(em)),
  }),
  transactional(
    'an error that was swallowed: COMMIT is answered ROLLBACK',
    NOTHING,
    [],
    ({ db }) => swallowing(db, 'SELECT no_such_column'),
    { sees: 'nobody', unchanged: true, rolledBack: null },
  ),
  transactional(
    'statement_timeout, swallowed',
    NOTHING,
    [],
    ({ db }) => swallowing(db, `SET LOCAL statement_timeout = 5; SELECT pg_sleep(1)`),
    { sees: 'nobody', unchanged: true, rolledBack: null },
  ),
  transactional(
    'an error swallowed at a savepoint',
    'what was written outside it',
    AAPL,
    ({ db }) =>
      db.transaction(async (em) => {
        await volume(em);
        await em.transaction((inner) => inner.query('SELECT no_such_column')).catch(() => {});
      }),
    { rolledBack: null },
  ),
  transactional(
    'a deferred trigger that refuses COMMIT',
    'its fenced keys, which are right',
    ['traders:t1'],
    ({ db }) =>
      db
        .transaction((em) => em.save(Trader, { id: 't1', name: 'refused' }))
        .catch((error: unknown) => {
          if (!String(error).includes('refused')) throw error;
        }),
    { sees: 'nobody', unchanged: true, rolledBack: null },
  ),

  unheard('save({ listeners: false })', ROW, AAPL, async ({ em }) =>
    em.save(Object.assign(await aapl(em), { volume: 1 }), { listeners: false }),
  ),
  unheard('QueryBuilder.callListeners(false)', ROW, AAPL, ({ em }) =>
    em
      .createQueryBuilder()
      .update(Instrument)
      .set({ volume: 4 })
      .where('id = 1')
      .callListeners(false)
      .execute(),
  ),
  unheard('clear(): TRUNCATE', ALL, REGIONS, ({ em }) => em.getRepository(Region).clear({ cascade: true })),
  unheard(
    'query(): raw SQL in a transaction',
    ROW,
    AAPL,
    ({ db }) => db.transaction((em) => em.query('UPDATE instrument SET volume = 1 WHERE id = 1')),
    {
      rolledBack: ({ db }) => rollBack(db, (em) => em.query('UPDATE instrument SET volume = 1 WHERE id = 1')),
    },
  ),
  unheard(
    'query(): raw SQL beside entities in a transaction',
    'row of each',
    [...AAPL, 'labels:tech', 'lists:labels'],
    ({ db }) => db.transaction((em) => mixed(em)),
    { rolledBack: ({ db }) => rollBack(db, (em) => mixed(em)) },
  ),
  unheard('query(): raw SQL', ROW, AAPL, ({ em }) =>
    em.query('UPDATE instrument SET volume = $1 WHERE id = 1', [3]),
  ),
  unheard('query(): INSERT ... SELECT', ROW_TYPE, ['labels:new', 'lists:labels'], ({ em }) =>
    em.query(`INSERT INTO label (name) SELECT 'new'`),
  ),
  unheard('query(): WITH ... UPDATE', ROW, AAPL, ({ em }) =>
    em.query('WITH w AS (UPDATE instrument SET volume = 1 WHERE id = 1 RETURNING *) SELECT * FROM w'),
  ),
  unheard('query(): a function that writes', ROW, AAPL, ({ em }) => em.query('SELECT touch_instrument(1)'), {
    late: true,
  }),
  unheard('query(): MERGE', ROW_TYPE, ['accounts:c1', 'statements:bob', 'lists:accounts'], ({ em }) =>
    em.query(
      `MERGE INTO account a USING (VALUES ('c1', 'bob')) v (id, owner) ON a.id = v.id WHEN NOT MATCHED THEN INSERT (id, owner) VALUES (v.id, v.owner)`,
    ),
  ),
  unheard(
    'a trigger of the database',
    'row of the other table',
    ['labels:tech', 'lists:labels'],
    ({ em }) => em.save(em.create(Note, { text: 'tech!' })),
    { late: true },
  ),
  unheard(
    'a deferred trigger of the database',
    'row of the other table',
    ['labels:new', 'lists:labels'],
    ({ em }) => em.save(em.create(Note, { text: 'deferred' })),
    { late: true },
  ),

  foreign(
    'SQL by another program',
    ROW,
    AAPL,
    ({ stranger }) => stranger.query('UPDATE instrument SET volume = 2 WHERE id = 1'),
    { rolledBack: ({ stranger }) => undone(stranger, 'UPDATE instrument SET volume = 2 WHERE id = 1') },
  ),
  foreign(
    'a prepared statement of another program',
    ROW,
    AAPL,
    ({ stranger }) =>
      stranger.query({ name: 'w', text: 'UPDATE instrument SET volume = $1 WHERE id = 1', values: [6] }),
    { rolledBack: null },
  ),
  foreign(
    'SQL: update of a primary key',
    'rows of both keys, type',
    ['traders:t1', 'lists:traders'],
    ({ stranger }) => stranger.query(`UPDATE trader SET id = 't9' WHERE id = 't1'`),
    { rolledBack: ({ stranger }) => undone(stranger, `UPDATE trader SET id = 't9' WHERE id = 't1'`) },
  ),
  foreign(
    'SQL: a row of a child entity',
    'row, type, of the child and its parents',
    ['parties:k1', 'companies:DE1', 'lists:parties', 'lists:companies'],
    ({ stranger }) => stranger.query(`UPDATE party SET name = 'x' WHERE id = 'k1'`),
    { rolledBack: ({ stranger }) => undone(stranger, `UPDATE party SET name = 'x' WHERE id = 'k1'`) },
  ),
  foreign(
    'ON DELETE CASCADE, by another program',
    'row, type of both tables',
    [...AAPL, INSTRUMENT_LIST, 'alerts:1', 'lists:alerts'],
    ({ stranger }) => stranger.query('DELETE FROM instrument WHERE id = 1'),
    { rolledBack: ({ stranger }) => undone(stranger, 'DELETE FROM instrument WHERE id = 1') },
  ),
  foreign(
    'COPY FROM STDIN',
    'the rows, type',
    ['labels:new', 'lists:labels'],
    ({ stranger }) => copyIn(stranger, 'COPY label (name) FROM STDIN', 'new\nnewer\n'),
    {
      rolledBack: async ({ stranger }) => {
        await stranger.query('BEGIN');
        await copyIn(stranger, 'COPY label (name) FROM STDIN', 'new\nnewer\n');
        await stranger.query('ROLLBACK');
      },
    },
  ),
  foreign('TRUNCATE', ALL, BADGES, ({ stranger }) => stranger.query('TRUNCATE badge'), {
    rolledBack: ({ stranger }) => undone(stranger, 'TRUNCATE badge'),
  }),
  foreign(
    'more rows in one statement than `maxRows`',
    ALL,
    LABELS,
    ({ stranger }) => stranger.query(`INSERT INTO label (name) SELECT 'new' FROM generate_series(1, 1001)`),
    {
      rolledBack: ({ stranger }) =>
        undone(stranger, `INSERT INTO label (name) SELECT 'new' FROM generate_series(1, 1001)`),
    },
  ),
  foreign('psql', ROW, AAPL, ({ url }) => psql(url, 'UPDATE instrument SET volume = 9 WHERE id = 1'), {
    needs: hasPsql,
    rolledBack: ({ url }) => psql(url, 'BEGIN; UPDATE instrument SET volume = 9 WHERE id = 1; ROLLBACK'),
  }),
];

async function rollBackInner(
  em: EntityManager,
  work: (inner: EntityManager) => Promise<unknown>,
): Promise<void> {
  const inner = em.transaction(async (nested) => {
    await work(nested);
    throw new RolledBack();
  });
  await inner.catch((error: unknown) => {
    if (!(error instanceof RolledBack)) throw error;
  });
}

function together(em: EntityManager): Promise<unknown> {
  return Promise.all([
    em.save(Instrument, { id: 1, volume: 7 }),
    em.save(Trader, { id: 't1', name: 'x' }),
    em.update(Label, 1, { name: 'technology' }),
  ]);
}

async function mixed(em: EntityManager): Promise<void> {
  await em.save(Label, { id: 1, name: 'technology' });
  await em.query('UPDATE instrument SET volume = 1 WHERE id = 1');
}

async function byRunner({ db }: Writer, end: 'commit' | 'rollback'): Promise<void> {
  const runner = db.createQueryRunner();
  try {
    await runner.startTransaction();
    await volume(runner.manager);
    await (end === 'commit' ? runner.commitTransaction() : runner.rollbackTransaction());
  } finally {
    await runner.release();
  }
}

/** Writes, ends by the first statement, writes something else, ends by the others. */
async function bySql({ db }: Writer, end: string, ...chained: string[]): Promise<void> {
  const runner = db.createQueryRunner();
  try {
    await runner.query('BEGIN');
    // Not save(): it begins and commits by itself, as it knows nothing of this transaction.
    await runner.manager.save(Instrument, { id: 1, volume: 7 }, { transaction: false });
    await runner.query(end);
    for (const statement of chained) {
      if (statement === 'ROLLBACK') await runner.manager.update(Label, 1, { name: 'never' });
      await runner.query(statement);
    }
  } finally {
    await runner.release();
  }
}

function swallowing(db: DataSource, failing: string): Promise<void> {
  return db.transaction(async (em) => {
    await volume(em);
    await em.query(failing).then(
      () => Promise.reject(new Error('should have failed')),
      () => {},
    );
  });
}

async function undone(stranger: Client, sql: string): Promise<void> {
  await stranger.query('BEGIN');
  await stranger.query(sql);
  await stranger.query('ROLLBACK');
}
