/** Where a running demo leaves the address of its database, for `npm run sql`: in its run folder, which is 0700. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { livingRuns } from '../../services/run-folder.mjs';

const FILE = 'demo.json';

/** Only a database that the demo has provided is noted: its URL holds no secret. */
export async function noteDatabase(run, { url, pid }) {
  if (pid !== undefined) await writeFile(join(run.base, FILE), JSON.stringify({ url }), { mode: 0o600 });
}

/** Of the demo that was started last; undefined when none runs. */
export async function findDatabase() {
  for (const base of await livingRuns()) {
    try {
      const { url } = JSON.parse(await readFile(join(base, FILE), 'utf8'));
      if (typeof url === 'string') return url;
    } catch {
      // the run of a test or of `npm run services`, or one that is just starting or ending
    }
  }
  return undefined;
}
