import { Client } from 'pg';
import {
  ChildEntity,
  Column,
  DataSource,
  Entity,
  PrimaryColumn,
  type QueryRunner,
  TableInheritance,
} from 'typeorm';
import { systemClock, type TieredCache } from '#tiered-cache';
import {
  CachedEntity,
  checkOutbox,
  installOutbox,
  outboxMigration,
  type OutboxTriggerOptions,
  runOutboxCli,
  uninstallOutbox,
} from '../../src/typeorm/index.js';
import { MarkRegistry } from '../../src/typeorm/mark-registry.js';
import { Outbox } from '../../src/typeorm/outbox/outbox.js';
import { resolveOutboxOptions } from '../../src/typeorm/outbox/outbox.options.js';
import { describeWithPostgres, freshDatabase } from '../support/services.js';
import { RecordingCache, words } from './typeorm.fixture.js';

@Entity()
@CachedEntity<Tick>({ keys: { ticks: (row) => `${row.day}/${row.symbol}` } })
class Tick {
  @PrimaryColumn({ type: 'int' }) day!: number;
  @PrimaryColumn() symbol!: string;
  @Column({ default: 0 }) price!: number;
}

@Entity()
@TableInheritance({ column: { name: 'kind', type: 'varchar' } })
@CachedEntity<Party>({ keys: { parties: (row) => row.id } })
class Party {
  @PrimaryColumn() id!: string;
  @Column() name!: string;
}

@ChildEntity('bank')
@CachedEntity<Bank>({ keys: { banks: (row) => row.bic } })
class Bank extends Party {
  @Column({ nullable: true }) bic!: string;
}

const DDL = `
CREATE TABLE tick (day int, symbol varchar, price int NOT NULL DEFAULT 0, PRIMARY KEY (day, symbol)) PARTITION BY RANGE (day);
CREATE TABLE tick_1 PARTITION OF tick FOR VALUES FROM (0) TO (10);
CREATE TABLE tick_2 PARTITION OF tick FOR VALUES FROM (10) TO (20);
CREATE TABLE party (id varchar PRIMARY KEY, name varchar NOT NULL, bic varchar, kind varchar NOT NULL);
CREATE TABLE party_old (note text) INHERITS (party)`;

class OutboxCache extends RecordingCache {
  override readonly namespaces = ['ticks', 'parties', 'banks'];
  readonly name = 'default';
  readonly prefix = 'strata';
  readonly epoch = 'e1';
  health() {
    return { remote: { configured: true, state: 'ready' } };
  }
}

describeWithPostgres('installing the outbox', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let dataSource: DataSource;
  let sql: Client;

  const connect = (entities: Function[] = [Tick, Party, Bank]) =>
    new DataSource({ type: 'postgres', url: database.url, entities }).initialize();

  beforeEach(async () => {
    database = await freshDatabase();
    sql = new Client({ connectionString: database.url });
    await sql.connect();
    await sql.query(DDL);
    dataSource = await connect();
  });
  afterEach(async () => {
    await sql?.end();
    await dataSource?.destroy();
    await database?.drop();
  });

  const problems = async (options?: OutboxTriggerOptions, on: DataSource | QueryRunner = dataSource) =>
    (await checkOutbox(on, options)).map(
      ({ entities, table, problem }) => `${entities.join('+')} ${table}: ${problem}`,
    );

  it('changes nothing the second time, and nodes that start together do not disturb each other', async () => {
    const others = await Promise.all([connect(), connect(), connect()]);
    try {
      const results = await Promise.all(others.map((one) => installOutbox(one)));
      expect(results.map((result) => result.installed.length).toSorted((a, b) => a - b)).toEqual([0, 0, 2]);
      const before = (
        await sql.query(
          `SELECT oid, xmin::text FROM pg_trigger UNION SELECT oid, xmin::text FROM pg_proc ORDER BY 1`,
        )
      ).rows;
      expect(await installOutbox(dataSource)).toEqual({
        installed: [],
        unchanged: ['tick', 'party'],
        missing: [],
      });
      const after = (
        await sql.query(
          `SELECT oid, xmin::text FROM pg_trigger UNION SELECT oid, xmin::text FROM pg_proc ORDER BY 1`,
        )
      ).rows;
      expect(after).toEqual(before);
      expect(await problems()).toEqual([]);
    } finally {
      await Promise.all(others.map((one) => one.destroy()));
    }
  });

  it('says what is missing before it is installed', async () => {
    expect(await problems()).toEqual([
      ' null: the tables of "public"."strata_outbox" do not exist: install the outbox',
      expect.stringMatching(/^Tick tick: no working trigger strata_outbox_i, .*strata_outbox_t: install/),
      expect.stringMatching(/^Tick public\.tick_1: writes that name this partition/),
      expect.stringMatching(/^Tick public\.tick_2: /),
      expect.stringMatching(/^Party\+Bank party: no working trigger/),
      expect.stringMatching(/^Party\+Bank public\.party_old: /),
    ]);
  });

  it('notices a new partition, a disabled or dropped trigger, a lost column, other options, a renamed table', async () => {
    await installOutbox(dataSource);
    await sql.query('CREATE TABLE tick_3 PARTITION OF tick FOR VALUES FROM (20) TO (30)');
    await sql.query('ALTER TABLE party DISABLE TRIGGER strata_outbox_u');
    await sql.query('DROP TRIGGER strata_outbox_d ON tick_1');
    await sql.query('ALTER TABLE party DROP COLUMN bic');
    expect(await problems()).toEqual([
      expect.stringMatching(/^Tick public\.tick_1: .*no working trigger strata_outbox_d: install/),
      expect.stringMatching(/^Tick public\.tick_3: .*no working trigger strata_outbox_i, /),
      'Party+Bank party: no working trigger strata_outbox_u: install the outbox',
      expect.stringMatching(/^Party\+Bank party: the table has no column bic/),
    ]);
    // Disabled on purpose or not: installing brings it back.
    expect((await installOutbox(dataSource)).installed).toEqual(['tick', 'party']);
    expect(await problems()).toEqual([expect.stringMatching(/no column bic/)]);
    expect(await problems({ columns: { Tick: ['price'] } })).toContainEqual(
      expect.stringMatching(/^Tick tick: its triggers were made for other options/),
    );
    await sql.query('ALTER TABLE party RENAME TO parties');
    expect(await problems()).toEqual(['Party+Bank party: the table does not exist']);
    expect((await installOutbox(dataSource)).missing).toEqual(['party']);
  });

  it('hears writes to partitions and children, by whatever name', async () => {
    await installOutbox(dataSource);
    const cache = new OutboxCache();
    const marks = new MarkRegistry('default', () => {});
    marks.add(dataSource);
    const outbox = await Outbox.open(
      dataSource,
      cache as unknown as TieredCache,
      marks,
      resolveOutboxOptions({ relayInterval: 20 }),
      systemClock,
      { warn: () => {}, error: () => {} },
    );
    const heard = async (statement: string) => {
      await sql.query(statement);
      const end = performance.now() + 5_000;
      const open = `SELECT FROM strata_outbox o WHERE NOT EXISTS (SELECT FROM strata_outbox_applied a WHERE a.xid = o.xid AND a.id = o.id)`;
      while ((await sql.query(open)).rowCount !== 0) {
        if (performance.now() > end) throw new Error('not relayed');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return [...new Set(cache.calls.splice(0).flatMap(words))]
        .filter((word) => !word.startsWith('#'))
        .sort();
    };
    try {
      expect(await heard(`INSERT INTO tick VALUES (1, 'A'), (11, 'B')`)).toEqual(['ticks:1/A', 'ticks:11/B']);
      expect(await heard(`UPDATE tick_1 SET price = 2`)).toEqual(['ticks:1/A']);
      expect(await heard(`UPDATE tick SET price = 3`)).toEqual(['ticks:1/A', 'ticks:11/B']);
      // To another partition.
      expect(await heard(`UPDATE tick SET day = 12 WHERE day = 1`)).toEqual(['ticks:1/A', 'ticks:12/A']);
      expect(await heard(`TRUNCATE tick_2`)).toEqual(['ticks:*']);
      expect(await heard(`INSERT INTO party VALUES ('p', 'P', NULL, 'Party')`)).toEqual(['parties:p']);
      expect(await heard(`INSERT INTO party VALUES ('b', 'B', 'BIC1', 'bank')`)).toEqual([
        'banks:BIC1',
        'parties:b',
      ]);
      expect(await heard(`INSERT INTO party_old VALUES ('o', 'O', 'BIC2', 'bank', 'n')`)).toEqual([
        'banks:BIC2',
        'parties:o',
      ]);
      expect(await heard(`UPDATE party SET name = 'x' WHERE id <> 'p'`)).toEqual([
        'banks:BIC1',
        'banks:BIC2',
        'parties:b',
        'parties:o',
      ]);
      expect(await heard(`UPDATE party SET kind = 'Party' WHERE id = 'b'`)).toEqual([
        'banks:BIC1',
        'parties:b',
      ]);
      expect(await heard(`INSERT INTO party VALUES ('u', 'U', NULL, 'unheard of')`)).toEqual([
        'banks:*',
        'parties:*',
      ]);
    } finally {
      await outbox.stop();
    }
  });

  it('records only the columns that are named, and the primary key', async () => {
    await installOutbox(dataSource, { columns: { Party: ['id'], Bank: ['bic'] }, maxRows: 2 });
    await sql.query(`INSERT INTO party VALUES ('b', 'B', 'BIC1', 'bank')`);
    await sql.query(`INSERT INTO tick VALUES (1, 'A'), (2, 'A'), (3, 'A')`);
    const { rows } = await sql.query('SELECT new FROM strata_outbox ORDER BY id');
    expect(rows).toEqual([{ new: [{ id: 'b', bic: 'BIC1', kind: 'bank' }] }, { new: null }]);
    await expect(installOutbox(dataSource, { columns: { Tick: ['no'] } })).rejects.toThrow(
      /outbox.columns.Tick/,
    );
  });

  it('by a migration, up and down', async () => {
    class CacheOutbox1764000000000 extends outboxMigration() {}
    const migrated = await new DataSource({
      type: 'postgres',
      url: database.url,
      entities: [Tick, Party, Bank],
      migrations: [CacheOutbox1764000000000],
    }).initialize();
    try {
      expect((await migrated.runMigrations()).map((one) => one.name)).toEqual(['CacheOutbox1764000000000']);
      expect(await problems()).toEqual([]);
      await migrated.undoLastMigration();
      const left = `SELECT tgname AS name FROM pg_trigger WHERE NOT tgisinternal UNION SELECT proname FROM pg_proc WHERE proname LIKE 'strata%' UNION SELECT relname FROM pg_class WHERE relname LIKE 'strata%'`;
      expect((await sql.query(left)).rows).toEqual([]);
      await sql.query(`INSERT INTO tick VALUES (1, 'A')`);
    } finally {
      await migrated.destroy();
    }
  });

  it('leaves nothing when it fails, and nothing of a transaction that is rolled back', async () => {
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    await installOutbox(runner);
    expect(await problems(undefined, runner)).toEqual([]);
    await runner.rollbackTransaction();
    await runner.release();
    expect((await sql.query(`SELECT FROM pg_class WHERE relname LIKE 'strata%'`)).rowCount).toBe(0);
  });

  it('by a command line of the application', async () => {
    const lines: string[] = [];
    const cli = (...argv: string[]) => runOutboxCli(dataSource, argv, {}, (line) => lines.push(line));
    expect(await cli('check')).toBe(1);
    expect(lines.splice(0)).toContainEqual(
      expect.stringMatching(
        /^writes to Tick \(table tick\) by others than TypeORM cannot be seen: no working trigger/,
      ),
    );
    expect(await cli('install')).toBe(0);
    expect(await cli('check')).toBe(0);
    expect(await cli('uninstall')).toBe(0);
    expect(lines).toEqual([
      'installed: tick',
      'installed: party',
      'all writes to marked entities are seen',
      'removed',
    ]);
    expect(await cli('instal')).toBe(2);
  });

  it('brings triggers up to other options, and takes no trigger of its name for its own', async () => {
    await installOutbox(dataSource);
    expect((await installOutbox(dataSource, { maxRows: 2 })).installed).toEqual(['tick', 'party']);
    expect(await problems({ maxRows: 2 })).toEqual([]);
    await sql.query(`CREATE FUNCTION idle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`);
    await sql.query(
      'CREATE OR REPLACE TRIGGER strata_outbox_u AFTER UPDATE ON party FOR EACH STATEMENT EXECUTE FUNCTION idle()',
    );
    expect(await problems({ maxRows: 2 })).toEqual([
      'Party+Bank party: no working trigger strata_outbox_u: install the outbox',
    ]);
  });

  it('needs no right on the database where the schema is there', async () => {
    const { rows } = await sql.query('SELECT current_database() AS name, current_user AS owner');
    // Rights that an owner has taken from himself are refused like anybody's.
    await sql.query(`REVOKE CREATE ON DATABASE "${rows[0].name}" FROM "${rows[0].owner}"`);
    expect((await installOutbox(dataSource)).installed).toEqual(['tick', 'party']);
    await expect(installOutbox(dataSource, { schema: 'elsewhere' })).rejects.toThrow(/permission denied/);
  });

  it('says when the application may write to its tables, but not relay', async () => {
    await installOutbox(dataSource);
    await sql.query('REVOKE DELETE ON strata_outbox_applied FROM CURRENT_USER');
    expect(await problems()).toEqual([
      expect.stringMatching(
        /^ null: the role "\w+" may not relay: GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."strata_outbox_applied" TO "\w+"$/,
      ),
    ]);
  });

  it('names and schemas of all kinds', async () => {
    await sql.query('CREATE SCHEMA "Odd ""Schema"""');
    const options = { schema: 'Odd "Schema"', table: 'Select' };
    await installOutbox(dataSource, options);
    expect(await problems(options)).toEqual([]);
    await sql.query(`INSERT INTO tick VALUES (1, 'A')`);
    expect((await sql.query(`SELECT source, op FROM "Odd ""Schema"""."Select"`)).rows).toEqual([
      { source: 'tick', op: 'I' },
    ]);
    await uninstallOutbox(dataSource, options);
    await sql.query(`INSERT INTO tick VALUES (2, 'A')`);
    await expect(installOutbox(dataSource, { table: 'a"; DROP TABLE tick' })).rejects.toThrow(/outbox.table/);
  });
});
