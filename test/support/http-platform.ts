import { type AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';

/** What a spec's applications stand on. `*-fastify.int-spec.ts` says otherwise, and imports the spec. */
let make: () => AbstractHttpAdapter = () => new ExpressAdapter();

export function standOn(other: () => AbstractHttpAdapter): void {
  make = other;
}

/** A new one. */
export function httpAdapter(): AbstractHttpAdapter {
  return make();
}
