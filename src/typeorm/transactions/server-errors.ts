import type { DataSource } from 'typeorm';

const POSTGRES = new Set(['postgres', 'aurora-postgres', 'cockroachdb']);

/** Does a failed statement doom the whole transaction? PostgreSQL then answers ROLLBACK to COMMIT. */
export function abortsOnError(dataSource: DataSource): boolean {
  return POSTGRES.has(dataSource.options.type);
}

/** A server that is alive said no: nothing was committed. Takes TypeORM's QueryFailedError or the driver's own. */
export function refusedByServer(error: unknown): boolean {
  const driverError = (error as { driverError?: unknown } | undefined)?.driverError ?? error;
  const severity = (driverError as { severity?: unknown } | undefined)?.severity;
  return typeof severity === 'string' && severity !== 'FATAL' && severity !== 'PANIC';
}
