/** The tests of health.int-spec.ts once more, on Fastify. */
import '../support/on-fastify.js';
import { httpAdapter } from '../support/http-platform.js';
import './health.int-spec.js';

it('these are on Fastify', () => {
  expect(httpAdapter().getType()).toBe('fastify');
});
