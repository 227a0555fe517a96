import type { EntityMetadata, ObjectLiteral } from 'typeorm';
import { type Invalidation, unknownRow } from '../invalidation-batch.js';
import type { MarkRegistry } from '../mark-registry.js';
import type { OutboxRow, RecordedRow } from './outbox-row.js';
import type { RowDecoder } from './row-decoder.js';
import type { TrackedTable } from './tracked-tables.js';

/** A row before and after; one of them is missing for an INSERT or a DELETE. */
interface Pair {
  readonly before?: RecordedRow;
  readonly after?: RecordedRow;
}

/**
 * Says what a row of the outbox ends, by the same marks as the subscriber. A row that cannot be understood counts as
 * one of unknown rows: never as nothing.
 */
export class RowInvalidations {
  private readonly byPath: ReadonlyMap<string, TrackedTable>;

  constructor(
    private readonly marks: MarkRegistry,
    tables: readonly TrackedTable[],
    private readonly decoder: RowDecoder,
    private readonly onFault: (problem: string) => void,
  ) {
    this.byPath = new Map(tables.map((table) => [table.path, table]));
  }

  of(row: OutboxRow): Invalidation[] {
    // Nothing: a table that only another application caches.
    const roots = this.byPath.get(row.source ?? '')?.roots ?? [];
    return roots.flatMap((root) => {
      if (row.op === 'T' || (row.old === null && row.new === null)) return this.unknown(root);
      try {
        return pairs(root, row).flatMap((pair) => this.pair(root, pair));
      } catch (error) {
        // A transformer of the host's, or a value that its parser refuses.
        this.onFault(`write to ${root.name} not understood, treated as unknown rows: ${String(error)}`);
        return this.unknown(root);
      }
    });
  }

  private pair(root: EntityMetadata, { before, after }: Pair): Invalidation[] {
    if (root.isJunction) return [before, after].flatMap((row) => (row ? this.sides(root, row) : []));
    const was = before && ofChild(root, before);
    const is = after && ofChild(root, after);
    if ((before && !was) || (after && !is)) return this.unknown(root);
    if (before && after && was && is && was === is) return this.updated(was, before, after);
    return [
      ...(before && was ? this.single(was, before) : []),
      ...(after && is ? this.single(is, after) : []),
    ];
  }

  private single(metadata: EntityMetadata, row: RecordedRow): Invalidation[] {
    const source = this.decoder.decode(metadata, row);
    return this.marks
      .concerned(metadata)
      .row.map((entity) => entity.write(metadata, [{ sources: [source], origin: 'stored' }], true));
  }

  private updated(metadata: EntityMetadata, before: RecordedRow, after: RecordedRow): Invalidation[] {
    const changed = changedColumns(before, after);
    const complete = metadata.columns.every(({ databaseName: name }) => name in before && name in after);
    // Set to what it was.
    if (complete && changed.size === 0) return [];
    const columns = complete ? metadata.columns.filter((column) => changed.has(column.databaseName)) : [];
    const relations = columns.flatMap((column) => column.relationMetadata ?? []);
    const versions = [before, after].map((row) => ({
      sources: [this.decoder.decode(metadata, row)],
      origin: 'stored' as const,
    }));
    return this.marks
      .concerned(metadata)
      .row.map((entity) =>
        entity.write(metadata, versions, entity.changesLists(metadata, columns, relations), { columns }),
      );
  }

  /** Of a many-to-many: both rows have another relation now. Exact where the keys need no more than the primary key. */
  private sides(junction: EntityMetadata, row: RecordedRow): Invalidation[] {
    return [junction.ownerColumns, junction.inverseColumns].flatMap((columns) => {
      const side = columns[0]?.referencedColumn?.entityMetadata;
      if (!side) return this.unknown(junction);
      if (side.childEntityMetadatas.length > 0 || side.parentEntityMetadata) return this.unknown(side);
      // Read by the types of the junction's columns, which are those of the columns they refer to.
      const ids = this.decoder.decode(junction, row);
      const source: ObjectLiteral = {};
      for (const column of columns)
        column.referencedColumn?.setEntityValue(source, column.getEntityValue(ids) as unknown);
      return this.marks
        .concerned(side)
        .row.map((entity) =>
          entity.write(side, [{ sources: [source], origin: 'stored' }], true, 'relations'),
        );
    });
  }

  private unknown(root: EntityMetadata): Invalidation[] {
    return this.marks.concerned(root).unknown.map(unknownRow);
  }
}

/** The entity that a row of a table with inheritance is of; undefined: none of those known here. */
function ofChild(root: EntityMetadata, row: RecordedRow): EntityMetadata | undefined {
  const { discriminatorColumn } = root;
  if (!discriminatorColumn) return root;
  const value = row[discriminatorColumn.databaseName];
  return [root, ...root.childEntityMetadatas].find((one) => one.discriminatorValue === value);
}

/** The transition tables do not say which row became which: the primary key does. */
function pairs(root: EntityMetadata, { old, new: now }: OutboxRow): Pair[] {
  const names = root.primaryColumns.map((column) => column.databaseName);
  const idOf = (row: RecordedRow): string => JSON.stringify(names.map((name) => row[name]));
  const before = new Map((old ?? []).map((row) => [idOf(row), row]));
  const found: Pair[] = [];
  for (const after of now ?? []) {
    const id = idOf(after);
    const match = before.get(id);
    before.delete(id);
    found.push(match ? { before: match, after } : { after });
  }
  return [...found, ...[...before.values()].map((row) => ({ before: row }))];
}

function changedColumns(before: RecordedRow, after: RecordedRow): Set<string> {
  const all = [...Object.keys(before), ...Object.keys(after)];
  return new Set(all.filter((name) => before[name] !== after[name]));
}
