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
      const row = marksOf(metadata.target)
        .filter((mark) => (mark.options?.cache ?? 'default') === this.cache)
        .map((mark) => this.entity(mark));
      const others = [...metadata.childEntityMetadatas, ...sides(metadata)];
      const unknown = new Set([...row, ...others.flatMap((one) => this.concerned(one).unknown)]);
      concerned = { row, unknown: [...unknown] };
      this.byTable.set(metadata, concerned);
    }
    return concerned;
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

/** Many-to-many: the events come from the junction table, whose rows are entries of both sides' relations. */
function sides(metadata: EntityMetadata): EntityMetadata[] {
  if (!metadata.isJunction) return [];
  return [...metadata.ownerColumns, ...metadata.inverseColumns].flatMap(
    (column) => column.referencedColumn?.entityMetadata ?? [],
  );
}
