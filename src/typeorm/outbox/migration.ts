import type { MigrationInterface, QueryRunner } from 'typeorm';
import { installOutbox, uninstallOutbox } from './install.js';
import { type OutboxTriggerOptions, resolveTriggerOptions } from './outbox.options.js';

/**
 * The base of a migration that installs the outbox for the entities of the data source it runs on. Once more, under
 * another name, after an entity was marked or a primary key changed: what is up to date is left alone.
 *
 * ```ts
 * export class CacheOutbox1764000000000 extends outboxMigration({ columns: { Document: ['id', 'slug'] } }) {}
 * ```
 *
 * `down` removes everything; a later migration of this kind should override it to do nothing.
 * @throws InvalidOptionsError
 */
export function outboxMigration(options: OutboxTriggerOptions = {}): new () => MigrationInterface {
  const { table, schema } = resolveTriggerOptions(options);
  return class OutboxMigration implements MigrationInterface {
    async up(queryRunner: QueryRunner): Promise<void> {
      await installOutbox(queryRunner, options);
    }

    async down(queryRunner: QueryRunner): Promise<void> {
      await uninstallOutbox(queryRunner, { table, schema });
    }
  };
}
