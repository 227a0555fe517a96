import { type AbstractHttpAdapter } from '@nestjs/core';
import { type HttpAdapterName } from '../config/trading.config.js';
import { PROBLEM_TYPE, toProblem } from './problem.js';

/** Longest body that is read, as Express has it. */
const BODY_LIMIT_BYTES = 100 * 1024;

/** What is under Nest; only the one that is wanted is loaded. Set up so that both answer alike. */
export async function createHttpAdapter(name: HttpAdapterName): Promise<AbstractHttpAdapter> {
  return name === 'express' ? express() : fastify();
}

async function express(): Promise<AbstractHttpAdapter> {
  const { ExpressAdapter } = await import('@nestjs/platform-express');
  return new ExpressAdapter();
}

async function fastify(): Promise<AbstractHttpAdapter> {
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return new FastifyAdapter({
    bodyLimit: BODY_LIMIT_BYTES,
    // Of Node's own limit for the whole head: what is too long to be a symbol is for the pipe to say.
    routerOptions: { ignoreTrailingSlash: true, caseSensitive: false, maxParamLength: 16_384 },
    // A path that cannot be decoded has no route, and so none of Nest's filters.
    frameworkErrors: (error: Error, request: { url: string }, { raw }: { raw: RawResponse }) => {
      const problem = toProblem(error, request.url.split('?', 1)[0] ?? '');
      raw.writeHead(problem.status, { 'Content-Type': PROBLEM_TYPE });
      raw.end(JSON.stringify(problem));
    },
  });
}

/** Of HTTP/1 or HTTP/2. */
interface RawResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body: string): unknown;
}

/** What both platforms' responses can do. */
export interface HttpResponse {
  status(code: number): unknown;
  header(name: string, value: string): unknown;
}
