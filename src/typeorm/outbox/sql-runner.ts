import type { DataSource, QueryRunner } from 'typeorm';
import { InvalidOptionsError } from '#tiered-cache';

/** Runs a statement and answers its rows. */
export type Sql = <Row>(statement: string, parameters?: readonly unknown[]) => Promise<Row[]>;

/** Which server answers, since when, as SQL: after a failover or a restart it is another one. */
export const SERVER = `concat_ws('/', inet_server_addr(), inet_server_port(), pg_postmaster_start_time(), current_database())`;

export type OutboxHost = DataSource | QueryRunner;

export function dataSourceOf(host: OutboxHost): DataSource {
  return isRunner(host) ? host.dataSource : host;
}

/** @throws InvalidOptionsError unless the data source is a PostgreSQL of TypeORM. */
export function assertPostgres(dataSource: DataSource): void {
  const { type } = dataSource.options;
  if (type !== 'postgres' && type !== 'aurora-postgres')
    throw new InvalidOptionsError(
      'outbox',
      type,
      "a data source of type 'postgres': only PostgreSQL has this outbox",
    );
}

/** In the transaction that is open, or else in one of its own: everything, or nothing. */
export async function inTransaction<T>(host: OutboxHost, body: (sql: Sql) => Promise<T>): Promise<T> {
  assertPostgres(dataSourceOf(host));
  const runner = isRunner(host) ? host : host.createQueryRunner('master');
  const sql: Sql = async (statement, parameters) => runner.query(statement, parameters as unknown[]);
  const begun = !runner.isTransactionActive;
  try {
    if (begun) await runner.startTransaction();
    const result = await body(sql);
    if (begun) await runner.commitTransaction();
    return result;
  } catch (error) {
    // The error that matters is the first one; a broken connection cannot roll back.
    if (begun && runner.isTransactionActive) await runner.rollbackTransaction().catch(() => {});
    throw error;
  } finally {
    if (runner !== host) await runner.release();
  }
}

export async function reading<T>(host: OutboxHost, body: (sql: Sql) => Promise<T>): Promise<T> {
  assertPostgres(dataSourceOf(host));
  const runner = isRunner(host) ? host : host.createQueryRunner('master');
  try {
    return await body(async (statement, parameters) => runner.query(statement, parameters as unknown[]));
  } finally {
    if (runner !== host) await runner.release();
  }
}

function isRunner(host: OutboxHost): host is QueryRunner {
  return 'isTransactionActive' in host;
}
