/**
 * Hit ratios of L1's policy beside the known ones. The replaying is ../hit-ratio.mjs, a program of its own that answers
 * `--json FILE` with `{ rows: [{ trace, capacity, policy, hitRatio }] }` (per cent); here it becomes rows. Traces come from the
 * folder STRATA_TRACES. Without it they are made up, and say nothing about the targets, which are about the real ones.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PROGRAM = fileURLToPath(new URL('../hit-ratio.mjs', import.meta.url));
const OURS = 'strata';
const LRU = 'LRU';

export async function hitRatio(bench) {
  if (!existsSync(PROGRAM)) {
    bench.log('  skipped: there is no test/bench/hit-ratio.mjs');
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'strata-hit-ratio-'));
  try {
    const file = join(folder, 'result.json');
    const { quick, seed } = bench.options;
    const options = [
      '--json',
      file,
      '--seed',
      String(seed),
      '--build',
      bench.context.build,
      ...(quick ? ['--quick'] : []),
    ];
    await run(process.execPath, [PROGRAM, ...options], { maxBuffer: 2 ** 26 });
    report(bench, JSON.parse(await readFile(file, 'utf8')).rows);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function report(bench, rows) {
  const points = new Map();
  for (const { trace, capacity, policy, hitRatio: ratio } of rows) {
    const path = `hit ratio: ${trace}, ${capacity} entries`;
    bench.row('hit-ratio', path, policy, [ratio], '%');
    if (!points.has(path)) points.set(path, {});
    points.get(path)[policy] = ratio;
  }
  const real = process.env.STRATA_TRACES !== undefined;
  const kind = real ? '' : ' (made-up traces)';
  for (const policy of new Set(rows.map((row) => row.policy))) {
    const ratios = [...points.values()].map((point) => point[policy]).filter((ratio) => ratio !== undefined);
    bench.row(
      'hit-ratio',
      `hit ratio: mean${kind}`,
      policy,
      [ratios.reduce((sum, one) => sum + one, 0) / ratios.length],
      '%',
    );
  }
  const under = [...points.values()]
    .map((point) => point[LRU] - point[OURS])
    .filter((points_) => !Number.isNaN(points_));
  if (under.length > 0)
    bench.row('hit-ratio', `hit ratio: most under LRU${kind}`, OURS, [Math.max(...under)], 'points');
}
