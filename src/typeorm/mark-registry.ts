import type { DataSource, EntityMetadata } from 'typeorm';
import { InvalidOptionsError } from '#tiered-cache';
import { type EntityMark, marksOf } from './cached-entity.decorator.js';
import { MarkedEntity, type MarkFault } from './marked-entity.js';

/** The marked entities that a write to a table concerns. */
export interface Concerned {
  /** When the row is known: its class and the classes it extends. */
  readonly row: readonly MarkedEntity[];
  /** When it is not: besides, the child entities in the same table; of a junction table, both sides. */
  readonly unknown: readonly MarkedEntity[];
  /** Whose rows the database deletes or changes along with a deleted row of this table (ON DELETE). */
  readonly cascaded: readonly MarkedEntity[];
}

/** The entities marked for one cache. */
export class MarkRegistry {
  private readonly entities = new Map<EntityMark, MarkedEntity>();
  private readonly byTable = new Map<EntityMetadata, Concerned>();

  constructor(
    private readonly cache: string,
    private readonly onFault: MarkFault,
  ) {}

  get all(): readonly MarkedEntity[] {
    return [...this.entities.values()];
  }

  /** Reads every mark of a data source. @throws InvalidOptionsError naming the entity. */
  add(dataSource: DataSource): void {
    for (const metadata of dataSource.entityMetadatas)
      for (const entity of this.concerned(metadata).row)
        if (entity.target === metadata.target) entity.validate(metadata);
    this.assertDistinct();
  }

  concerned(metadata: EntityMetadata): Concerned {
    let concerned = this.byTable.get(metadata);
    if (!concerned) {
      concerned = {
        row: this.row(metadata),
        unknown: this.unknown([metadata]),
        cascaded: this.unknown(cascades(metadata)),
      };
      this.byTable.set(metadata, concerned);
    }
    return concerned;
  }

  private row(metadata: EntityMetadata): MarkedEntity[] {
    return marksOf(metadata.target)
      .filter((mark) => (mark.options?.cache ?? 'default') === this.cache)
      .map((mark) => this.entity(mark));
  }

  private unknown(tables: readonly EntityMetadata[]): MarkedEntity[] {
    const all = new Set(tables);
    // A set may grow while it is walked.
    for (const table of all)
      for (const other of [...table.childEntityMetadatas, ...sides(table)]) all.add(other);
    return [...new Set([...all].flatMap((table) => this.row(table)))];
  }

  private entity(mark: EntityMark): MarkedEntity {
    let entity = this.entities.get(mark);
    if (!entity) {
      entity = new MarkedEntity(mark, this.onFault);
      this.entities.set(mark, entity);
    }
    return entity;
  }

  private assertDistinct(): void {
    const types = new Map<string, MarkedEntity>();
    for (const entity of this.all) {
      const other = types.get(entity.type);
      if (other)
        throw new InvalidOptionsError(
          `@CachedEntity on ${entity.target.name}: type`,
          entity.type,
          other.target === entity.target
            ? `one mark per cache (this class has two for "${this.cache}")`
            : `a type that no other entity has (the class ${other.target.name} in this cache has it too)`,
        );
      types.set(entity.type, entity);
    }
  }
}

/** The tables that a foreign key lets the database change when rows of this one are deleted; no event tells of it. */
function cascades(from: EntityMetadata): EntityMetadata[] {
  const found = new Set<EntityMetadata>();
  const queue = [from];
  for (const table of queue)
    for (const other of table.dataSource.entityMetadatas)
      for (const key of other.foreignKeys) {
        // Junction rows go too, but an entry that shows related rows carries their tags.
        if (
          key.referencedEntityMetadata.tableName !== table.tableName ||
          found.has(other) ||
          other.isJunction
        )
          continue;
        if (!['CASCADE', 'SET NULL', 'SET DEFAULT'].includes(key.onDelete ?? '')) continue;
        found.add(other);
        // Only deleted rows take others with them.
        if (key.onDelete === 'CASCADE') queue.push(other);
      }
  return [...found];
}

/** Many-to-many: the events come from the junction table, whose rows are entries of both sides' relations. */
function sides(metadata: EntityMetadata): EntityMetadata[] {
  if (!metadata.isJunction) return [];
  return [...metadata.ownerColumns, ...metadata.inverseColumns].flatMap(
    (column) => column.referencedColumn?.entityMetadata ?? [],
  );
}
