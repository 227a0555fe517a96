import { QueryFailedError } from 'typeorm';

/** SQLSTATE classes and codes (PostgreSQL documentation, appendix A). */
const UNAVAILABLE = /^(08...|53...|57P0[1-5]|57014|42P01)$/;
const CONFLICT = /^(23505|40001|40P01)$/;
const UNPROCESSABLE = /^(22003|23514)$/;

/** What pg and its pool say in words only. */
const LOST_CONNECTION =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|connection error and is not queryable/;
const SOCKET = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'ENOENT',
]);

/**
 * The HTTP status that fits a database's error, or null when it is none or a fault of ours.
 * 503: away, starting, full, cancelled, or not yet seeded by the first node (42P01, no such table);
 * 409: a unique value is taken, or the transaction lost a race; 422: out of range or against a check.
 */
export function databaseErrorStatus(error: unknown): 503 | 409 | 422 | null {
  const cause: unknown = error instanceof QueryFailedError ? error.driverError : error;
  if (typeof cause !== 'object' || cause === null) return null;
  const { code, message } = cause as { code?: unknown; message?: unknown };
  const known = typeof code === 'string' ? code : '';
  if (UNAVAILABLE.test(known) || SOCKET.has(known) || LOST_CONNECTION.test(String(message))) return 503;
  if (CONFLICT.test(known)) return 409;
  return UNPROCESSABLE.test(known) ? 422 : null;
}
