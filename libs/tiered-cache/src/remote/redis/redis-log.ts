import type { Redis } from 'ioredis';
import { RemoteUnavailableError } from '../../errors.js';
import type { LogCursor, LogPage, LogPosition, LogRecord } from '../remote-tier.js';

/** An entry as XRANGE answers it: id, then fields and values in turn. */
export type StreamEntry = [id: string, fields: string[]];

const POSITION = /^\d+-\d+$/;
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
    if (!isStreamId(from)) from = '0-0'; // no record has it: lost
    const count = this.pageSize.now + 1;
    const transaction = client.multi().info('replication').xrange(this.key, from, '+', 'COUNT', count);
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
    const records = chained(from, entries);
    if (!records) return { epoch, unvouched, records: [], cursor: from, complete: true, lost: true };
    return {
      epoch,
      unvouched,
      records,
      cursor: records.at(-1)?.position ?? from,
      complete: entries.length < count,
      lost: false,
    };
  }
}

/**
 * The identity of the data set, from INFO replication. @throws RemoteUnavailableError on a replica: what it holds may be
 * older than what was answered, and a demoted master still holds what its successor never had.
 */
export function epochOf(info: string): string {
  const role = /^role:(\w+)/m.exec(info)?.[1];
  if (role !== 'master')
    throw new RemoteUnavailableError(`The server is no master (role: ${role ?? 'unknown'})`);
  const epoch = /^master_replid:(\w+)/m.exec(info)?.[1];
  if (!epoch) throw new RemoteUnavailableError('INFO replication shows no master_replid');
  return epoch;
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

/** The records after `from`, or null when the chain from `from` on is broken or not of our making. */
export function chained(from: LogPosition, entries: readonly StreamEntry[]): LogRecord[] | null {
  if (entries[0]?.[0] !== from) return null;
  const records: LogRecord[] = [];
  let prev = from;
  for (const [position, fields] of entries.slice(1)) {
    const field = new Map<string, string>();
    for (let i = 0; i + 1 < fields.length; i += 2) field.set(fields[i]!, fields[i + 1]!);
    const keys = decodeNames(field.get('k'));
    const tags = decodeNames(field.get('t'));
    if (field.get('p') !== prev || !keys || !tags) return null;
    records.push({ position, keys, tags, pattern: field.get('g') });
    prev = position;
  }
  return records;
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
