/**
 * A contender's process. Asked over IPC it sets its paths up, warms them, and runs one turn at a time; between its turns
 * it waits. See turns.mjs for why every contender has a process of its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import v8 from 'node:v8';
import { compileLoop, expectedSum, makeIds } from './loop.mjs';

const SMALLEST_TURN = 4;
let paths;
let close;
let next = 0;

const commands = {
  async setup({ module, context }) {
    const contender = await import(module);
    const made = await contender.setup(context);
    close = made.close;
    paths = Object.fromEntries(Object.entries(made.paths).map(([name, path]) => [name, prepare(path)]));
    return Object.keys(paths);
  },

  /** Runs until the engine has settled, and finds out how many calls make a turn of `turnMs`. */
  async warm({ path: name, warmMs, turnMs }) {
    const path = paths[name];
    // What is asked for the first time is loaded: that is another path.
    if (path.touchAll) await path.loop(path.ids.length, 0);
    let calls = path.least;
    let spent = 0;
    let last = Infinity;
    for (let first = true; first || spent < warmMs; first = false) {
      last = await timed(path, calls);
      spent += last;
      if (last < turnMs / 2) calls *= 2;
    }
    path.calls = Math.max(path.least, Math.round((calls * turnMs) / Math.max(last, 0.01)));
    return path.calls;
  },

  /** @returns nanoseconds per call, or bytes per call of an allocation path */
  async turn({ path: name }) {
    const path = paths[name];
    if (path.allocation) return allocated(path);
    // What ran in between has taken the caches of the processor.
    await timed(path, Math.max(path.least, Math.ceil(path.calls / 10)));
    return ((await timed(path, path.calls)) / path.calls) * 1e6;
  },

  async close() {
    // A peer that does not come to an end of closing must not hold up the run; the process ends anyway.
    await Promise.race([close?.(), sleep(2_000)]);
  },
};

function prepare(path) {
  const ids = path.ids ?? makeIds();
  const least = Math.max(SMALLEST_TURN, path.concurrency ?? 1);
  return { ...path, ids, least, calls: least, loop: compileLoop({ ...path, ids }) };
}

async function timed(path, calls) {
  const from = next;
  next += calls;
  await path.before?.(calls, from);
  const startedAt = performance.now();
  const sum = await path.loop(calls, from);
  const ms = performance.now() - startedAt;
  const expected = (path.expected ?? expectedSum)(calls, from, path.ids.length);
  if (sum !== expected) throw new Error(`answers add up to ${sum} instead of ${expected}`);
  return ms;
}

/** Bytes of heap per call, with no collection in between: the halves must agree, or one has come. */
async function allocated(path) {
  for (let attempt = 0, calls = 20_000; attempt < 10; attempt++, calls = Math.ceil(calls / 2)) {
    globalThis.gc();
    const used = [v8.getHeapStatistics().used_heap_size];
    for (let half = 0; half < 2; half++) {
      await path.loop(calls, 0);
      used.push(v8.getHeapStatistics().used_heap_size);
    }
    const [first, second] = [used[1] - used[0], used[2] - used[1]];
    if (first >= 0 && second >= 0 && Math.abs(first - second) < 0.1 * Math.max(first, second) + 65_536)
      return second / calls;
  }
  throw new Error('a collection came in between, ten times over');
}

async function serve({ id, command, ...request }) {
  try {
    process.send({ id, answer: await commands[command](request) });
  } catch (error) {
    process.send({ id, error: error instanceof Error ? error.stack : String(error) });
  }
}

process.on('message', (request) => void serve(request));
// The run was stopped while this one had something to say.
process.on('error', () => process.exit(0));
process.on('disconnect', () => process.exit(0));
