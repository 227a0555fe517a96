import type { Redis } from 'ioredis';
import { RemoteUnavailableError } from '../../errors.js';
import type { LogCursor, LogPage, LogRecord } from '../remote-tier.js';

/** An entry as XRANGE answers it: id, then fields and values in turn. */
export type StreamEntry = [id: string, fields: string[]];

const POSITION = /^\d+-\d+$/;
/** No record has it. */
export const NOWHERE = '0-0';
const MOST_RECORDS = 500;
const LEAST_RECORDS = 10;

/** Records per page: halved when a page does not arrive in time, so that a slow line still catches up. */
export class PageSize {
  now = MOST_RECORDS;

  arrived(): void {
    this.now = Math.min(MOST_RECORDS, this.now * 2);
  }

  failed(): void {
    this.now = Math.max(LEAST_RECORDS, this.now >> 1);
  }
}

/** Reads the invalidation log, a page at a time, together with the identity of the data set it stands in. */
export class RedisLogReader {
  private readonly pageSize = new PageSize();

  constructor(
    private readonly key: string,
    private readonly marksKey: string,
  ) {}

  /** The records after `from`. One MULTI: the epoch, the marks and the records are of the same instant. */
  async read(client: Redis, from: LogCursor, tags: readonly string[]): Promise<LogPage> {
    const place = readPlace(from);
    const count = this.pageSize.now + 1;
    const transaction = client.multi().info('replication').xrange(this.key, place.id, '+', 'COUNT', count);
    if (tags.length > 0) transaction.hmget(this.marksKey, ...tags);
    const answers = await transaction.exec().catch((error: unknown) => {
      this.pageSize.failed();
      throw error;
    });
    this.pageSize.arrived();
    const [info, range, marked] = answers ?? [];
    const error = info?.[0] ?? range?.[0] ?? marked?.[0];
    if (error) throw error;
    const epoch = epochOf(String(info?.[1]));
    const marks = (marked?.[1] ?? []) as (string | null)[];
    const unvouched = tags.filter((_, i) => marks[i] !== epoch);
    const entries = range?.[1] as StreamEntry[];
    const found = chained(place, entries);
    if (!found) return { epoch, unvouched, records: [], cursor: from, complete: true, lost: true };
    return {
      epoch,
      unvouched,
      records: found.records,
      cursor: writePlace(found.place),
      complete: entries.length < count,
      lost: false,
    };
  }
}

/** Behind a name that moves, another connection may reach the master. */
export class NoMasterError extends RemoteUnavailableError {}

/**
 * The identity of the data set, from INFO replication. @throws NoMasterError on a replica: what it holds may be
 * older than what was answered, and a demoted master still holds what its successor never had.
 */
export function epochOf(info: string): string {
  const role = /^role:(\w+)/m.exec(info)?.[1];
  if (role !== 'master') throw new NoMasterError(`The server is no master (role: ${role ?? 'unknown'})`);
  const epoch = /^master_replid:(\w+)/m.exec(info)?.[1];
  if (!epoch) throw new RemoteUnavailableError('INFO replication shows no master_replid');
  return epoch;
}

/**
 * Where a reader stands: the id of the newest record it knows, and of the one before, as that record says. A log that
 * was lost and written anew by a clock set back may come to the same id again, but not with the same predecessor.
 */
export interface Place {
  id: string;
  /** '' for a log's first record; undefined where nobody has looked yet. */
  prev?: string;
}

export function writePlace({ id, prev }: Place): string {
  return prev === undefined ? id : `${id}<${prev}`;
}

/** What is no place is nowhere, and so lost. */
export function readPlace(text: string): Place {
  const [id = '', prev, ...more] = text.split('<');
  const known =
    isStreamId(id) && (prev === undefined || prev === '' || isStreamId(prev)) && more.length === 0;
  return known ? { id, prev } : { id: NOWHERE };
}

export function isStreamId(text: string): boolean {
  return POSITION.test(text);
}

/** Stream ids, `ms-seq`, in the order of the stream. */
export function compareIds(a: string, b: string): number {
  const [aMs = 0, aSeq = 0] = a.split('-').map(Number);
  const [bMs = 0, bSeq = 0] = b.split('-').map(Number);
  return aMs - bMs || aSeq - bSeq;
}

/** The fields of a record's names, for the scripts: '' where there are none. */
export function encodeNames(names: readonly string[]): string {
  return names.length > 0 ? JSON.stringify(names) : '';
}

/** The records after `from`, and where they end; null when the chain from there on is broken or not of our making. */
export function chained(
  from: Place,
  entries: readonly StreamEntry[],
): { records: LogRecord[]; place: Place } | null {
  const [first] = entries;
  if (first?.[0] !== from.id) return null;
  let place: Place = { id: from.id, prev: fieldsOf(first).get('p') };
  if (from.prev !== undefined && from.prev !== place.prev) return null;
  const records: LogRecord[] = [];
  for (const entry of entries.slice(1)) {
    const [position] = entry;
    const field = fieldsOf(entry);
    const keys = decodeNames(field.get('k'));
    const tags = decodeNames(field.get('t'));
    if (field.get('p') !== place.id || !keys || !tags) return null;
    records.push({ position, keys, tags, pattern: field.get('g') });
    place = { id: position, prev: place.id };
  }
  return { records, place };
}

function fieldsOf([, fields]: StreamEntry): Map<string, string> {
  const field = new Map<string, string>();
  for (let i = 0; i + 1 < fields.length; i += 2) field.set(fields[i]!, fields[i + 1]!);
  return field;
}

function decodeNames(text: string | undefined): string[] | null {
  if (text === undefined) return [];
  try {
    const names: unknown = JSON.parse(text);
    return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : null;
  } catch {
    return null; // what it named is unknown: the reader treats the log as broken
  }
}
