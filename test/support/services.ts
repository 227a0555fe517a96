/**
 * The real servers of a test run (see global-setup.mjs). Suites that need one are skipped, visibly and counted,
 * where it cannot be had; `npm test` says at its end how to get it.
 */
import { randomBytes } from 'node:crypto';
import { createDatabase, type DatabaseHandle } from '../../apps/services/index.mjs';

/** Ends the name of a suite that was skipped for want of a server; the reporter counts by it. */
const SKIPPED = '[skipped: needs';

/** The URL of the Redis shared by all test files. Never FLUSHALL it: use a keyPrefix() of your own. */
export function redisUrl(): string {
  return required('TEST_REDIS_URL', 'Redis');
}

/** The URL of the shared PostgreSQL's own database; a file that makes tables wants a freshDatabase(). */
export function databaseUrl(): string {
  return required('TEST_DATABASE_URL', 'PostgreSQL');
}

function required(variable: string, service: string): string {
  const url = process.env[variable];
  if (!url) throw new Error(`no ${service} for this test run: put the test into describeWith${service}()`);
  return url;
}

function describeIf(missing: readonly string[], name: string, body: () => void): void {
  if (missing.length === 0) describe(name, body);
  else describe.skip(`${name} ${SKIPPED} ${missing.join(' and ')}]`, body);
}

const needsRedis = (): string[] => (process.env['TEST_REDIS_URL'] ? [] : ['Redis']);
const needsPostgres = (): string[] => (process.env['TEST_DATABASE_URL'] ? [] : ['PostgreSQL']);

/** A suite that needs redisUrl(), or a Redis of its own by startRedis(). */
export function describeWithRedis(name: string, body: () => void): void {
  describeIf(needsRedis(), name, body);
}

/** A suite that needs databaseUrl() or freshDatabase(). */
export function describeWithPostgres(name: string, body: () => void): void {
  describeIf(needsPostgres(), name, body);
}

/** A suite that needs both. */
export function describeWithServices(name: string, body: () => void): void {
  describeIf([...needsPostgres(), ...needsRedis()], name, body);
}

/** A key prefix that no other test, file or run uses on the shared Redis, such as `t-4711-1f2e3d4c:`. */
export function keyPrefix(): string {
  return `t-${process.pid}-${randomBytes(4).toString('hex')}:`;
}

/** An empty database for this file; call `drop()` in afterAll. */
export function freshDatabase(): Promise<DatabaseHandle> {
  const url = databaseUrl();
  return createDatabase({ url, adminUrl: process.env['TEST_DATABASE_ADMIN_URL'] ?? url });
}
