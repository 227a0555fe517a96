import type { EntityManager, QueryRunner } from 'typeorm';
import type { InvalidationSelector } from '#tiered-cache';
import { type OutboxTriggerOptions, resolveTriggerOptions } from './outbox.options.js';
import { resolveNames } from './plans.js';
import type { Sql } from './sql-runner.js';

/**
 * Writes an invalidation into the open transaction: it is carried out when, and only if, the transaction is committed,
 * even if this process dies or the shared tier is away then. For what is made of data that no marked entity holds.
 * @param cache the name of the cache
 */
export async function writeInvalidation(
  within: EntityManager | QueryRunner,
  selector: InvalidationSelector,
  cache = 'default',
  options: Pick<OutboxTriggerOptions, 'table' | 'schema' | 'notify'> = {},
): Promise<void> {
  const resolved = resolveTriggerOptions(options);
  const sql: Sql = async (statement, parameters) => within.query(statement, parameters as unknown[]);
  const names = await resolveNames(sql, within.dataSource, resolved);
  await sql(`INSERT INTO ${names.rows} (op, change) VALUES ('C', $1::json)`, [
    JSON.stringify({ cache, selector }),
  ]);
  if (resolved.notify) await sql(`SELECT pg_notify($1, '')`, [names.channel]);
}
