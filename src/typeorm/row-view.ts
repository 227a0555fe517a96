import type { EntityMetadata, ObjectLiteral } from 'typeorm';

type ColumnMetadata = EntityMetadata['columns'][number];
type RelationMetadata = EntityMetadata['relations'][number];
type EmbeddedMetadata = EntityMetadata['embeddeds'][number];

/**
 * A row as the marker's functions see it: a read-only view over what TypeORM knows of it (the entity in hand,
 * then the row it loaded), that notices when a function reads a column nobody has loaded. Without this a
 * partially selected entity would yield the key 'undefined', and the real entry would stay.
 */
export interface RowView {
  readonly row: ObjectLiteral;
  /** True once a column was read whose value is not known. */
  readonly incomplete: boolean;
}

/** 'inserted': a column without a value and without a default is NULL; 'stored': it was not loaded. */
export type RowOrigin = 'inserted' | 'stored';

/** @param sources the first that has a value wins. */
export function viewRow(
  metadata: EntityMetadata,
  sources: readonly ObjectLiteral[],
  origin: RowOrigin,
): RowView {
  const view = { row: {}, incomplete: false };
  const reader = new RowReader(origin, () => {
    view.incomplete = true;
  });
  view.row = reader.view(shapeOf(metadata), sources, sources);
  return view;
}

interface Shape {
  readonly columns: ReadonlyMap<string, ColumnMetadata>;
  readonly embedded: ReadonlyMap<string, Shape>;
  readonly relations: ReadonlyMap<string, RelationMetadata>;
  readonly prototype: object;
}

class RowReader {
  constructor(
    private readonly origin: RowOrigin,
    private readonly onUnknown: () => void,
  ) {}

  /** @param roots whole rows, from which columns are read. @param objects the same rows' objects at this depth. */
  view(shape: Shape, roots: readonly ObjectLiteral[], objects: readonly unknown[]): ObjectLiteral {
    const first = objects.find((object): object is object => typeof object === 'object' && object !== null);
    return new Proxy(first ?? Object.create(shape.prototype), {
      get: (_target, property, receiver): unknown => {
        if (typeof property === 'symbol') return Reflect.get(first ?? {}, property);
        const column = shape.columns.get(property);
        if (column) return this.column(column, roots);
        const relation = shape.relations.get(property);
        if (relation) return this.relation(relation, roots);
        const embedded = shape.embedded.get(property);
        if (embedded)
          return this.view(
            embedded,
            roots,
            objects.map((object) => child(object, property)),
          );
        return this.other(property, shape, objects, receiver);
      },
      set: () => false,
      deleteProperty: () => false,
      defineProperty: () => false,
    });
  }

  private column(column: ColumnMetadata, roots: readonly ObjectLiteral[]): unknown {
    // getEntityValue, not the property: a relation that was assigned wins over its id column, as in a save.
    const value = firstDefined(roots, (root) => column.getEntityValue(root) as unknown);
    // A function is a piece of SQL, as in `{ seq: () => 'seq + 1' }`; a generated column is computed afterwards.
    if (typeof value === 'function' || column.asExpression) return this.unknown();
    if (value !== undefined) return value;
    const isNull = this.origin === 'inserted' && column.default === undefined && !column.isGenerated;
    return isNull ? null : this.unknown();
  }

  private relation(relation: RelationMetadata, roots: readonly ObjectLiteral[]): unknown {
    const value = firstDefined(roots, (root) => relation.getEntityValue(root) as unknown);
    if (value === null) return null;
    // Not loaded, lazy, or a bare id.
    if (typeof value !== 'object' || value instanceof Promise) return this.unknown();
    if (Array.isArray(value)) return value;
    // The related row was loaded, not inserted with this one.
    const related = new RowReader('stored', this.onUnknown);
    return related.view(shapeOf(relation.inverseEntityMetadata), [value], [value]);
  }

  /** Getters, methods, and properties TypeORM knows nothing of. */
  private other(property: string, shape: Shape, objects: readonly unknown[], receiver: unknown): unknown {
    if (property === 'then' || property === 'toJSON') return undefined;
    for (const object of [...objects, shape.prototype]) {
      if (typeof object !== 'object' || object === null || !(property in object)) continue;
      const value: unknown = Reflect.get(object, property, receiver);
      if (value !== undefined) return value;
    }
    return this.unknown();
  }

  private unknown(): undefined {
    this.onUnknown();
    return undefined;
  }
}

const shapes = new WeakMap<EntityMetadata, Shape>();

function shapeOf(metadata: EntityMetadata): Shape {
  let shape = shapes.get(metadata);
  if (!shape) {
    const prototype = typeof metadata.target === 'function' ? (metadata.target.prototype as object) : {};
    shape = shapeFrom(metadata.columns, metadata.relations, metadata.embeddeds, undefined, prototype);
    shapes.set(metadata, shape);
  }
  return shape;
}

function shapeFrom(
  columns: readonly ColumnMetadata[],
  relations: readonly RelationMetadata[],
  embeddeds: readonly EmbeddedMetadata[],
  owner: EmbeddedMetadata | undefined,
  prototype: object,
): Shape {
  const here = <M extends { embeddedMetadata?: EmbeddedMetadata; propertyName: string }>(all: readonly M[]) =>
    new Map(all.filter((one) => one.embeddedMetadata === owner).map((one) => [one.propertyName, one]));
  return {
    // A virtual column is the unseen half of a relation and bears its name.
    columns: here(columns.filter((column) => !column.isVirtual)),
    relations: here(relations),
    embedded: new Map(
      embeddeds.map((one) => [
        one.propertyName,
        shapeFrom(one.columns, one.relations, one.embeddeds, one, classPrototype(one.type)),
      ]),
    ),
    prototype,
  };
}

function classPrototype(type: unknown): object {
  return typeof type === 'function' ? (type.prototype as object) : {};
}

function child(object: unknown, property: string): unknown {
  return typeof object === 'object' && object !== null ? Reflect.get(object, property) : undefined;
}

function firstDefined<S, V>(sources: readonly S[], read: (source: S) => V): V | undefined {
  for (const source of sources) {
    const value = read(source);
    if (value !== undefined) return value;
  }
  return undefined;
}
