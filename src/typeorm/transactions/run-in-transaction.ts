import type { DataSource, EntityManager } from 'typeorm';
import { systemClock } from '#tiered-cache';
import { currentTransaction, enterTransaction, leaveTransaction, transactionOf } from './ambient-context.js';
import { originalTransaction, type RunTransaction, takePart, wrapTransactions } from './take-part.js';
import { Transaction } from './transaction.js';

type Isolation = Parameters<EntityManager['transaction']>[0];
type Work<T> = (manager: EntityManager) => Promise<T>;

/** The longest a committed transaction waits for the invalidations that waited for it, milliseconds. */
const DEFAULT_MAX_DELAY_MS = 50;
const maxDelays = new WeakMap<DataSource, number>();

/** As `maxDelayMs` of CacheTypeOrmModule, for the transactions of this data source. */
export function setMaxDelay(dataSource: DataSource, maxDelayMs: number): void {
  maxDelays.set(dataSource, maxDelayMs);
}

/**
 * As `dataSource.transaction`, and what `work` awaits knows of it:
 *
 * - repositories and managers of this data source, injected ones too, use its connection;
 * - after its first write (or from the start, with an isolation level that promises one snapshot) cached reads go to
 *   the database and see what it has written; before, what the cache does not hold is loaded on its connection. Either
 *   way nothing is stored, and nobody else gets it;
 * - invalidations and `set` wait for COMMIT, and are forgotten with ROLLBACK.
 *
 * Inside another transaction of the same data source it is a savepoint of that one.
 * @throws what `work` throws, unchanged, and what TypeORM throws
 */
export function runInTransaction<T>(dataSource: DataSource, work: Work<T>): Promise<T>;
export function runInTransaction<T>(dataSource: DataSource, isolation: Isolation, work: Work<T>): Promise<T>;
export async function runInTransaction<T>(
  dataSource: DataSource,
  isolationOrWork: Isolation | Work<T>,
  maybeWork?: Work<T>,
): Promise<T> {
  const work = typeof isolationOrWork === 'function' ? isolationOrWork : maybeWork;
  const isolation = typeof isolationOrWork === 'string' ? (isolationOrWork as string) : undefined;
  takePart(dataSource);
  const around = transactionOf(dataSource);
  // What it says of missing functions and wrong levels is TypeORM's business.
  if (around !== undefined || typeof work !== 'function')
    return originalTransaction(around?.queryRunner.manager ?? dataSource.manager, isolationOrWork, maybeWork);
  let transaction: Transaction | undefined;
  const inside = async (manager: EntityManager): Promise<T> => {
    const { queryRunner } = manager;
    const own = new Transaction(
      dataSource,
      queryRunner!,
      currentTransaction(),
      isSnapshot(dataSource, isolation),
    );
    transaction = own;
    try {
      return await enterTransaction(own, async () => work(manager));
    } finally {
      own.open = false;
    }
  };
  try {
    return await (isolation === undefined
      ? originalTransaction<T>(dataSource.manager, inside)
      : originalTransaction<T>(dataSource.manager, isolation, inside));
  } finally {
    if (transaction !== undefined) {
      const settling = transaction.settle(maxDelays.get(dataSource) ?? DEFAULT_MAX_DELAY_MS, systemClock);
      leaveTransaction();
      await settling;
    }
  }
}

/** Has `dataSource.transaction` and `manager.transaction` done by `runInTransaction`. Answers what undoes it. */
export function followTransactions(dataSource: DataSource): () => void {
  // The arguments are those of `manager.transaction`, which are its own but for the data source.
  return wrapTransactions(dataSource, runInTransaction as RunTransaction);
}

/** Its reads are to agree with each other; those of a cache come from other moments. */
function isSnapshot(dataSource: DataSource, isolation: string | undefined): boolean {
  const level = isolation ?? (dataSource.options as { isolationLevel?: string }).isolationLevel;
  return level !== undefined && level !== 'READ COMMITTED' && level !== 'READ UNCOMMITTED';
}
