/** The records of all processes, put in order: what each write went through, and when each version was known. */
import { COLUMNS, KIND } from '../records.mjs';

/**
 * @typedef {object} Write
 * @property {number} id unique number
 * @property {number} key
 * @property {number} version
 * @property {number} process index of the process
 * @property {boolean} orm
 * @property {number} commitCall
 * @property {number} [commitReturn] undefined: not answered
 * @property {boolean} fenced the fences stood when COMMIT returned
 * @property {number} [sentAt] when the invalidation was sent
 * @property {number} [answeredAt] when it came back
 * @property {boolean} acknowledged
 * @property {number} [ownAt] when the writer's business call resolved
 * @property {boolean} rolledBack
 */

/**
 * @param {{records: Float64Array, killed: boolean}[]} processes
 * @param {Map<number, {id: number, v: number}>} committed the database's own history: write -> row and version
 */
export function assemble(processes, committed, fencesCount = true) {
  /** @type {Map<number, Write>} */
  const writes = new Map();
  processes.forEach(({ records }, process) => {
    for (let at = 0; at < records.length; at += COLUMNS) {
      if (records[at] < KIND.WRITE || records[at] === KIND.FENCED) continue;
      const [kind, key, call, ret, version, id, a] = records.subarray(at, at + COLUMNS);
      let write = writes.get(id);
      if (!write) {
        write = { id, key, version, process, orm: false, commitCall: call, fenced: false };
        Object.assign(write, { acknowledged: false, rolledBack: false });
        writes.set(id, write);
      }
      if (kind === KIND.WRITE) Object.assign(write, { orm: a === 1, commitCall: call });
      else if (kind === KIND.COMMITTED)
        Object.assign(write, { commitReturn: ret, fenced: fencesCount && a === 1 });
      else if (kind === KIND.ROLLED_BACK) write.rolledBack = true;
      else if (kind === KIND.INVALIDATED)
        Object.assign(write, { sentAt: call, answeredAt: ret, acknowledged: a === 1 });
      else if (kind === KIND.OWN) write.ownAt = ret;
    }
  });
  /** @type {Map<number, (Write | undefined)[]>} key -> writes by version */
  const byKey = new Map();
  for (const [id, { id: key, v }] of committed) {
    const list = byKey.get(key) ?? [];
    byKey.set(key, list);
    list[v] = writes.get(id) ?? {
      id,
      key,
      version: v,
      process: -1,
      commitCall: NaN,
      fenced: false,
      acknowledged: false,
    };
  }
  return { writes, byKey, committed };
}

/** When a version is known to be in force: its fences stood when COMMIT returned, or its invalidation was answered. */
export function acknowledgedAt(write, by) {
  if (!write) return Infinity;
  const answered = write.acknowledged ? write.answeredAt : Infinity;
  return by === 'key' && write.fenced ? Math.min(write.commitReturn, answered) : answered;
}

/**
 * Per key and way (key or tag), by version: since when a read must not return this version any more, because a newer
 * one is acknowledged. Infinity: it still may.
 */
export function supersededAt(byKey, by) {
  const timelines = new Map();
  for (const [key, list] of byKey) {
    const times = new Float64Array(list.length).fill(Infinity);
    for (let v = list.length - 2; v >= 0; v--)
      times[v] = Math.min(times[v + 1], acknowledgedAt(list[v + 1], by));
    timelines.set(key, times);
  }
  return timelines;
}

/** Per process and key: the versions its own business calls have written, by the time they resolved. */
export function ownWrites(writes) {
  const own = new Map();
  for (const write of writes.values()) {
    if (write.ownAt === undefined) continue;
    const name = `${write.process}/${write.key}`;
    const list = own.get(name) ?? [];
    own.set(name, list);
    list.push(write);
  }
  for (const list of own.values()) {
    list.sort((a, b) => a.ownAt - b.ownAt);
    // What a later, slower call of an older version resolved does not lower what must be seen.
    let newest = -1;
    for (const write of list) write.ownFloor = newest = Math.max(newest, write.version);
  }
  return own;
}

/** The newest version that the process had written before `at`, or -1. */
export function ownFloor(list, at) {
  if (!list) return -1;
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].ownAt < at) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? -1 : list[low - 1].ownFloor;
}
