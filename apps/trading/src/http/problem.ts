import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import { databaseErrorStatus } from '../database/database-errors.js';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** RFC 9457. `errors` is our one extension: what was wrong with which field. */
export interface Problem {
  type: 'about:blank';
  title: string;
  status: number;
  detail?: string;
  instance: string;
  errors?: FieldError[];
}

export interface FieldError {
  field: string;
  messages: string[];
}

const DATABASE_DETAIL = {
  503: 'The database is not available, and the cache does not hold the answer.',
  409: 'Somebody else changed the same data.',
  422: 'The value is out of range.',
} as const;

/** Describes any thrown value as a problem; errors that are not meant for clients give no detail away. */
export function toProblem(error: unknown, instance: string): Problem {
  const { status, detail, errors } = describe(error);
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    ...(detail !== undefined && { detail }),
    instance,
    ...(errors && { errors }),
  };
}

function describe(error: unknown): { status: number; detail?: string; errors?: FieldError[] } {
  if (error instanceof HttpException) {
    const body = error.getResponse();
    const errors = typeof body === 'object' ? (body as { errors?: FieldError[] }).errors : undefined;
    return { status: error.getStatus(), detail: messageOf(body) ?? error.message, ...(errors && { errors }) };
  }
  const database = databaseErrorStatus(error);
  if (database) return { status: database, detail: DATABASE_DETAIL[database] };
  if (codeOf(error) === 'STRATA_LOADER_TIMEOUT')
    return { status: 503, detail: 'The source did not answer in time.' };
  return fromHttpErrors(error) ?? { status: 500 };
}

/** What Express, its body parser and Fastify throw (malformed JSON, too large, a bad percent escape). */
function fromHttpErrors(error: unknown): { status: number; detail: string } | null {
  if (typeof error !== 'object' || error === null) return null;
  const { statusCode, status = statusCode, message } = error as Record<string, unknown>;
  return typeof status === 'number' && status >= 400 && status < 500
    ? { status, detail: String(message) }
    : null;
}

function messageOf(body: string | object): string | undefined {
  const message = typeof body === 'string' ? body : (body as { message?: unknown }).message;
  if (Array.isArray(message)) return message.join('; ');
  return typeof message === 'string' ? message : undefined;
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined;
}
