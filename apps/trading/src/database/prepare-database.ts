import { type DataSource, type EntityManager } from 'typeorm';
import { seed } from '../seed/seed.js';

/** Any number, as long as every node of this app uses the same ("strat" on a phone). */
const ADVISORY_LOCK = 78_728;

const seededHere = new WeakSet<DataSource>();

/** Creates the schema and, when there are no instruments, seeds. Nodes that do so at once take turns. */
export async function prepareDatabase(dataSource: DataSource): Promise<void> {
  const runner = dataSource.createQueryRunner();
  try {
    await runner.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
    await dataSource.runMigrations();
    const [row] = await dataSource.query<{ empty: boolean }[]>(
      'SELECT NOT EXISTS (SELECT FROM instruments) AS empty',
    );
    if (row?.empty) {
      await dataSource.transaction((manager) => silently(manager, () => seed(manager)));
      seededHere.add(dataSource);
    }
    await runner.query('SELECT pg_advisory_unlock($1)', [ADVISORY_LOCK]);
  } finally {
    await runner.release();
  }
}

/**
 * Without the outbox's triggers, for this transaction: the cache is cleared after seeding (CacheBoot), and rows to
 * relay besides would only end what has been warmed by then.
 */
async function silently(manager: EntityManager, work: () => Promise<void>): Promise<void> {
  const tables = ['instruments', 'accounts'];
  for (const table of tables) await manager.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
  await work();
  for (const table of tables) await manager.query(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
}

/** Whether this process has just filled this database: then whatever a shared cache still holds is another's. */
export function wasSeededHere(dataSource: DataSource): boolean {
  return seededHere.has(dataSource);
}
