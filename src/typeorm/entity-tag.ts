/** A primary key; an array for a composite one, in the order of the entity's primary columns. */
export type EntityId = EntityIdPart | readonly EntityIdPart[];
export type EntityIdPart = string | number | bigint | boolean | Date | Uint8Array;

/**
 * The tag of an entity type, or of one row of it.
 *
 * `entityTag('Instrument')` is `entity:Instrument`: it goes with every insert and delete, with every update of
 * a column that lists show (see `listColumns`), and with every write that does not say which row it touched.
 * A list carries it.
 *
 * `entityTag('Instrument', 42)` is `entity:Instrument:42`: it goes with a write that is known to touch that row.
 * An entry that depends on single rows carries `rowTags('Instrument', 42)` rather than this tag alone.
 */
export function entityTag(type: string, id?: EntityId): string {
  return id === undefined ? `entity:${type}` : `entity:${type}:${idText(id)}`;
}

/**
 * The tags of an entry that contains these rows of an entity that is not its own key: one tag per row, and the
 * one that goes when a write (UPDATE by criteria, increment, ...) does not say which rows it touched.
 */
export function rowTags(type: string, ...ids: readonly EntityId[]): string[] {
  return [...ids.map((id) => entityTag(type, id)), anyRowTag(type)];
}

/** Carried by every entry that depends on single rows; goes when nobody knows which rows were written. */
export function anyRowTag(type: string): string {
  return `entity:${type}:*`;
}

function idText(id: EntityId): string {
  // The parts are escaped so that ['a,b', 'c'] and ['a', 'b,c'] stay apart.
  if (Array.isArray(id))
    return id.map((part) => partText(part).replaceAll(/[%,]/g, encodeURIComponent)).join();
  return partText(id as EntityIdPart);
}

function partText(part: EntityIdPart): string {
  if (part instanceof Date) return part.toISOString();
  if (part instanceof Uint8Array) return Buffer.from(part).toString('hex');
  return String(part);
}
