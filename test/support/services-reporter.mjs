/** Counts for the last lines of `npm test` (see test/run.mjs), which come after Jest's own. */
import { writeFileSync } from 'node:fs';

/** Part of the names that test/support/services.ts gives to suites skipped for want of a server. */
const SKIPPED_FOR_WANT = '[skipped: needs';

export default class ServicesReporter {
  onRunComplete(_contexts, results) {
    const file = process.env.TEST_SUMMARY_FILE;
    if (!file) return;
    const tests = results.testResults.flatMap((suite) => suite.testResults);
    const withoutServer = tests.filter((test) =>
      test.ancestorTitles.some((title) => title.includes(SKIPPED_FOR_WANT)),
    );
    const summary = {
      passed: results.numPassedTests,
      // A file that could not even be loaded has no tests to count, but must not look like success.
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
      withoutServer: withoutServer.length,
      unavailable: JSON.parse(process.env.TEST_UNAVAILABLE ?? '[]'),
    };
    writeFileSync(file, JSON.stringify(summary));
  }
}
