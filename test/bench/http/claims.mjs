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

const CLAIMS = [
  ['API responses faster (p50, 32 connections, L1 + L2), times', less('reads, 32 connections: latency, p50', DEMO.both), atLeast(10)], // prettier-ignore
  ['API responses faster (p50, 1 connection, L1 + L2), times', less('reads, 1 connection: latency, p50', DEMO.both), atLeast(10)], // prettier-ignore
  ['API responses faster, database 2 ms away (p50, 1 connection, L1 + L2), times', less('reads, 1 connection: latency, p50', DEMO.both, DEMO.far), atLeast(10)], // prettier-ignore
  ['a list, answered faster (p50, 1 connection, L1 + L2), times', less('list, 1 connection: latency, p50', DEMO.both), atLeast(5)], // prettier-ignore
  ['requests per second (reads, L1 + L2), times', more(`reads: ${RATE}`, DEMO.both), atLeast(8)],
  ['requests per second (reads, L1 only)', figure(`reads: ${RATE}`, DEMO.l1), atLeast(10_000)],
  ['requests per second (reads, L1 + L2)', figure(`reads: ${RATE}`, DEMO.both), atLeast(10_000)],
  ['database load, % less (reads, L1 + L2)', saved(`reads: ${STATEMENTS}`, DEMO.both), atLeast(95, ' %')],
  ['database load, % less (2 % writes, L1 + L2)', saved(`2 % writes: ${STATEMENTS}`, DEMO.both), atLeast(70, ' %')], // prettier-ignore
  ['processor time of the server, % less (reads, L1 + L2)', saved('reads: processor time of the server per request', DEMO.both), atLeast(40, ' %')], // prettier-ignore
  ['hit rate, % (L1 + L2)', figure('hit rate', DEMO.both), atLeast(95, ' %')],
  ['an L1 hit in the process, p99, ms', figure('in the process: latency, p99', 'L1 hit'), below(1, ' ms')],
  ['an instrument over HTTP, 1 connection, from L1, p99, ms', figure('instrument, 1 connection: latency, p99', DEMO.both), below(1, ' ms')], // prettier-ignore
  ['an L2 hit in the process, under full load, p99, ms', figure('in the process: latency, p99', 'L2 hit'), below(10, ' ms')], // prettier-ignore
  ['an instrument over HTTP, 1 connection, from L2, p99, ms', figure('instrument, 1 connection: latency, p99', DEMO.l2), below(10, ' ms')], // prettier-ignore
  ['a read over HTTP, 32 connections, L1 + L2, p99, ms', figure('reads, 32 connections: latency, p99', DEMO.both), below(100, ' ms')], // prettier-ignore
];

export function judgeClaims(bench) {
  for (const [path, measure, { target, holds }] of CLAIMS) {
    const measured = measure(bench);
    if (measured !== undefined) bench.claim({ path, measured, target, met: holds(measured) });
  }
}
