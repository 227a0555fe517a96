/**
 * Writes rows as another program would: `node second-bus.writer.mjs <url> <writes per second> <rows>`. Each committed
 * write is told to the parent as [id, version, nanoseconds of the monotonic clock when COMMIT was answered]. Ends when
 * told 'stop'; the last message has the failures.
 */
import pg from 'pg';

const [url, perSecond, rows] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const TICK_MS = 20;
const pool = new pg.Pool({ connectionString: url, max: 8 });
pool.on('error', () => undefined);
const versions = Array.from({ length: rows }, () => 1);
const busy = new Set();
let done = [];
const failed = [];
let stopped = false;
let next = 0;
let owed = 0;

process.on('message', (message) => {
  if (message === 'stop') stopped = true;
});
process.on('disconnect', () => process.exit(1));

async function write(id) {
  busy.add(id);
  const version = ++versions[id];
  try {
    await pool.query({
      name: 'write',
      text: 'UPDATE price SET version = $2 WHERE id = $1',
      values: [id, version],
    });
    done.push([id, version, String(process.hrtime.bigint())]);
  } catch (error) {
    failed.push(String(error));
  } finally {
    busy.delete(id);
  }
}

const started = performance.now();
let counted = started;
for (;;) {
  const now = performance.now();
  owed = Math.min(perSecond, owed + ((now - counted) * perSecond) / 1000);
  counted = now;
  while (owed >= 1 && !stopped) {
    for (let tries = 0; busy.has(next) && tries < rows; tries++) next = (next + 1) % rows;
    if (busy.has(next)) break;
    void write(next);
    next = (next + 1) % rows;
    owed--;
  }
  if (stopped && busy.size === 0) break;
  if (done.length > 0) {
    process.send({ done });
    done = [];
  }
  await new Promise((resolve) => setTimeout(resolve, TICK_MS));
}
process.send({ done, failed, ms: performance.now() - started }, () => process.disconnect());
await pool.end();
