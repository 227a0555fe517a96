/**
 * What the outbox costs a writer (docs/outbox.md): pgbench, an UPDATE of one row by its primary key, prepared, in three
 * tables that differ in their triggers alone. The rounds take turns, so that what else the machine does hits all of them;
 * PostgreSQL's own CPU per transaction is measured beside the throughput, as it does not depend on how long a disk takes.
 *
 *   npm run build && node test/bench/outbox-cost.mjs [--rounds 7] [--seconds 3] [--clients 1,4] [--fsync on,off]
 *
 * Needs pgbench (Debian: postgresql-15, elsewhere postgresql-contrib), and Linux for the CPU. Starts a PostgreSQL of its own.
 */
import { execFile } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import pg from 'pg';
import { DataSource, EntitySchema } from 'typeorm';
import { startPostgres } from '../../apps/services/index.mjs';
import { CachedEntity, installOutbox } from '../../dist/src/typeorm/index.js';

const ROWS = 10_000;
const run = promisify(execFile);

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '3' },
    clients: { type: 'string', default: '1,4' },
    fsync: { type: 'string', default: 'on,off' },
  },
});
const rounds = Number(values.rounds);

/** One table each; `setting` is what its writers have. */
const CASES = [
  { name: 'without', table: 'plain', triggers: false },
  { name: 'by a node', table: 'node', triggers: true, setting: '-c strata.node=bench' },
  { name: 'by a stranger', table: 'stranger', triggers: true },
];

for (const fsync of values.fsync.split(',')) await withServer(fsync);

async function withServer(fsync) {
  const safe = ['fsync', 'full_page_writes'].flatMap((name) => ['-c', `${name}=${fsync}`]);
  // Neither is to fall into some rounds and not into others.
  const still = ['-c', 'autovacuum=off', '-c', 'checkpoint_timeout=1h', '-c', 'max_wal_size=16GB'];
  const server = await startPostgres({ args: [...safe, ...still] });
  const folder = mkdtempSync(join(tmpdir(), 'outbox-cost-'));
  const listener = new pg.Client({ connectionString: server.url });
  try {
    // As a relay would be: somebody to be woken.
    await listener.connect();
    await listener.query('LISTEN strata_outbox');
    await prepare(server.url);
    for (const clients of values.clients.split(',').map(Number))
      report(fsync, clients, await compare(server, folder, listener, clients));
  } finally {
    await listener.end();
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

async function prepare(url) {
  const entities = CASES.map(({ table }) => {
    const target = { [table]: class {} }[table];
    CachedEntity({ keys: { [table]: (row) => row.symbol } })(target);
    const text = { type: 'text' };
    return new EntitySchema({
      name: table,
      target,
      tableName: table,
      columns: {
        id: { type: 'int', primary: true },
        symbol: { ...text, unique: true },
        name: text,
        isin: { ...text, nullable: true },
        currency: text,
        price: { type: 'numeric', precision: 18, scale: 6 },
        volume: { type: 'bigint' },
        active: { type: 'boolean' },
        updatedAt: { type: 'timestamptz', default: () => 'now()' },
      },
    });
  });
  const dataSource = await new DataSource({
    type: 'postgres',
    url,
    entities,
    synchronize: true,
  }).initialize();
  try {
    await installOutbox(dataSource);
    for (const { table, triggers } of CASES) {
      // Else updates would find no room in their page, and move to another one, at some time or other.
      await dataSource.query(`ALTER TABLE ${table} SET (fillfactor = 50)`);
      await dataSource.query(
        `INSERT INTO ${table} SELECT i, 'SYM' || i, 'Instrument number ' || i, 'US' || lpad(i::text, 10, '0'), 'USD', 100 + i, i, true FROM generate_series(1, ${ROWS}) i`,
      );
      if (!triggers) await dataSource.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
    }
  } finally {
    await dataSource.destroy();
  }
}

async function compare(server, folder, listener, clients) {
  const found = CASES.map(() => []);
  for (let round = -1; round < rounds; round += 1)
    for (const [i, one] of CASES.entries()) {
      await listener.query('TRUNCATE strata_outbox');
      await listener.query(`VACUUM ${one.table}`);
      const measured = await pgbench(server, folder, clients, one);
      // The first one warms the caches.
      if (round >= 0) found[i].push(measured);
    }
  return found;
}

async function pgbench(server, folder, clients, { table, setting }) {
  const script = join(folder, `${table}.sql`);
  writeFileSync(
    script,
    `\\set id random(1, ${ROWS})\nUPDATE ${table} SET price = price + 1 WHERE id = :id;\n`,
  );
  const load = ['-n', '-M', 'prepared', '-c', `${clients}`, '-j', '1', '-T', values.seconds];
  const before = reapedSeconds(server.pid);
  const env = { ...process.env, ...(setting ? { PGOPTIONS: setting } : {}) };
  const { stdout } = await run(program('pgbench'), [...load, '-f', script, server.url], { env });
  // The postmaster is told of the end of its backends a moment later.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const cpu = reapedSeconds(server.pid) - before;
  const count = Number(/actually processed: (\d+)/.exec(stdout)?.[1]);
  return { tps: Number(/tps = ([\d.]+)/.exec(stdout)?.[1]), us: (cpu / count) * 1e6 };
}

/** CPU of the children that are over, backends that is: fields 16 and 17 of proc(5), in ticks of 10 ms. */
function reapedSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

function program(name) {
  const debian = '/usr/lib/postgresql';
  const versions = (() => {
    try {
      return readdirSync(debian).map((version) => join(debian, version, 'bin'));
    } catch {
      return []; // not Debian
    }
  })();
  for (const folder of [...(process.env.PATH ?? '').split(':'), ...versions])
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Not in this one.
    }
  throw new Error(`no ${name} on PATH: on Debian it is in the package postgresql-15`);
}

function report(fsync, clients, found) {
  const [base] = found;
  const columns = CASES.map(({ name }, i) => {
    const lost = found[i].map(({ tps }, round) => 100 * (1 - tps / base[round].tps)).sort((a, b) => a - b);
    return {
      fsync,
      clients,
      writes: name,
      'cpu us/tx (median)': Number(median(found[i].map(({ us }) => us)).toFixed(0)),
      'cpu us/tx (least)': Number(Math.min(...found[i].map(({ us }) => us)).toFixed(0)),
      'tx/s (median)': Math.round(median(found[i].map(({ tps }) => tps))),
      'lost % (median)': Number(median(lost).toFixed(1)),
      'lost % (from..to)': `${lost[0].toFixed(1)}..${lost.at(-1).toFixed(1)}`,
    };
  });
  console.table(columns);
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}
