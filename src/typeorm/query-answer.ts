import type { AfterQueryEvent, DataSource } from 'typeorm';

/** 'refused': the server said no; 'lost': nobody knows whether the statement was carried out. */
export type QueryAnswer = 'done' | 'refused' | 'lost';

export function answerOf({ success, error }: AfterQueryEvent): QueryAnswer {
  if (success) return 'done';
  return refused(error) ? 'refused' : 'lost';
}

/** What the server made of a statement ('ROLLBACK' of a COMMIT), where the driver tells. */
export function commandTag(event: AfterQueryEvent): unknown {
  return (event.rawResults as { command?: unknown } | undefined)?.command;
}

const POSTGRES = new Set(['postgres', 'cockroachdb', 'aurora-postgres']);

/** Errors say how severe they are, and one in a transaction dooms it. Others go on after an error. */
export function isPostgres(dataSource: DataSource): boolean {
  return POSTGRES.has(dataSource.options.type);
}

/** A server that is alive said no. Takes TypeORM's QueryFailedError or the driver's own. */
export function refused(error: unknown): boolean {
  const driverError = (error as { driverError?: unknown } | undefined)?.driverError ?? error;
  const severity = (driverError as { severity?: unknown } | undefined)?.severity;
  return typeof severity === 'string' && severity !== 'FATAL' && severity !== 'PANIC';
}
