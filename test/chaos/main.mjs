/**
 * The judge: several application processes, a database that knows the truth, and faults. Prints a row per fault and
 * exits with 1 when anything was wrong for longer than promised. See docs/consistency.md; `--help` for the options.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../apps/services/index.mjs';
import { StopRequested, listenForStop } from '../../apps/services/stop-requests.mjs';
import { buildPackage } from './build.mjs';
import { plan } from './faults/index.mjs';
import { runMutants } from './mutants.mjs';
import { parseOptions } from './options.mjs';
import { explain, header, missedTargets, rowLine } from './report.mjs';
import { runRow } from './row.mjs';

const FAST = [
  '-c',
  'fsync=off',
  '-c',
  'synchronous_commit=off',
  '-c',
  'full_page_writes=off',
  '-c',
  'max_connections=200',
];

async function runAll(options, postgres, folder, signal) {
  const program = await buildPackage(join(folder, 'package'));
  const rows = [];
  let broken = 0;
  console.log(header());
  for (const { topology, fault, seed = options.seed } of plan(options)) {
    const row = await attempt({ ...options, topology, fault, seed, program, postgres, signal });
    if (!row) {
      broken += 1;
      continue;
    }
    rows.push(row);
    console.log(rowLine(row));
    for (const text of explain(row)) console.log(text);
    if (options.json)
      await writeFile(
        options.json,
        JSON.stringify({ seed: options.seed, boundMs: options.boundMs, rows }, null, 1),
      );
  }
  const sum = (name) => rows.reduce((total, row) => total + row[name], 0);
  const minutes = sum('seconds') / 60;
  console.log(
    `${sum('reads')} reads, ${sum('writes')} writes, ${sum('violations')} violations, ${minutes.toFixed(1)} minutes`,
  );
  for (const text of rows.flatMap(missedTargets)) console.log(`target missed: ${text}`);
  return sum('violations') === 0 && broken === 0 ? 0 : 1;
}

/** A row whose servers or fault could not be had is no verdict, but the others go on. */
async function attempt(options) {
  try {
    return await runRow({ ...options, loadMs: (options.seconds * 1000) / 6 });
  } catch (error) {
    options.signal.throwIfAborted();
    console.log(`${options.topology} ${options.fault.name}: could not be run: ${error.stack}`);
    return undefined;
  }
}

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    console.log(options.help);
    return;
  }
  console.log(`seed ${options.seed}, bound ${options.boundMs} ms, ${options.nodes} nodes`);
  const stop = listenForStop();
  const folder = await mkdtemp(join(tmpdir(), 'strata-chaos-'));
  let postgres;
  try {
    postgres = await startPostgres({ args: FAST, signal: stop.signal });
    const run = options.mutants === undefined ? runAll : runMutants;
    process.exitCode = await run(options, postgres, folder, stop.signal);
  } catch (error) {
    process.exitCode = 1;
    if (stop.signal.aborted || error instanceof StopRequested) console.error('stopped');
    else throw error;
  } finally {
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
    stop.dispose();
  }
}

await main();
