import { outboxMigration } from 'nestjs-strata/typeorm';

/**
 * Triggers on the tables of all marked entities, and the outbox they write to. Whoever marks another entity adds a
 * migration like this one under a new name; what is up to date is left alone.
 */
export class CacheOutbox1764633600000 extends outboxMigration() {}
