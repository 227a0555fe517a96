const SHOWN = [
  'redis_version',
  'used_memory',
  'maxmemory',
  'maxmemory_policy',
  'connected_clients',
  'keyspace_hits',
  'keyspace_misses',
  'evicted_keys',
  'expired_keys',
  'total_commands_processed',
];

/** The figures of INFO worth showing, under their own names; numbers as numbers. */
export function pickInfo(info: string): Record<string, string | number> {
  const figures: Record<string, string | number> = {};
  for (const line of info.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1);
    if (SHOWN.includes(name)) figures[name] = /^\d+$/.test(value) ? Number(value) : value;
  }
  return figures;
}
