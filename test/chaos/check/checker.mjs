/**
 * The checker: proves or refutes, from the records of all processes and the database's history, what docs/consistency
 * promises. Pure: no clock, no file.
 *
 * C1 a read that began at c returns at least the newest version acknowledged before c - B (B = 0: strict)
 * C2 never a rolled-back or uncommitted version
 * C3 at least the version whose position was demanded, and on the writer's own process what it has written
 * C4 after the faults every tier of every node equals the database (see audit.mjs)
 * C5 with a healthy bus one load per invalidation and entry
 */
import { COLUMNS, KIND, SPACES } from '../records.mjs';
import { assemble, ownFloor, ownWrites, supersededAt } from './history.mjs';
import { Staleness } from './staleness.mjs';

/** Of each kind so many are kept to be shown; all are counted. */
const KEPT = 5;

export class Violations {
  counts = {};
  kept = [];

  add(kind, details) {
    const count = (this.counts[kind] = (this.counts[kind] ?? 0) + 1);
    if (count <= KEPT) this.kept.push({ kind, ...details });
  }

  get total() {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }
}

/**
 * @param {object} run
 * @param {{node: number, incarnation: number, killed: boolean, records: Float64Array}[]} run.processes
 * @param {Map<number, {id: number, v: number}>} run.committed
 * @param {number} run.boundMs
 * @param {boolean} [run.fencesCount] false: a fence may have been wiped, so only answered invalidations count
 * @returns `{ reads, writes, staleness, violations, history }`
 */
export function check({ processes, committed, boundMs, fencesCount = true }, violations = new Violations()) {
  const history = assemble(processes, committed, fencesCount);
  const timelines = { key: supersededAt(history.byKey, 'key'), tag: supersededAt(history.byKey, 'tag') };
  const own = ownWrites(history.writes);
  const boundNs = boundMs * 1e6;
  const staleness = new Staleness();
  let reads = 0;
  processes.forEach(({ records, node, incarnation }, process) => {
    for (let at = 0; at < records.length; at += COLUMNS) {
      const kind = records[at];
      if (kind !== KIND.READ && kind !== KIND.READ_MORE) continue;
      if (kind === KIND.READ) reads++;
      const [, key, call, ret, version, write, spaceIndex, demanded] = records.subarray(at, at + COLUMNS);
      const space = SPACES[spaceIndex];
      const tell = (violation, why, against) =>
        violations.add(violation, {
          why,
          key,
          space: space.name,
          node,
          incarnation,
          process,
          call,
          ret,
          version,
          write,
          against,
        });

      const made = version === 0 && write === 0 ? null : committed.get(write);
      if (made === undefined || (made !== null && (made.id !== key || made.v !== version))) {
        tell('C2', 'returned a version that was never committed', [history.writes.get(write)]);
        continue;
      }
      if (made !== null && ret < history.writes.get(write)?.commitCall)
        tell('C2', 'returned a version before its COMMIT was sent', [history.writes.get(write)]);

      const since = timelines[space.by].get(key)?.[version] ?? Infinity;
      const staleNs = Math.max(0, call - since);
      if (kind === KIND.READ || staleNs > 0) staleness.add(staleNs / 1e6);
      if (staleNs > (space.strict ? 0 : boundNs))
        tell(
          'C1',
          `${(staleNs / 1e6).toFixed(3)} ms after a newer version was acknowledged`,
          newer(history, key, version),
        );

      if (demanded >= 0 && version < demanded)
        tell('C3', `minPosition of version ${demanded} was demanded`, newer(history, key, version));
      const floor = ownFloor(own.get(`${process}/${key}`), call);
      if (version < floor)
        tell('C3', `this process had written version ${floor}`, newer(history, key, version));
    }
  });
  return { reads, writes: committed.size, staleness, violations, history };
}

/** The writes that made the returned version old. */
function newer({ byKey }, key, version) {
  return (byKey.get(key) ?? []).slice(version, version + 6).filter(Boolean);
}
