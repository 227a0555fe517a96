/**
 * The table of targets (docs/performance.md). `measured` is a ratio within one run, or undefined when its suite did not
 * run; then there is no row.
 */
import { median } from './statistics.mjs';

const MAP = 'async function around a Map';
const RAW = 'raw ioredis';
/** The caches with two tiers; async-cache-dedupe has one or the other. */
const TWO_TIERS = ['cache-manager', 'cacheable', 'bentocache'];

const atMost = (limit) => ({ target: `<= ${limit}`, holds: (measured) => measured <= limit });
const atLeast = (limit) => ({ target: `>= ${limit}`, holds: (measured) => measured >= limit });

/** Of the two-tier caches that were measured on the path, the fastest. */
function overBestPeer(bench, path) {
  const ratios = bench
    .contenders(path)
    .filter((name) => TWO_TIERS.includes(name))
    .map((name) => bench.ratio(path, name, 'strata'));
  return ratios.length === 0 ? undefined : Math.min(...ratios);
}

const times = (path, a, b) => (bench) => bench.ratio(path, a, b);

function beyondAwait(contender) {
  return (bench) => {
    const own = bench.rounds('allocation per L1 hit', contender);
    const floor = bench.rounds('allocation of the await', MAP);
    return own === undefined || floor === undefined ? undefined : median(own) - median(floor);
  };
}

const figure = (path, contender) => (bench) => {
  const rounds = bench.rounds(path, contender);
  return rounds === undefined ? undefined : median(rounds);
};

const HIT = 'getOrSet L1 hit';
const ONE = 'decorator hit, 1 argument';
const TARGETS = [
  ['peek hit: time, Map.get = 1', times('peek hit', 'strata', 'Map'), atMost(1.4)],
  ['peek hit: times faster than lru-cache with ttl', times('peek hit', 'lru-cache', 'strata'), atLeast(1.3)],
  ['getOrSet L1 hit: time, async function around a Map = 1', times(HIT, 'strata', MAP), atMost(1.1)],
  ['getOrSet L1 hit: times faster than cache-manager', times(HIT, 'cache-manager', 'strata'), atLeast(11)],
  ['getOrSet L1 hit: times faster than cacheable', times(HIT, 'cacheable', 'strata'), atLeast(40)],
  ['getOrSet L1 hit: times faster than bentocache', times(HIT, 'bentocache', 'strata'), atLeast(40)],
  [
    'decorator hit, 1 argument: time, async function around a Map = 1',
    times(ONE, 'strata', MAP),
    atMost(1.1),
  ],
  [
    'decorator hit, 1 argument: times faster than async-cache-dedupe',
    times(ONE, 'async-cache-dedupe', 'strata'),
    atLeast(8),
  ],
  ['allocation on an L1 hit, getOrSet: bytes beyond the await', beyondAwait('strata'), atMost(100)],
  [
    'allocation on an L1 hit, decorator: bytes beyond the await',
    beyondAwait('strata, decorator'),
    atMost(100),
  ],
  ['L2 hit, c1: latency, raw GET = 1', times('L2 hit, c1', 'strata', RAW), atMost(1.05)],
  ['L2 hit, c64: throughput, raw GET = 1', times('L2 hit, c64', RAW, 'strata'), atLeast(1)],
  ['L2 hit, c1024: throughput, raw GET = 1', times('L2 hit, c1024', RAW, 'strata'), atLeast(1.7)],
  ['full miss, c1: latency, raw GET + SET = 1', times('full miss, c1', 'strata', RAW), atMost(1.1)],
  [
    'full miss, c1024: throughput, best two-tier peer = 1',
    (bench) => overBestPeer(bench, 'full miss, c1024'),
    atLeast(3),
  ],
  ['getMany 100 from L2: time, raw MGET + decode = 1', times('getMany 100, L2', 'strata', RAW), atMost(1.15)],
  [
    'getMany 100 from L1: times faster than the best two-tier peer',
    (bench) => overBestPeer(bench, 'getMany 100, L1'),
    atLeast(100),
  ],
  ['stampede, 4 processes x 250: loads', figure('stampede: loads', 'strata'), atMost(1)],
  [
    'stampede, 4 processes x 250: time, the loader = 1',
    figure('stampede: time / loader', 'strata'),
    atMost(1.2),
  ],
  ['hit ratio: mean over all points, %', figure('hit ratio: mean', 'strata'), atLeast(49.4)],
  ['hit ratio: most points under LRU at any', figure('hit ratio: most under LRU', 'strata'), atMost(1)],
  ['memory per small entry, 1e5: lru-cache with ttl and maxSize = 1', memory(1e5), atMost(1)],
  ['memory per small entry, 1e6: lru-cache with ttl and maxSize = 1', memory(1e6), atMost(1)],
];

function memory(entries) {
  return times(`heap per entry, ${entries} entries`, 'strata', 'lru-cache, ttl and maxSize');
}

/** @returns {{ path: string, measured: number, target: string, met: boolean }[]} */
export function judgeTargets(bench) {
  return TARGETS.flatMap(([path, measure, { target, holds }]) => {
    const measured = measure(bench);
    return measured === undefined ? [] : [{ path, measured, target, met: holds(measured) }];
  });
}
