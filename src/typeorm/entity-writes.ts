import type { EntityMetadata, InsertEvent, ObjectLiteral, RemoveEvent, UpdateEvent } from 'typeorm';
import { type Invalidation, unknownRow } from './invalidation-batch.js';
import type { MarkRegistry } from './mark-registry.js';
import type { RowChange } from './tracking/table-tags.js';

/** What TypeORM's events say of a row, and what it ends: its exact keys and tags, or, if it is not known, all rows. */
export class EntityWrites {
  constructor(private readonly marks: Pick<MarkRegistry, 'concerned'>) {}

  /** @param mayReplace the INSERT may have changed existing rows */
  inserted(event: InsertEvent<ObjectLiteral>, mayReplace: boolean): Invalidation[] {
    const { metadata } = event;
    const row = event.entity as ObjectLiteral | undefined;
    if (!row) return this.unknown(metadata);
    // Only save() says the id. Otherwise it is a QueryBuilder's INSERT: if that may have replaced a row (upsert),
    // nobody has seen what the row was before.
    const replaces = event.entityId === undefined && mayReplace;
    return this.marks
      .concerned(metadata)
      .row.map((entity) =>
        replaces
          ? entity.replace(metadata, { sources: [row], origin: 'stored' })
          : entity.write(metadata, [{ sources: [row], origin: 'inserted' }], true),
      );
  }

  updated(event: UpdateEvent<ObjectLiteral>): Invalidation[] {
    const { metadata, entity: row, updatedColumns, updatedRelations } = event;
    const before = event.databaseEntity as ObjectLiteral | undefined;
    // update(), increment(), QueryBuilder: no row. Orphans of a one-to-many: nothing at all.
    if (!row || !before) return this.unknown(metadata);
    return this.marks.concerned(metadata).row.map((entity) =>
      entity.write(
        metadata,
        [
          { sources: [before], origin: 'stored' },
          // save() leaves undefined properties as they are in the database.
          { sources: [row, before], origin: 'stored' },
        ],
        entity.changesLists(metadata, updatedColumns, updatedRelations),
        { columns: [...updatedColumns, ...updatedRelations.flatMap(({ joinColumns }) => joinColumns)] },
      ),
    );
  }

  /** Deleted, and with it what the database deletes or changes of others. */
  removed(event: RemoveEvent<ObjectLiteral>): Invalidation[] {
    return [...this.appeared(event), ...this.marks.concerned(event.metadata).cascaded.map(unknownRow)];
  }

  /** A soft delete, or its end: an update of one column. */
  marked(event: RemoveEvent<ObjectLiteral>): Invalidation[] {
    const { deleteDateColumn } = event.metadata;
    return this.appeared(event, deleteDateColumn ? { columns: [deleteDateColumn] } : 'came-or-went');
  }

  /** A row came or went, and is known: from the database, or from the entity (whose id `remove` has blanked). */
  private appeared(event: RemoveEvent<ObjectLiteral>, change: RowChange = 'came-or-went'): Invalidation[] {
    const { metadata } = event;
    const stored = event.databaseEntity as ObjectLiteral | undefined;
    if (!stored && !event.entity) return this.unknown(metadata);
    const sources = stored ? [stored] : [event.entity ?? {}, idOf(metadata, event.entityId)];
    return this.marks
      .concerned(metadata)
      .row.map((entity) => entity.write(metadata, [{ sources, origin: 'stored' }], true, change));
  }

  /** @param perhapsDeleted also what the database then deletes or changes of others */
  unknown(metadata: EntityMetadata, perhapsDeleted = false): Invalidation[] {
    const { unknown, cascaded } = this.marks.concerned(metadata);
    return [...unknown, ...(perhapsDeleted ? cascaded : [])].map(unknownRow);
  }
}

/** `entityId` is the bare id where there is one primary column. */
function idOf(metadata: EntityMetadata, entityId: unknown): ObjectLiteral {
  if (metadata.hasMultiplePrimaryKeys) return (entityId as ObjectLiteral | undefined) ?? {};
  const row: ObjectLiteral = {};
  metadata.primaryColumns[0]?.setEntityValue(row, entityId);
  return row;
}
