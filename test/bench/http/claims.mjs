/**
 * What the project's founding texts promise of such a cache, beside what was measured: figures of one run on one machine,
 * told as they are. They are no targets that `--check` holds a run against.
 */
import { median } from '../harness/statistics.mjs';
import { DEMO } from './contenders.mjs';

const atLeast = (limit, unit = '') => ({ target: `>= ${limit}${unit}`, holds: (value) => value >= limit });
const below = (limit, unit = '') => ({ target: `< ${limit}${unit}`, holds: (value) => value < limit });

const RATE = 'requests per second';
const STATEMENTS = 'database statements per request';

/** How many times less it is with the cache. */
const less =
  (path, name, without = DEMO.off) =>
  (bench) =>
    bench.ratio(path, without, name);
const more = (path, name) => (bench) => bench.ratio(path, name, DEMO.off);
const figure = (path, name) => (bench) => {
  const rounds = bench.rounds(path, name);
  return rounds && median(rounds);
};
/** Percent less than with the cache off. */
const saved = (path, name) => (bench) => {
  const ratio = bench.ratio(path, name, DEMO.off);
  return ratio === undefined ? undefined : 100 * (1 - ratio);
};

const NEAR =
  'The database is on this machine and answers from memory: without the cache there is little to save, and with it HTTP itself is most of what is left.';
const FLOOR =
  'In one process there is not more to be had than what Nest answers constants with (the floor), and the load, PostgreSQL and Redis share the processors with it.';

/** The claim, how it was measured, what counts as kept, and what to know about it. */
// prettier-ignore
const CLAIMS = [
  ['API responses 10 x faster: p50, 1 connection', less('reads, 1 connection: latency, p50', DEMO.both), atLeast(10), NEAR],
  ['the same with the database 2 ms away', less('reads, 1 connection: latency, p50', DEMO.both, DEMO.far), atLeast(10), 'As most databases are.'],
  ['API responses 10 x faster: p50, 32 connections', less('reads, 32 connections: latency, p50', DEMO.both), atLeast(10), NEAR],
  ['dashboards 5 x faster: a list, p50, 1 connection', less('list, 1 connection: latency, p50', DEMO.both), atLeast(5), NEAR],
  ['8 x the requests per second: reads', more(`reads: ${RATE}`, DEMO.both), atLeast(8), FLOOR],
  ['> 10,000 requests per second: reads, L1 only', figure(`reads: ${RATE}`, DEMO.l1), atLeast(10_000), FLOOR],
  ['> 10,000 requests per second: reads, L1 + L2', figure(`reads: ${RATE}`, DEMO.both), atLeast(10_000), FLOOR],
  ['database load -70 to -95 %: reads', saved(`reads: ${STATEMENTS}`, DEMO.both), atLeast(95, ' %'), 'What is left are prices, which live one second.'],
  ['database load -70 to -95 %: 2 % writes', saved(`2 % writes: ${STATEMENTS}`, DEMO.both), atLeast(70, ' %'), 'Writes, and the reads whose entries they end.'],
  ['processor -40 %: of the node, per read', saved('reads: processor time of the server per request', DEMO.both), atLeast(40, ' %'), 'Without what PostgreSQL saves.'],
  ['hit rate > 95 %', figure('hit rate', DEMO.both), atLeast(95, ' %'), 'Over the whole run, with its writes and cold start.'],
  ['L1 < 1 ms: in the process, p99, ms', figure('in the process: latency, p99', 'L1 hit'), below(1, ' ms'), "The library's own histogram, under full load."],
  ['L1 < 1 ms: an instrument over HTTP, 1 connection, p99, ms', figure('instrument, 1 connection: latency, p99', DEMO.both), below(1, ' ms'), 'With HTTP, and with whatever else the machine does.'],
  ['L2 < 10 ms: an instrument over HTTP, 1 connection, p99, ms', figure('instrument, 1 connection: latency, p99', DEMO.l2), below(10, ' ms'), 'The read, HTTP, and the fill of L1.'],
  ['L2 < 10 ms: in the process, under full load, p99, ms', figure('in the process: latency, p99', 'L2 hit'), below(10, ' ms'), 'The answers of Redis wait for the event loop, which 32 connections keep busy: queueing, not Redis.'],
  ['responses < 100 ms: 32 connections, p99, ms', figure('reads, 32 connections: latency, p99', DEMO.both), below(100, ' ms'), 'At full load.'],
];

export function judgeClaims(bench) {
  for (const [path, measure, { target, holds }, why] of CLAIMS) {
    const measured = measure(bench);
    if (measured !== undefined) bench.claim({ path, measured, target, met: holds(measured), why });
  }
}
