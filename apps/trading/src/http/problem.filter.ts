import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { PROBLEM_TYPE, toProblem } from './problem.js';

/** Every error leaves as application/problem+json; what nobody foresaw is logged with its stack. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const { httpAdapter } = this.adapterHost;
    const http = host.switchToHttp();
    const request: unknown = http.getRequest();
    const response: unknown = http.getResponse();
    const path = httpAdapter.getRequestUrl(request).split('?', 1)[0] ?? '';
    const problem = toProblem(error, path);
    if (problem.status >= 500)
      this.report(error, `${httpAdapter.getRequestMethod(request)} ${path}`, problem.status);
    if (httpAdapter.isHeadersSent(response)) {
      httpAdapter.end(response);
      return;
    }
    if (problem.status === 503) httpAdapter.setHeader(response, 'Retry-After', '1');
    httpAdapter.setHeader(response, 'Content-Type', PROBLEM_TYPE);
    httpAdapter.reply(response, problem, problem.status);
  }

  private report(error: unknown, where: string, status: number): void {
    const message = error instanceof Error ? error.message : String(error);
    // A 503 is the expected face of a database that is away: one line. Anything else is ours to find.
    if (status === 503) this.logger.warn(`${where}: ${message}`);
    else this.logger.error(`${where}: ${message}`, error instanceof Error ? error.stack : undefined);
  }
}
