/** The tests of admin.int-spec.ts once more, on Fastify. */
import '../support/on-fastify.js';
import { httpAdapter } from '../support/http-platform.js';
import './admin.int-spec.js';

it('these are on Fastify', () => {
  expect(httpAdapter().getType()).toBe('fastify');
});
