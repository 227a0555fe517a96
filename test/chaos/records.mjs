/**
 * What a node writes down of its operations: rows of eight doubles in a file per process, appended in small pieces so
 * that a killed node loses nothing that matters. Times are nanoseconds of the host's monotonic clock, which all
 * processes share; doubles hold them exactly for a hundred days of uptime.
 *
 * Columns: kind, key (row id), call, ret, version, write (unique number of the write that made the version), a, b.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

export const COLUMNS = 8;

/** Rows per aggregate: group = floor((id - 1) / GROUP_SIZE). */
export const GROUP_SIZE = 4;

export const KIND = {
  /** A value handed out. a: index of SPACES; b: the version that `minPosition` demanded, or -1. */
  READ: 1,
  /** A further row of the aggregate before it. */
  READ_MORE: 2,
  /** A loader ran from call to ret. a: index of SPACES; key: the entry's id. */
  LOAD: 3,
  /** COMMIT is about to be sent at call. a: 1 through the ORM; b: 1 it is going to be refused. */
  WRITE: 10,
  /** COMMIT was answered at ret. a: 1 when the fences of the keys stood then. */
  COMMITTED: 11,
  ROLLED_BACK: 12,
  /** COMMIT was not answered. */
  UNKNOWN: 13,
  /** The invalidation, sent at call, came back at ret. a: 1 acknowledged. */
  INVALIDATED: 14,
  /** The business call of the writer resolved at ret: from here on its own node must show the write. */
  OWN: 15,
  /** A fence on the key, from its asking at call to the answer to its removal at ret. */
  FENCED: 16,
};

/** The namespaces: how a change reaches them (by key or by tag), and whether they promise more than the bound. */
export const SPACES = [
  { name: 'items', by: 'key', strict: false },
  { name: 'strict', by: 'key', strict: true },
  { name: 'groups', by: 'tag', strict: false },
  { name: 'late', by: 'tag', strict: false },
  { name: 'sgroups', by: 'tag', strict: true },
];
export const SPACE = Object.fromEntries(SPACES.map(({ name }, index) => [name, index]));

const BUFFERED = 512;

/** Appends rows to a file; `sync` rows are in the file when it returns (the page cache survives a kill). */
export class RecordWriter {
  #file;
  #rows = new Float64Array(BUFFERED * COLUMNS);
  #used = 0;

  constructor(path) {
    this.#file = openSync(path, 'a');
  }

  add(kind, key, call, ret, version, write, a = 0, b = -1) {
    const at = this.#used * COLUMNS;
    const rows = this.#rows;
    rows[at] = kind;
    rows[at + 1] = key;
    rows[at + 2] = call;
    rows[at + 3] = ret;
    rows[at + 4] = version;
    rows[at + 5] = write;
    rows[at + 6] = a;
    rows[at + 7] = b;
    if (++this.#used === BUFFERED) this.flush();
  }

  sync(...row) {
    this.add(...row);
    this.flush();
  }

  flush() {
    if (this.#used === 0) return;
    writeSync(this.#file, new Uint8Array(this.#rows.buffer, 0, this.#used * COLUMNS * 8));
    this.#used = 0;
  }

  close() {
    this.flush();
    closeSync(this.#file);
  }
}

/** All whole rows of a file. */
export function readRecords(path) {
  const bytes = readFileSync(path);
  const doubles = Math.floor(bytes.length / (COLUMNS * 8)) * COLUMNS;
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + doubles * 8));
}

/** Now, in nanoseconds of the monotonic clock. */
export const nowNs = () => Number(process.hrtime.bigint());
