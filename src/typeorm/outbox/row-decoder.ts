import type { EntityMetadata, ObjectLiteral } from 'typeorm';
import type { ColumnType } from './installed.js';
import type { RecordedRow } from './outbox-row.js';

/** As `pg.types.getTypeParser`: the host's own parsers are honoured. */
export type TypeParsers = (oid: number) => (text: string) => unknown;

const JSON_TYPES = new Set([114, 3802]);
/** date, timestamp, timestamptz: JSON writes them with a T, which the parsers of pg do not expect. */
const DATES = new Set([1082, 1114, 1184]);

/**
 * Makes of a recorded row what TypeORM would have loaded: the same parsers, the same hydration, so that `keys` and `tags`
 * answer the same. A value that cannot be told stays undefined, and counts as not loaded.
 */
export class RowDecoder {
  /** @param types by table path */
  constructor(
    private readonly types: ReadonlyMap<string, ReadonlyMap<string, ColumnType>>,
    private readonly parserOf: TypeParsers,
  ) {}

  decode(metadata: EntityMetadata, row: RecordedRow): ObjectLiteral {
    const entity: ObjectLiteral = {};
    const types = this.types.get(metadata.tablePath);
    for (const column of metadata.columns) {
      const text = row[column.databaseName];
      const type = types?.get(column.databaseName);
      if (text === undefined || !type) continue;
      const raw = text === null ? null : this.parse(text, type);
      if (raw === undefined) continue;
      const value: unknown = metadata.dataSource.driver.prepareHydratedValue(raw, column);
      // The unseen half of a relation: NULL means that there is no related row, not one without an id.
      if (value === null && column.isVirtual && column.relationMetadata)
        column.relationMetadata.setEntityValue(entity, null);
      else column.setEntityValue(entity, value);
    }
    return entity;
  }

  private parse(text: string, { oid, isArray }: ColumnType): unknown {
    if (JSON_TYPES.has(oid) || isArray) {
      // A JSON string has lost its quotes on the way.
      if (!text.startsWith('{') && !text.startsWith('[')) return undefined;
      const value: unknown = JSON.parse(text);
      return isArray ? this.elements(value, oid) : value;
    }
    return this.scalar(text, oid);
  }

  private elements(value: unknown, oid: number): unknown {
    if (Array.isArray(value)) {
      const parts = value.map((part) => this.elements(part, oid));
      return parts.includes(undefined) ? undefined : parts;
    }
    if (value === null || JSON_TYPES.has(oid)) return value;
    // Digits were lost.
    if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value))
      return undefined;
    return typeof value === 'object' ? undefined : this.scalar(`${value as string | number | boolean}`, oid);
  }

  private scalar(text: string, oid: number): unknown {
    return this.parserOf(oid)(DATES.has(oid) ? text.replace('T', ' ') : text);
  }
}
