/**
 * `npm run bench`: the product beside its peers and beside the floor, in one run (docs/performance.md).
 *
 * How it stays fair. Every contender has a process of its own (harness/turns.mjs says why) and a loop compiled for it
 * (harness/loop.mjs); contenders take short turns in another order each round; a figure is the median over the rounds,
 * with the fastest and the slowest round beside it; ratios are taken within rounds. The floor gets what we get: the same
 * ids, the same values, the same loop, its own best type feedback. Answers are checked.
 */
import { writeFile } from 'node:fs/promises';
import { startRedis } from '../../apps/services/index.mjs';
import { Bench } from './harness/bench.mjs';
import { randomOf } from './harness/random.mjs';
import { rowsTable, targetsTable } from './harness/report.mjs';
import { judgeTargets } from './harness/targets.mjs';
import { versions } from './harness/versions.mjs';
import { HELP, UsageError, readOptions } from './options.mjs';
import { HERE, ROOT, buildProduct, ensurePeers } from './prepare.mjs';

/** Loaded when wanted: they import the peers, which may have to be installed first. */
const SUITE_FILES = {
  stampede: 'stampede',
  memory: 'memory',
  'hit-ratio': 'hit-ratio',
  http: 'http',
  growth: 'growth',
};

async function suiteOf(name) {
  const module = await import(`./suites/${SUITE_FILES[name] ?? 'micro'}.mjs`);
  return module[name.replace(/-(\w)/, (_, letter) => letter.toUpperCase())];
}

/** @returns {Promise<number>} the exit code */
async function main(argv) {
  const options = readOptions(argv);
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const log = (line) => console.error(line);
  await ensurePeers(log);
  const built =
    options.build === undefined
      ? await buildProduct(log)
      : { folder: options.build, remove: async () => undefined };
  const bench = new Bench(options, {
    build: built.folder,
    random: randomOf(options.seed),
    log,
    startRedis: () => startRedis({ args: ['--maxclients', '1000'] }),
  });
  const clean = () => Promise.allSettled([bench.end(), built.remove()]);
  // Processes of contenders end with ours; Redis and the build do not.
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => void clean().then(() => process.exit(signal === 'SIGINT' ? 130 : 143)));
  try {
    const known = await versions({ here: HERE, root: ROOT });
    for (const suite of options.suites) {
      log(`${suite} ...`);
      const startedAt = performance.now();
      await (
        await suiteOf(suite)
      )(bench);
      log(`  ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`);
      const rows = bench.rows.filter((row) => row.suite === suite);
      if (rows.length > 0) console.log(rowsTable(suite, rows));
    }
    if (bench.claims.length > 0) console.log(targetsTable(bench.claims, 'Claims'));
    if (bench.redisVersion !== undefined) known.redis = bench.redisVersion;
    const targets = judgeTargets(bench);
    if (targets.length > 0) console.log(targetsTable(targets));
    console.log(
      `\n${Object.entries(known)
        .map(([name, version]) => `${name} ${version}`)
        .join('; ')}; seed ${options.seed}`,
    );
    if (options.json !== undefined)
      await writeFile(
        options.json,
        `${JSON.stringify({ versions: known, rows: bench.rows, targets: [...targets, ...bench.claims] }, null, 2)}\n`,
      );
    return options.check && targets.some(({ met }) => !met) ? 1 : 0;
  } finally {
    await clean();
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\n\n${HELP}` : error);
  process.exitCode = 2;
}
