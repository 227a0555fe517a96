/** A cold key, 4 processes x 250 callers at the same moment, a loader of 100 ms: how many loads, and when are all answered? */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { shuffled } from '../harness/random.mjs';

const PROCESSES = 4;
const CALLERS = 250;
const CONTENDERS = [
  'strata',
  'raw ioredis',
  'cache-manager',
  'cacheable',
  'bentocache',
  'async-cache-dedupe',
];
/** Longer than it takes to tell all of them. */
const LEAD_MS = 60;

export async function stampede(bench) {
  const redisUrl = await bench.redisUrl();
  const program = new URL('../programs/stampede-node.mjs', import.meta.url);
  const fleets = new Map();
  const all = [];
  try {
    for (const name of CONTENDERS) {
      const fleet = [];
      for (let i = 0; i < PROCESSES; i++) {
        const child = fork(program, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
        all.push(child);
        fleet.push(child);
      }
      await Promise.all(
        fleet.map(async (child) => {
          child.send({ setup: name, redisUrl, ...bench.context });
          await answerOf(child);
        }),
      );
      fleets.set(name, { fleet, loads: [], times: [] });
    }
    const rounds = bench.options.quick ? 5 : 25;
    for (let round = 0; round < rounds; round++)
      for (const name of shuffled(CONTENDERS, bench.random)) {
        const { fleet, loads, times } = fleets.get(name);
        const request = { key: `cold-${name}-${round}`, at: Date.now() + LEAD_MS, callers: CALLERS };
        const answers = await Promise.all(
          fleet.map((child) => {
            child.send(request);
            return answerOf(child);
          }),
        );
        loads.push(answers.reduce((sum, one) => sum + one.loads, 0));
        // The last caller's wait, and the loader as it really was where it ran.
        const loaderMs = Math.max(...answers.filter((one) => one.loads > 0).map((one) => one.loaderMs));
        times.push(Math.max(...answers.map((one) => one.wallMs)) / loaderMs);
      }
    for (const [name, { loads, times }] of fleets) {
      bench.row('stampede', 'stampede: loads', name, loads, 'loads');
      bench.row('stampede', 'stampede: time / loader', name, times, 'x');
    }
  } finally {
    await Promise.all(
      all.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, 'exit');
        child.disconnect();
        await ended;
      }),
    );
  }
}

async function answerOf(child) {
  const [answer] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code, signal]) => {
      throw new Error(`a node of the stampede ended with ${signal ?? code}`);
    }),
  ]);
  return answer;
}
