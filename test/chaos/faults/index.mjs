/** All faults, and which rows a run has. */
import { none } from './none.mjs';
import { redisKill, redisStop } from './redis-process.mjs';

export const FAULTS = [none, redisKill, redisStop];

export function plan({ faults, topologies = ['standalone'] }) {
  const known = new Map(FAULTS.map((fault) => [fault.name, fault]));
  for (const name of faults ?? []) if (!known.has(name)) throw new Error(`no such fault: ${name} (${[...known.keys()].join(', ')})`);
  const chosen = faults ? faults.map((name) => known.get(name)) : FAULTS;
  return topologies.flatMap((topology) =>
    chosen.filter((fault) => !fault.topologies || fault.topologies.includes(topology)).map((fault) => ({ topology, fault })),
  );
}
