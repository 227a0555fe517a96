/** C5: how often entries were loaded against how often they were invalidated. */
import { COLUMNS, GROUP_SIZE, KIND, SPACES } from '../records.mjs';

/** @returns per entry, `space/id`: loads; and invalidations of it. */
export function countLoads(processes, { byKey }) {
  const entries = new Map();
  const entry = (space, id) => {
    const name = `${space}/${id}`;
    let one = entries.get(name);
    if (!one) entries.set(name, (one = { space, id, loads: 0, invalidations: 0 }));
    return one;
  };
  for (const { records } of processes)
    for (let at = 0; at < records.length; at += COLUMNS)
      if (records[at] === KIND.LOAD) entry(SPACES[records[at + 6]].name, records[at + 1]).loads++;
  for (const [key, list] of byKey) {
    const group = Math.floor((key - 1) / GROUP_SIZE);
    const siblings = Array.from({ length: GROUP_SIZE }, (_, i) => group * GROUP_SIZE + 1 + i);
    for (const write of list) {
      if (!write) continue;
      for (const space of ['items', 'strict']) entry(space, key).invalidations++;
      for (const space of ['groups', 'sgroups']) entry(space, group).invalidations++;
      for (const sibling of siblings) entry('late', sibling).invalidations++;
    }
  }
  return [...entries.values()];
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
