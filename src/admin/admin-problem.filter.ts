import { Catch, HttpException, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { STATUS_CODES } from 'node:http';
import { StrataError } from '#tiered-cache';

/** RFC 9457. */
interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code?: string;
  errors?: string[];
}

/** Every error of the admin endpoints as application/problem+json, whatever filters the host has. */
@Catch()
export class AdminProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Strata');

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const response: unknown = host.switchToHttp().getResponse();
    const { httpAdapter } = this.adapterHost;
    const problem = this.#problemOf(error);
    httpAdapter.setHeader(response, 'Content-Type', 'application/problem+json');
    httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
    if (problem.status === 401) {
      httpAdapter.setHeader(response, 'WWW-Authenticate', 'Bearer realm="strata-admin"');
    }
    httpAdapter.reply(response, problem, problem.status);
  }

  #problemOf(error: unknown): Problem {
    if (error instanceof HttpException) {
      const body = error.getResponse();
      const message: unknown = typeof body === 'string' ? body : (body as { message?: unknown }).message;
      const errors = Array.isArray(message) ? message.map(String) : undefined;
      const detail = errors ? errors.join('; ') : typeof message === 'string' ? message : error.message;
      return { ...problem(error.getStatus(), detail), ...(errors && { errors }) };
    }
    // Errors of use (unknown namespace, empty id, unknown strategy) come from what was sent.
    if (error instanceof StrataError) return { ...problem(400, error.message), code: error.code };
    this.logger.error(`admin: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return problem(500, 'The request failed; the log says why.');
  }
}

function problem(status: number, detail: string): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail };
}
