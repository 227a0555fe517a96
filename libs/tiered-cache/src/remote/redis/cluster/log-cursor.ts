import type { LogCursor, LogPosition } from '../../remote-tier.js';
import { compareIds, NOWHERE, type Place, readPlace, writePlace } from '../redis-log.js';

/** How far each shard was read: places in the order of the shards, joined by ','. */
export function writeCursor(places: readonly Place[]): LogCursor {
  return places.map(writePlace).join(',');
}

/** What is no cursor over so many shards stands nowhere, and so is lost. */
export function readCursor(cursor: LogCursor, shards: number): Place[] {
  const places = cursor.split(',').map(readPlace);
  if (places.length === shards && places.every(({ id }) => id !== NOWHERE)) return places;
  return Array.from({ length: shards }, () => ({ id: NOWHERE }));
}

/** `<shard>:<stream id>`. */
export function writePosition(shard: number, id: string): LogPosition {
  return `${shard}:${id}`;
}

export function hasReached(cursor: LogCursor, position: LogPosition): boolean {
  const [, shard, id] = /^(\d+):(\d+-\d+)$/.exec(position) ?? [];
  const at = cursor.split(',')[Number(shard)];
  return id !== undefined && at !== undefined && compareIds(readPlace(at).id, id) >= 0;
}
