/** C5: how often entries were loaded against how often they were invalidated. */
import { COLUMNS, GROUP_SIZE, KIND, SPACES } from '../records.mjs';

const KEYED = SPACES.filter(({ by }) => by === 'key').map(({ name }) => name);

/**
 * @returns per entry: loads, and invalidations of it. Loads while a fence stood on the key are not counted, since
 *   then every reader loads, and nobody may fill; a fence that ended in ROLLBACK counts, for it deletes the value too.
 */
export function countLoads(processes, { byKey, committed }) {
  const entries = new Map();
  const entry = (space, id) => {
    const name = `${space}/${id}`;
    let one = entries.get(name);
    if (!one) entries.set(name, (one = { space, id, loads: 0, invalidations: 0 }));
    return one;
  };
  const fences = new Map();
  for (const [key, call, ret, , write] of rows(processes, KIND.FENCED)) {
    const list = fences.get(key) ?? [];
    fences.set(key, list);
    list.push([call, ret]);
    if (!committed.has(write)) for (const space of KEYED) entry(space, key).invalidations++;
  }
  for (const [id, call, ret, , , index] of rows(processes, KIND.LOAD)) {
    const { name, by } = SPACES[index];
    const fenced = by === 'key' && fences.get(id)?.some(([from, to]) => call < to && from < ret);
    if (!fenced) entry(name, id).loads++;
  }
  for (const [key, list] of byKey) {
    const group = Math.floor((key - 1) / GROUP_SIZE);
    const siblings = Array.from({ length: GROUP_SIZE }, (_, i) => group * GROUP_SIZE + 1 + i);
    for (const write of list) {
      if (!write) continue;
      for (const space of KEYED) entry(space, key).invalidations++;
      for (const space of ['groups', 'sgroups']) entry(space, group).invalidations++;
      for (const sibling of siblings) entry('late', sibling).invalidations++;
    }
  }
  return [...entries.values()];
}

function* rows(processes, kind) {
  for (const { records } of processes)
    for (let at = 0; at < records.length; at += COLUMNS)
      if (records[at] === kind) yield records.subarray(at + 1, at + COLUMNS);
}

/** Loads that exceed the first one of each entry, per invalidation of an entry. */
export function loadsPerInvalidation(entries) {
  let extra = 0;
  let invalidations = 0;
  for (const entry of entries) {
    extra += Math.max(0, entry.loads - 1);
    invalidations += entry.invalidations;
  }
  return invalidations === 0 ? 0 : extra / invalidations;
}

/** Per namespace, for the report. */
export function loadsBySpace(entries) {
  return Object.fromEntries(
    SPACES.map(({ name }) => [name, loadsPerInvalidation(entries.filter(({ space }) => space === name))]),
  );
}
