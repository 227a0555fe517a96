import { type DataSource } from 'typeorm';
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
      await dataSource.transaction((manager) => seed(manager));
      seededHere.add(dataSource);
    }
    await runner.query('SELECT pg_advisory_unlock($1)', [ADVISORY_LOCK]);
  } finally {
    await runner.release();
  }
}

/** Whether this process has just filled this database: then whatever a shared cache still holds is another's. */
export function wasSeededHere(dataSource: DataSource): boolean {
  return seededHere.has(dataSource);
}
