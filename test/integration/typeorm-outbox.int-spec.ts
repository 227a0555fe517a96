import { execFile } from 'node:child_process';
import { Client } from 'pg';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { systemClock, type TieredCache } from '#tiered-cache';
import { CachedEntity } from '../../src/typeorm/cached-entity.decorator.js';
import { MarkRegistry } from '../../src/typeorm/mark-registry.js';
import { installOutbox } from '../../src/typeorm/outbox/install.js';
import { Outbox } from '../../src/typeorm/outbox/outbox.js';
import { outboxNames } from '../../src/typeorm/outbox/outbox-names.js';
import { type OutboxOptions, resolveOutboxOptions } from '../../src/typeorm/outbox/outbox.options.js';
import { RelayStore } from '../../src/typeorm/outbox/relay-store.js';
import type { Sql } from '../../src/typeorm/outbox/sql-runner.js';
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

/** Ten minutes are over in 0.6 s. */
const HURRIED = { ...systemClock, monotonic: () => systemClock.monotonic() * 1_000 };

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

  async function node(
    cache: OutboxCache,
    options: OutboxOptions = {},
    on = dataSource,
    clock = systemClock,
  ): Promise<Outbox> {
    const marks = new MarkRegistry('default', () => {});
    marks.add(on);
    const outbox = await Outbox.open(
      on,
      cache as unknown as TieredCache,
      marks,
      resolveOutboxOptions({ relayInterval: 50, writerLead: 200, ...options }),
      clock,
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

  it('COPY and psql are heard', async () => {
    const psql = await hasPsql();
    if (!psql) return;
    const cache = new OutboxCache();
    await node(cache, { relayInterval: '30s' });
    await run('psql', ['-q', '-d', database.url, '-c', 'COPY label (name) FROM STDIN'], 'one\ntwo\n');
    await drained();
    expect(told(cache)).toEqual([
      '#entity:Label',
      '#entity:Label:3',
      '#entity:Label:4',
      'labels:one',
      'labels:two',
    ]);
    await run('psql', [
      '-q',
      '-d',
      database.url,
      '-c',
      `UPDATE instrument SET volume = 9 WHERE symbol = 'TSLA'`,
    ]);
    await drained();
    expect(told(cache)).toEqual(TSLA);
  });

  it('reads values as TypeORM does, whatever the names', async () => {
    const cache = new OutboxCache();
    await node(cache);
    await stranger.query(`SET datestyle = 'German'; SET timezone = 'Asia/Tokyo'`);
    await stranger.query(
      `INSERT INTO "Odd Schema"."Odd Table" ("SELECT", "From When", tags, price, body) VALUES (9007199254740993, '2026-01-02T03:04:05.678Z', '{a,"b c"}', 1.50, NULL)`,
    );
    await stranger.query('RESET ALL');
    await drained();
    const row = await dataSource.getRepository(Odd).findOneByOrFail({ big: '9007199254740993' });
    const keys = [row.big, row.when.toISOString(), row.tags.join('+'), row.price].map((id) => `odd:${id}`);
    expect(told(cache)).toEqual(['#entity:Odd', '#entity:Odd:9007199254740993', ...keys].sort());
    expect(keys).toContain('odd:2026-01-02T03:04:05.678Z');
  });

  it('a row too large to record is known by its primary key only, and then counts as unknown', async () => {
    const cache = new OutboxCache();
    await node(cache);
    await stranger.query(
      `INSERT INTO "Odd Schema"."Odd Table" VALUES (1, now(), '{}', 1, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) i))`,
    );
    expect((await stranger.query('SELECT new FROM strata_outbox')).rows[0].new).toEqual([{ SELECT: 1 }]);
    await drained();
    expect(told(cache)).toEqual(['#entity:Odd', '#entity:Odd:*', 'odd:*']);
  });

  it('a bulk statement counts as one of unknown rows', async () => {
    const cache = new OutboxCache();
    await node(cache);
    await stranger.query(`INSERT INTO label (name) SELECT 'n' || i FROM generate_series(1, 1001) i`);
    expect(await count('strata_outbox')).toBe(1);
    await drained();
    expect(told(cache)).toEqual(['#entity:Label', '#entity:Label:*', 'labels:*']);
  });

  it('a rolled back transaction leaves nothing', async () => {
    const cache = new OutboxCache();
    await node(cache);
    await stranger.query('BEGIN');
    await stranger.query(`UPDATE instrument SET volume = 5`);
    await stranger.query('ROLLBACK');
    await stranger.query('BEGIN');
    await stranger.query(`UPDATE instrument SET volume = 5 WHERE id = 2`);
    await stranger.query('SAVEPOINT s');
    await stranger.query(`UPDATE instrument SET volume = 5 WHERE id = 1`);
    await stranger.query('ROLLBACK TO s');
    await stranger.query('COMMIT');
    await drained();
    expect(told(cache)).toEqual(TSLA);
  });

  it('a long transaction that commits late is not missed', async () => {
    const cache = new OutboxCache();
    const outbox = await node(cache);
    const late = new Client({ connectionString: database.url });
    await late.connect();
    try {
      await late.query('BEGIN');
      await late.query(`UPDATE instrument SET volume = 5 WHERE id = 1`);
      for (let n = 0; n < 5; n += 1) {
        await stranger.query(`UPDATE instrument SET volume = ${n} WHERE id = 2`);
        await drained();
      }
      const rounds = outbox.state().relayed;
      expect(rounds).toBe(5);
      expect(told(cache)).toEqual(TSLA);
      await late.query('COMMIT');
    } finally {
      await late.end();
    }
    await drained();
    expect(told(cache)).toEqual(AAPL);
  });

  it('two nodes of one fleet share the rows; nodes of their own each take all', async () => {
    const caches = [new OutboxCache(), new OutboxCache(), new OutboxCache('other')];
    const nodes = await Promise.all(caches.map((cache) => node(cache, { relayInterval: 10 })));
    const clients = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const client = new Client({ connectionString: database.url });
        await client.connect();
        return client;
      }),
    );
    await Promise.all(
      clients.map(async (client, c) => {
        for (let n = 0; n < 50; n += 1)
          await client.query(
            `INSERT INTO note (text) VALUES ('x'); INSERT INTO label (name) VALUES ('l${c}-${n}')`,
          );
        await client.end();
      }),
    );
    const all = Array.from({ length: 200 }, (_, i) => `labels:l${Math.floor(i / 50)}-${i % 50}`).sort();
    const keysOf = (...some: OutboxCache[]) =>
      [...new Set(some.flatMap((cache) => cache.calls.flatMap(words)))]
        .filter((w) => w.startsWith('labels:'))
        .sort();
    await until(() => keysOf(caches[0]!, caches[1]!).length === 200 && keysOf(caches[2]!).length === 200);
    expect(keysOf(caches[0]!, caches[1]!)).toEqual(all);
    expect(keysOf(caches[2]!)).toEqual(all);
    const [a, b] = nodes.map((one) => one.state().relayed);
    // Now and then one is applied by both: harmless.
    expect(a! + b!).toBeLessThan(300);
    await until(() => nodes.every((one) => one.state().backlog === 0));
  });

  it('rows are applied again on another data set, and wait while none is known', async () => {
    const cache = new OutboxCache();
    await node(cache);
    await stranger.query(`UPDATE instrument SET volume = 5 WHERE id = 1`);
    await drained();
    expect(told(cache)).toEqual(AAPL);
    cache.epoch = null;
    await stranger.query(`UPDATE instrument SET volume = 5 WHERE id = 2`);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(told(cache)).toEqual([]);
    cache.epoch = 'e2';
    await drained();
    expect(told(cache)).toEqual([...AAPL, ...TSLA].sort());
  });

  it('what is not acknowledged is tried again, and said', async () => {
    const cache = new OutboxCache();
    cache.answer = async () => ({ acknowledged: false, position: null });
    const outbox = await node(cache);
    await stranger.query(`UPDATE instrument SET volume = 5 WHERE id = 1`);
    await until(() => outbox.state().failed > 1);
    expect(outbox.state().problem).toMatch(/did not acknowledge/);
    expect(await count('strata_outbox_applied')).toBe(0);
    cache.answer = async () => ({ acknowledged: true, position: 'e1@7-0' });
    await drained();
    await until(() => outbox.state().problem === null && outbox.state().backlog === 0);
  });

  it('an acknowledgement by another data set marks nothing', async () => {
    const cache = new OutboxCache();
    cache.answer = async () => ({ acknowledged: true, position: 'e0@7-0' });
    const outbox = await node(cache);
    await stranger.query(`UPDATE instrument SET volume = 5 WHERE id = 1`);
    await until(() => outbox.state().failed > 0);
    expect(await count('strata_outbox_applied')).toBe(0);
  });

  it('goes on after its connection was killed', async () => {
    const cache = new OutboxCache();
    const outbox = await node(cache);
    await until(() => outbox.state().backlog === 0);
    await dataSource.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nestjs-strata outbox' AND datname = current_database()`,
    );
    await stranger.query(`UPDATE instrument SET volume = 5 WHERE id = 1`);
    await drained();
    expect(told(cache)).toEqual(AAPL);
  });

  it('old rows go once everybody who reads has applied them, the others stay', async () => {
    await stranger.query(`UPDATE instrument SET volume = 5 WHERE id = 1`);
    await stranger.query(`UPDATE strata_outbox SET at = now() - interval '1 hour'`);
    // Alive, and behind.
    await stranger.query(`INSERT INTO strata_outbox_consumers VALUES ('slow@e1', now())`);
    const first = await node(new OutboxCache(), {}, dataSource, HURRIED);
    await drained();
    await until(() => first.state().backlog === 0);
    // A row of nobody's concern says when it has been cleaned up.
    await stranger.query(`INSERT INTO strata_outbox_applied VALUES ('1', 1, 'nobody')`);
    await until(async () => (await count('strata_outbox_applied')) === 1);
    expect(await count('strata_outbox')).toBe(1);
    await stranger.query(
      `UPDATE strata_outbox_consumers SET seen = now() - interval '1 hour' WHERE consumer = 'slow@e1'`,
    );
    await first.stop();
    await node(new OutboxCache(), {}, dataSource, HURRIED);
    await until(
      async () => (await count('strata_outbox')) === 0 && (await count('strata_outbox_applied')) === 0,
    );
  });

  it('a row that looks old but was committed just now is not cleaned up before others can have seen it', async () => {
    const sql: Sql = async (statement, parameters) =>
      (await stranger.query(statement, parameters as unknown[])).rows;
    const store = new RelayStore(outboxNames({ schema: 'public', name: 'strata_outbox' }), 0);
    const late = dataSource.createQueryRunner();
    await late.startTransaction();
    await late.query(`UPDATE instrument SET volume = 5 WHERE id = 1`);
    await late.query(`UPDATE strata_outbox SET at = now() - interval '1 hour'`);
    const before = await store.snapshot(sql);
    await late.commitTransaction();
    await late.release();
    await store.clean(sql, 60_000, before);
    expect(await count('strata_outbox')).toBe(1);
    await store.clean(sql, 60_000, await store.snapshot(sql));
    expect(await count('strata_outbox')).toBe(0);
  });

  it('a new data set is cleared where many rows are kept, and told only what comes then', async () => {
    await stranger.query(
      `INSERT INTO strata_outbox (source, op) SELECT 'public.note', 'T' FROM generate_series(1, 10000)`,
    );
    const cache = new OutboxCache();
    const outbox = await node(cache);
    await until(() => outbox.state().backlog === 0);
    expect(told(cache)).toEqual(['*']);
    expect(await count('strata_outbox_applied')).toBe(0);
    await stranger.query(`UPDATE instrument SET volume = 5 WHERE id = 1`);
    await until(() => cache.calls.length > 0);
    expect(told(cache)).toEqual(AAPL);
    // The other nodes of the fleet know of it.
    const second = new OutboxCache();
    const other = await node(second);
    await until(() => other.state().backlog === 0);
    expect(second.calls).toEqual([]);
    // For whoever else reads they stay, but not for this fleet.
    await stranger.query(`UPDATE strata_outbox SET at = now() - interval '1 hour'`);
    await node(second, {}, dataSource, HURRIED);
    await until(async () => (await count('strata_outbox')) === 0, 10_000);
  });

  it('clears the cache when nobody has read for longer than rows are kept', async () => {
    await stranger.query(
      `INSERT INTO strata_outbox_consumers VALUES ('default/strata@e1', now() - interval '11 minutes')`,
    );
    const cache = new OutboxCache();
    await node(cache);
    await until(() => cache.calls.length > 0);
    expect(told(cache)).toEqual(['*']);
  });

  it('writers need no rights on it, and cannot slip it objects of their own', async () => {
    const { rows } = await stranger.query(
      `SELECT p.prosecdef, has_function_privilege('pg_monitor', p.oid, 'EXECUTE') AS callable FROM pg_proc p WHERE proname LIKE 'strata_outbox_of_%'`,
    );
    expect(rows.length).toBeGreaterThan(5);
    for (const row of rows) expect(row).toEqual({ prosecdef: true, callable: false });
    // Whoever searches his own schema before pg_catalog must not have his functions and operators run by the owner.
    await stranger.query(`CREATE SCHEMA evil`);
    for (const [name, args, answer] of [
      ['current_setting', 'text, boolean', 'text'],
      ['pg_try_advisory_xact_lock', 'bigint', 'boolean'],
      ['pg_notify', 'text, text', 'void'],
    ])
      await stranger.query(
        `CREATE FUNCTION evil.${name}(${args}) RETURNS ${answer} LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''evil''; END'`,
      );
    for (const [name, left, right] of [
      ['=', 'text', 'text'],
      ['<=', 'bigint', 'int'],
      ['<=', 'int', 'int'],
      ['>', 'bigint', 'int'],
      ['->', 'json', 'text'],
    ]) {
      await stranger.query(
        `CREATE OR REPLACE FUNCTION evil.op(${left}, ${right}) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''evil''; END'`,
      );
      await stranger.query(
        `CREATE OPERATOR evil.${name} (LEFTARG = ${left}, RIGHTARG = ${right}, FUNCTION = evil.op)`,
      );
    }
    await stranger.query('SET search_path = evil, public, pg_catalog');
    try {
      await expect(stranger.query(`SELECT 1 WHERE 'a'::text = 'b'::text`)).rejects.toThrow('evil');
      await stranger.query(`INSERT INTO public.label (name) VALUES ('z')`);
      await stranger.query(`UPDATE public.label SET name = 'y'`);
      await stranger.query(`DELETE FROM public.label`);
    } finally {
      await stranger.query('RESET search_path');
    }
    expect(await count('strata_outbox')).toBe(3);
  });

  it('rows that another relay is at do not hold up the others', async () => {
    await stranger.query(`UPDATE instrument SET volume = 5 WHERE id = 1`);
    const slow = new Client({ connectionString: database.url });
    await slow.connect();
    try {
      await slow.query('BEGIN');
      await slow.query('SELECT FROM strata_outbox FOR UPDATE');
      const cache = new OutboxCache();
      await node(cache);
      await stranger.query(`UPDATE instrument SET volume = 5 WHERE id = 2`);
      await until(() => cache.calls.flatMap(words).includes('instruments:TSLA'));
      expect(cache.calls.flatMap(words)).not.toContain('instruments:AAPL');
      await slow.query('COMMIT');
      await until(() => cache.calls.flatMap(words).includes('instruments:AAPL'));
    } finally {
      await slow.end();
    }
  });

  it('columns may be called what the triggers use themselves', async () => {
    await stranger.query(
      'ALTER TABLE label ADD COLUMN r int, ADD COLUMN x int, ADD COLUMN j int, ADD COLUMN "old" int, ADD COLUMN "new" int, ADD COLUMN strata_old int, ADD COLUMN strata_new int, ADD COLUMN op int, ADD COLUMN found int',
    );
    try {
      await stranger.query(`UPDATE label SET strata_old = 1, "new" = 2 WHERE id = 1`);
      await stranger.query(`UPDATE label SET r = 3, x = 4, j = 5`);
      const { rows } = await stranger.query('SELECT old, new FROM strata_outbox ORDER BY id');
      expect(rows[0]).toMatchObject({ old: [{ id: 1, new: null }], new: [{ id: 1, new: 2, strata_old: 1 }] });
      expect(rows[1].new).toMatchObject([
        { r: 3, x: 4, j: 5 },
        { r: 3, x: 4, j: 5 },
      ]);
    } finally {
      await stranger.query(
        'ALTER TABLE label DROP COLUMN r, DROP COLUMN x, DROP COLUMN j, DROP COLUMN "old", DROP COLUMN "new", DROP COLUMN strata_old, DROP COLUMN strata_new, DROP COLUMN op, DROP COLUMN found',
      );
    }
  });

  it('writes still work after a column was dropped', async () => {
    await stranger.query('ALTER TABLE label ADD COLUMN extra text');
    await stranger.query(`UPDATE label SET extra = 'x' WHERE id = 1`);
    await stranger.query('ALTER TABLE label DROP COLUMN extra');
    await stranger.query(`UPDATE label SET name = 'y' WHERE id = 1`);
    expect(await count('strata_outbox')).toBe(2);
  });
});

async function hasPsql(): Promise<boolean> {
  return run('psql', ['--version']).then(
    () => true,
    () => false,
  );
}

function run(command: string, args: string[], input = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, (error, _out, err) =>
      error ? reject(new Error(`${error.message} ${err}`)) : resolve(),
    );
    child.on('error', reject);
    child.stdin?.on('error', () => {}).end(input);
  });
}
