/**
 * `npm test [-- jest arguments]`: builds what is stale (some tests run the compiled output), runs Jest, and says
 * last how many tests passed, failed and were skipped, and how to get a server that was missing.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from '../apps/services/launch.mjs';
import { StopRequested, listenForStop } from '../apps/services/stop-requests.mjs';
import { ROOT, ensureBuilt } from '../apps/trading/runner/build.mjs';

const STOP_WITHIN_MS = 5000;
const MAX_WORKERS = 4;

function jestArguments(passedOn) {
  const choosesWorkers = passedOn.some((argument) => /^(--maxWorkers|--runInBand|-w|-i)\b/.test(argument));
  // Much of the time is spent waiting for servers: two workers even on one core.
  const workers = Math.min(MAX_WORKERS, Math.max(2, availableParallelism()));
  return [
    ...(choosesWorkers ? [] : [`--maxWorkers=${workers}`]),
    ...passedOn,
    // Last, because the option takes every file name that follows for a reporter.
    '--reporters=default',
    `--reporters=${join(ROOT, 'test/support/services-reporter.mjs')}`,
  ];
}

/** Jest's exit code; a stop request ends it, and its services end with it. */
async function runJest(summaryFile, stop) {
  const jest = createRequire(join(ROOT, 'package.json')).resolve('jest/bin/jest');
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const child = launch(process.execPath, [jest, ...jestArguments(process.argv.slice(2))], {
    deathSignal: 'TERM',
    detached: false, // Jest is not a service: Ctrl-C may reach it
    stdio: 'inherit',
    cwd: ROOT,
    env: {
      ...process.env,
      NODE_OPTIONS: [process.env.NODE_OPTIONS, ...flags].filter(Boolean).join(' '),
      TEST_SUMMARY_FILE: summaryFile,
    },
  });
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal ? 1 : code));
  });
  void stop.requested.then(() => {
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS).unref();
  });
  const code = await ended;
  stop.signal.throwIfAborted();
  return code;
}

function report({ passed, failed, skipped, withoutServer, unavailable }) {
  if (unavailable.length > 0) {
    console.log(`\n${withoutServer} tests were skipped because a server cannot be had:`);
    for (const { service, reason, fix } of unavailable)
      console.log(`  ${service}: ${reason}\n  To fix it: ${fix}`);
  }
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
}

async function main() {
  const stop = listenForStop();
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-strata-test-'));
  try {
    await ensureBuilt({ log: console.log, signal: stop.signal });
    const summaryFile = join(folder, 'summary.json');
    const code = await runJest(summaryFile, stop);
    // Absent when Jest ran no tests (--listTests, a failed set-up): it has said what there is to say.
    const summary = await readFile(summaryFile, 'utf8').catch(() => undefined);
    if (summary) report(JSON.parse(summary));
    return code;
  } catch (error) {
    if (error instanceof StopRequested) return 1;
    console.error(error.message);
    return 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
    stop.dispose();
  }
}

process.exitCode = await main();
