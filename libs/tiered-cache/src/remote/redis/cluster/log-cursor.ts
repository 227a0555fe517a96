import type { LogCursor, LogPosition } from '../../remote-tier.js';
import { compareIds, isStreamId } from '../redis-log.js';

/** No record has it. */
const NOWHERE = '0-0';

/** How far each shard was read: stream ids in the order of the shards, joined by ','. */
export function writeCursor(ids: readonly string[]): LogCursor {
  return ids.join(',');
}

/** What is no cursor over so many shards stands nowhere, and so is lost. */
export function readCursor(cursor: LogCursor, shards: number): string[] {
  const ids = cursor.split(',');
  if (ids.length !== shards || !ids.every(isStreamId)) return Array.from({ length: shards }, () => NOWHERE);
  return ids;
}

/** `<shard>:<stream id>`. */
export function writePosition(shard: number, id: string): LogPosition {
  return `${shard}:${id}`;
}

export function hasReached(cursor: LogCursor, position: LogPosition): boolean {
  const [, shard, id] = /^(\d+):(\d+-\d+)$/.exec(position) ?? [];
  const at = cursor.split(',')[Number(shard)];
  return id !== undefined && at !== undefined && isStreamId(at) && compareIds(at, id) >= 0;
}
