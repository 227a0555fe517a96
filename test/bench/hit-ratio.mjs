/**
 * Hit ratios of L1's eviction policy beside the known ones: on real traces at 30 (trace, capacity) points when a folder
 * has them, and on made-up families of requests.
 *
 *   STRATA_TRACES=<folder> node test/bench/hit-ratio.mjs [<folder>] [--seed N] [--quick] [--json FILE] [--build FOLDER]
 *
 * --quick: our policy and LRU only. --build: a folder with dist/ (default: the product is built first).
 * JSON: { seed, rows: [{ trace, capacity, policy, hitRatio }], families: [the same] }; without traces the rows are the
 * families.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { FAMILY_NAMES, make } from './hit-ratio/families.mjs';
import { BASELINES, replayBaseline, replayOurs } from './hit-ratio/replay.mjs';
import { POINTS, PUBLISHED, readTrace } from './hit-ratio/traces.mjs';
import { buildProduct } from './prepare.mjs';

const OURS = 'strata';
const FAMILY_REQUESTS = 120_000;
const FAMILY_SCALE = 500;
const FAMILY_CAPACITIES = [150, 500, 1500];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    build: { type: 'string' },
  },
});
const seed = Number(options.seed);
const folder = positionals[0] ?? process.env.STRATA_TRACES;
const policies = [OURS, ...(options.quick ? ['LRU'] : [...Object.keys(BASELINES), 'OPT'])];

async function load() {
  const built =
    options.build === undefined
      ? await buildProduct((line) => console.error(line))
      : { folder: options.build };
  const from = (file) =>
    import(pathToFileURL(join(built.folder, 'dist/libs/tiered-cache/src/memory/policy', file)).href);
  const [{ GittinsPolicy }, { KeyHash }] = [await from('gittins-policy.js'), await from('key-hash.js')];
  await built.remove?.();
  return { GittinsPolicy, KeyHash };
}

function measure(ours, trace, keys, capacity) {
  return policies.map((policy) => ({
    trace,
    capacity,
    policy,
    hitRatio:
      policy === OURS ? replayOurs(ours, keys, capacity, seed) : replayBaseline(policy, keys, capacity),
  }));
}

const cell = (value) => (Number.isFinite(value) ? value.toFixed(2) : '-').padStart(10);

function print(title, width, points) {
  console.log(`\n${title.padEnd(width)}${policies.map((name) => name.padStart(10)).join('')}`);
  for (const rows of points)
    console.log(
      `${`${rows[0].trace} ${rows[0].capacity}`.padEnd(width)}${rows.map((row) => cell(row.hitRatio)).join('')}`,
    );
  const column = (policy) => points.map((rows) => rows.find((row) => row.policy === policy).hitRatio);
  const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  console.log(`${'mean'.padEnd(width)}${policies.map((policy) => cell(mean(column(policy)))).join('')}`);
  const lru = column('LRU');
  const worst = (policy) => Math.min(...column(policy).map((ratio, i) => ratio - lru[i]));
  console.log(`${'worst beside LRU'.padEnd(width)}${policies.map((policy) => cell(worst(policy))).join('')}`);
}

/** How far our simulators of the known policies are from the published figures, at the most. */
function printValidation(points) {
  const off = PUBLISHED.filter((policy) => policies.includes(policy)).map((policy) => {
    const differences = points.map((rows) => {
      const published = POINTS[rows[0].trace][rows[0].capacity][PUBLISHED.indexOf(policy)];
      return Math.abs(rows.find((row) => row.policy === policy).hitRatio - published);
    });
    return `${policy} ${Math.max(...differences.filter(Number.isFinite)).toFixed(2)}`;
  });
  console.log(`\nlargest difference from published figures, in points: ${off.join(', ')}`);
}

const ours = await load();
console.log(`seed ${seed}`);

const real = [];
if (folder !== undefined)
  for (const [trace, capacities] of Object.entries(POINTS)) {
    const keys = readTrace(folder, trace);
    if (keys === undefined) {
      console.log(`${trace}: not in ${folder}, skipped`);
      continue;
    }
    for (const capacity of Object.keys(capacities)) real.push(measure(ours, trace, keys, Number(capacity)));
  }
else console.log('no real traces: give a folder, or STRATA_TRACES');
if (real.length > 0) {
  print('real trace', 20, real);
  printValidation(real);
}

const families = [];
for (const family of FAMILY_NAMES) {
  const keys = make(family, seed, FAMILY_REQUESTS, FAMILY_SCALE);
  for (const capacity of FAMILY_CAPACITIES) families.push(measure(ours, family, keys, capacity));
}
print('family', 44, families);

if (options.json !== undefined) {
  const rows = real.length > 0 ? real.flat() : families.flat();
  writeFileSync(options.json, JSON.stringify({ seed, rows, families: families.flat() }, null, 2));
}
