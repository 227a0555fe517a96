import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import { type Request, type Response } from 'express';
import { toProblem } from './problem.js';

/** Every error leaves as application/problem+json; what nobody foresaw is logged with its stack. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<Request>();
    const response = http.getResponse<Response>();
    const problem = toProblem(error, request.originalUrl.split('?', 1)[0] ?? '');
    if (problem.status >= 500) this.report(error, `${request.method} ${problem.instance}`, problem.status);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (problem.status === 503) response.setHeader('Retry-After', '1');
    response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  }

  private report(error: unknown, where: string, status: number): void {
    const message = error instanceof Error ? error.message : String(error);
    // A 503 is the expected face of a database that is away: one line. Anything else is ours to find.
    if (status === 503) this.logger.warn(`${where}: ${message}`);
    else this.logger.error(`${where}: ${message}`, error instanceof Error ? error.stack : undefined);
  }
}
