import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { systemClock, type TieredCache } from '#tiered-cache';
import { CachedEntity } from '../../src/typeorm/cached-entity.decorator.js';
import { MarkRegistry } from '../../src/typeorm/mark-registry.js';
import { checkOutbox } from '../../src/typeorm/outbox/check.js';
import { installOutbox, uninstallOutbox } from '../../src/typeorm/outbox/install.js';
import { Outbox } from '../../src/typeorm/outbox/outbox.js';
import { type OutboxOptions, resolveOutboxOptions } from '../../src/typeorm/outbox/outbox.options.js';
import { describeWithPostgres, freshDatabase } from '../support/services.js';
import { ENTITIES, RecordingCache, seed, words } from './typeorm.fixture.js';

/** All the types that could reach a key in another shape than TypeORM loads them in. */
@Entity({ name: 'Odd Table', schema: 'Odd Schema' })
@CachedEntity<Odd>({
  keys: { odd: (row) => [row.big, row.when.toISOString(), row.tags.join('+'), row.price] },
})
class Odd {
  @PrimaryColumn({ type: 'bigint', name: 'SELECT' }) big!: string;
  @Column({ type: 'timestamptz', name: 'From When' }) when!: Date;
  @Column({ type: 'text', array: true }) tags!: string[];
  @Column({ type: 'numeric' }) price!: string;
  @Column({ type: 'text', nullable: true }) body!: string | null;
}

const INSTRUMENTS = ['#entity:Instrument', '#entity:Instrument:*', 'instruments:*', 'isins:*'];
const AAPL = ['#entity:Instrument:1', 'instruments:AAPL', 'isins:US037'];
const TSLA = ['#entity:Instrument:2', 'instruments:TSLA'];

class OutboxCache extends RecordingCache {
  readonly name = 'default';
  epoch: string | null = 'e1';
  constructor(readonly prefix = 'strata') {
    super();
  }
  health() {
    return { remote: { configured: true, state: 'ready' } };
  }
}

const quiet = { warn: () => {}, error: () => {} };

describeWithPostgres('the outbox', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let dataSource: DataSource;
  let stranger: Client;
  const open: Outbox[] = [];

  beforeAll(async () => {
    database = await freshDatabase();
    stranger = new Client({ connectionString: database.url });
    await stranger.connect();
    await stranger.query('CREATE SCHEMA "Odd Schema"');
    dataSource = await new DataSource({
      type: 'postgres',
      url: database.url,
      entities: [...ENTITIES, Odd],
      synchronize: true,
    }).initialize();
    await seed(dataSource);
    await installOutbox(dataSource);
  });
  afterAll(async () => {
    await stranger?.end();
    await dataSource?.destroy();
    await database?.drop();
  });
  beforeEach(async () => {
    await seed(dataSource);
    await stranger.query('DELETE FROM "Odd Schema"."Odd Table"');
    await stranger.query('TRUNCATE strata_outbox, strata_outbox_applied, strata_outbox_consumers');
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((outbox) => outbox.stop()));
  });

  async function node(cache: OutboxCache, options: OutboxOptions = {}, on = dataSource): Promise<Outbox> {
    const marks = new MarkRegistry('default', () => {});
    marks.add(on);
    const outbox = await Outbox.open(
      on,
      cache as unknown as TieredCache,
      marks,
      resolveOutboxOptions({ relayInterval: 50, writerLead: 200, ...options }),
      systemClock,
      quiet,
    );
    open.push(outbox);
    return outbox;
  }

  async function until(what: () => unknown, ms = 5_000): Promise<void> {
    const end = performance.now() + ms;
    while (!(await what())) {
      if (performance.now() > end) throw new Error('not within the time');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async function count(sql: string): Promise<number> {
    return Number((await stranger.query(`SELECT count(*) AS n FROM ${sql}`)).rows[0].n);
  }

  /** Everything in the outbox is applied. */
  const drained = () =>
    until(
      async () =>
        (await count(
          `strata_outbox o WHERE NOT EXISTS (SELECT FROM strata_outbox_applied a WHERE a.xid = o.xid AND a.id = o.id)`,
        )) === 0,
    );

  const told = (cache: OutboxCache) => [...new Set(cache.calls.splice(0).flatMap(words))].sort();

  const writes: [string, string, string[]][] = [
    ['UPDATE of one row', `UPDATE instrument SET volume = 5 WHERE id = 1`, AAPL],
    [
      'UPDATE that lists show',
      `UPDATE instrument SET name = 'x' WHERE id = 1`,
      ['#entity:Instrument', ...AAPL],
    ],
    [
      'UPDATE of a key',
      `UPDATE instrument SET symbol = 'APPL' WHERE id = 1`,
      ['#entity:Instrument', ...AAPL, 'instruments:APPL'],
    ],
    [
      'UPDATE of a primary key',
      `UPDATE label SET id = 9 WHERE id = 1`,
      ['#entity:Label', '#entity:Label:1', '#entity:Label:9', 'labels:tech'],
    ],
    ['UPDATE of several rows', `UPDATE instrument SET volume = 6`, [...AAPL, ...TSLA]],
    ['UPDATE to what it was', `UPDATE instrument SET volume = volume`, []],
    ['UPDATE of no row', `UPDATE instrument SET volume = 6 WHERE id = 77`, []],
    ['INSERT', `INSERT INTO label (name) VALUES ('new')`, ['#entity:Label', '#entity:Label:3', 'labels:new']],
    [
      'INSERT ... SELECT',
      `INSERT INTO label (name) SELECT 'n' || i FROM generate_series(1, 2) i`,
      ['#entity:Label', '#entity:Label:3', '#entity:Label:4', 'labels:n1', 'labels:n2'],
    ],
    [
      'upsert of an existing row',
      `INSERT INTO account (id, owner) VALUES ('a1', 'x') ON CONFLICT (id) DO UPDATE SET owner = 'eve'`,
      ['#entity:Account', '#entity:Account:a1', '#owner:ann', '#owner:eve', 'accounts:a1'],
    ],
    [
      'DELETE with a cascade',
      `DELETE FROM instrument WHERE id = 1`,
      ['#entity:Instrument', ...AAPL, '#entity:Alert', '#entity:Alert:1', 'alerts:1'],
    ],
    ['TRUNCATE', `TRUNCATE label CASCADE`, ['#entity:Label', '#entity:Label:*', 'labels:*', ...INSTRUMENTS]],
    [
      'a junction row',
      `INSERT INTO instrument_labels_label VALUES (1, 1)`,
      [...INSTRUMENTS, '#entity:Label', '#entity:Label:*', 'labels:*'],
    ],
    [
      'MERGE',
      `MERGE INTO account a USING (VALUES ('a1', 'zed'), ('q1', 'quinn')) v (id, owner) ON a.id = v.id WHEN MATCHED THEN UPDATE SET owner = v.owner WHEN NOT MATCHED THEN INSERT (id, owner) VALUES (v.id, v.owner)`,
      [
        '#entity:Account',
        '#entity:Account:a1',
        '#entity:Account:q1',
        '#owner:ann',
        '#owner:quinn',
        '#owner:zed',
        'accounts:a1',
        'accounts:q1',
      ],
    ],
    ['a table without a mark', `UPDATE note SET text = 'x'`, []],
  ];

  it.each(writes)('%s by a stranger', async (_name, sql, expected) => {
    await stranger.query(`INSERT INTO alert (id, "instrumentId") VALUES (1, 1) ON CONFLICT DO NOTHING`);
    await stranger.query('TRUNCATE strata_outbox');
    const cache = new OutboxCache();
    await node(cache, { relayInterval: '30s' });
    await stranger.query(sql);
    await drained();
    expect(told(cache)).toEqual(expected.toSorted());
  });
});
