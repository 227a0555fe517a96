/** The table, a line as each row ends, and what is needed to debug a violation. */

const COLUMNS = [
  ['topology', 10, (row) => row.topology],
  ['fault', 22, (row) => row.fault],
  ['reads', 8, (row) => row.reads],
  ['writes', 7, (row) => row.writes],
  ['viol.', 6, (row) => row.violations],
  ['p50', 6, (row) => ms(row.staleness.p50)],
  ['p99', 6, (row) => ms(row.staleness.p99)],
  ['p99.9', 6, (row) => ms(row.staleness.p999)],
  ['max', 6, (row) => ms(row.staleness.max)],
  ['recov.', 7, (row) => ms(row.recoveryMs)],
  ['cycles', 6, (row) => row.cycles],
  ['fills rej.', 10, (row) => row.fillsRejected],
  ['loads/inv.', 10, (row) => row.loadsPerInvalidation.toFixed(2)],
];

const ms = (value) =>
  Number.isFinite(value) ? (value < 10 ? value.toFixed(1) : String(Math.round(value))) : '-';

const line = (cells) =>
  cells
    .map((cell, i) => (i < 2 ? String(cell).padEnd(COLUMNS[i][1]) : String(cell).padStart(COLUMNS[i][1])))
    .join(' ');

export const header = () => line(COLUMNS.map(([title]) => title));

export const rowLine = (row) => line(COLUMNS.map(([, , value]) => value(row)));

/** Each kind's first violations, with the operations around them; times in ms relative to the read's call. */
export function explain(row) {
  const lines = [];
  for (const {
    kind,
    why,
    against,
    call,
    ret,
    space,
    key,
    node,
    incarnation,
    version,
    write,
    ...rest
  } of row.examples) {
    lines.push(`  ${kind} ${why}`);
    if (call !== undefined)
      lines.push(
        `     read ${space}:${key} on node ${node}.${incarnation} took ${relative(ret, call)} ms, returned version ${version} (write ${write}); seed ${row.seed}, at ${(call / 1e6).toFixed(3)}`,
      );
    else
      lines.push(`     ${JSON.stringify({ space, key, node, version, what: rest.what })}; seed ${row.seed}`);
    for (const one of against ?? [])
      if (one)
        lines.push(
          `     write ${one.id}: version ${one.version} by process ${one.process}${one.orm ? ' (ORM)' : ''}, COMMIT ${relative(one.commitCall, call)} to ${relative(one.commitReturn, call)}` +
            `${one.fenced ? ' fenced' : ''}${one.rolledBack ? ' ROLLED BACK' : ''}, invalidation ${relative(one.sentAt, call)} to ${relative(one.answeredAt, call)}` +
            ` ${one.acknowledged ? 'acknowledged' : 'not acknowledged'}, own ${relative(one.ownAt, call)}`,
        );
  }
  return lines;
}

const relative = (ns, from = 0) => (ns === undefined ? '-' : ((ns - from) / 1e6).toFixed(3));

/** Targets that are no violations of the protocol, but are asked for. */
export function missedTargets(row) {
  const missed = [];
  if (row.fault === 'none' && row.staleness.p99 > 10)
    missed.push(`p99 staleness ${ms(row.staleness.p99)} ms > 10 ms`);
  if (row.recoveryMs > 2_000) missed.push(`recovery ${ms(row.recoveryMs)} ms > 2000 ms`);
  return missed.map((text) => `${row.topology}/${row.fault}: ${text}`);
}
