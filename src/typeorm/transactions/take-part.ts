import {
  type DataSource,
  EntityManager,
  type EntityTarget,
  type ObjectLiteral,
  type QueryRunner,
} from 'typeorm';
import { InvalidOptionsError } from '#tiered-cache';
import { transactionOf } from './ambient-context.js';

type Run = (...args: unknown[]) => Promise<unknown>;
export type RunTransaction = (dataSource: DataSource, ...args: unknown[]) => Promise<unknown>;
type GetRepository = (this: EntityManager, target: EntityTarget<ObjectLiteral>) => unknown;

/** TypeORM's own, whatever is in its place; always called on a manager. */
// oxlint-disable-next-line typescript/unbound-method
const typeormTransaction = EntityManager.prototype.transaction as Run;

/** Data sources whose own transactions contexts belong to, and how many asked for it. */
const wrapped = new WeakMap<DataSource, number>();

let installed = false;
let making = 0;

/**
 * Makes managers and repositories that have no connection of their own, injected ones above all, take that of the
 * transaction around them. TypeORM asks `manager.queryRunner` wherever it decides on a connection (and `repository.
 * queryRunner`, which is that of the manager when the repository was made); a manager without one has no such property
 * at all, so an accessor on the prototype answers for all of them, also those of custom repositories, whenever they
 * were made. Outside of any transaction it answers undefined, as before.
 * @throws InvalidOptionsError where TypeORM is not as expected
 */
export function takePart(dataSource: DataSource): void {
  if (!(dataSource?.manager instanceof EntityManager))
    throw new InvalidOptionsError(
      'dataSource',
      dataSource,
      'a DataSource of the typeorm that this package has',
    );
  if (Object.hasOwn(dataSource.manager, 'queryRunner'))
    throw new InvalidOptionsError(
      'dataSource',
      dataSource,
      'a data source whose manager has no connection of its own',
    );
  if (installed) return;
  installed = true;
  const prototype = EntityManager.prototype as unknown as Record<string, unknown>;
  Object.defineProperty(prototype, 'queryRunner', {
    configurable: true,
    get(this: EntityManager): QueryRunner | undefined {
      return making > 0 ? undefined : transactionOf(this.dataSource)?.queryRunner;
    },
    // The constructor of a manager that has one.
    set(this: EntityManager, value: unknown) {
      Object.defineProperty(this, 'queryRunner', {
        value,
        configurable: true,
        enumerable: true,
        writable: true,
      });
    },
  });
  // A manager keeps the repositories it makes, and they would keep the transaction's connection for ever.
  for (const name of ['getRepository', 'getTreeRepository']) {
    const make = prototype[name] as GetRepository;
    prototype[name] = function (this: EntityManager, target: EntityTarget<ObjectLiteral>): unknown {
      making += 1;
      try {
        return make.call(this, target);
      } finally {
        making -= 1;
      }
    };
  }
}

/** Calls TypeORM's own `manager.transaction`. */
export function originalTransaction<T>(manager: EntityManager, ...args: unknown[]): Promise<T> {
  return typeormTransaction.apply(manager, args) as Promise<T>;
}

/**
 * From now on `dataSource.transaction` and `manager.transaction` are `run`, where they would open a transaction of
 * their own. Answers what undoes it; the last one to be undone counts.
 */
export function wrapTransactions(dataSource: DataSource, run: RunTransaction): () => void {
  takePart(dataSource);
  const prototype = EntityManager.prototype as unknown as Record<string, unknown>;
  if (prototype['transaction'] === typeormTransaction)
    prototype['transaction'] = function (this: EntityManager, ...args: unknown[]): Promise<unknown> {
      const own = Object.hasOwn(this, 'queryRunner') || !wrapped.has(this.dataSource);
      return own ? originalTransaction(this, ...args) : run(this.dataSource, ...args);
    };
  wrapped.set(dataSource, (wrapped.get(dataSource) ?? 0) + 1);
  let undone = false;
  return () => {
    const left = wrapped.get(dataSource)! - (undone ? 0 : 1);
    undone = true;
    if (left === 0) wrapped.delete(dataSource);
    else wrapped.set(dataSource, left);
  };
}
