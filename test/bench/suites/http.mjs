/**
 * The demo over HTTP, the load coming from a second process: with the cache off, L1 only, and L1 + L2. Three nodes run at
 * once and are asked in turns, so that all see the same machine and the same database. The load reads: 16 instruments, 3
 * prices (which live one second) and one list, in turn.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { startServices } from '../../../apps/services/index.mjs';
import { runProgram } from '../harness/program.mjs';
import { shuffled } from '../harness/random.mjs';

const CONNECTIONS = 32;
const MODES = { off: 'cache off', l1: 'L1 only', 'l1+l2': 'L1 + L2' };
const READY_WITHIN_MS = 60_000;

export async function http(bench) {
  const services = await startServices({ postgres: true, redis: true });
  const nodes = [];
  try {
    if (services.postgres === null || services.redis === null) {
      bench.log(
        `  skipped: ${services.unavailable.map(({ service, reason }) => `${service}: ${reason}`).join('; ')}`,
      );
      return;
    }
    for (const mode of Object.keys(MODES)) {
      // The first one creates the schema and seeds.
      const node = await startNode({ bench, services, mode, seed: nodes.length === 0 });
      nodes.push(node);
    }
    const requests = await requestsOf(nodes[0].url);
    const { rounds, seconds } = bench.options.quick ? { rounds: 2, seconds: 2 } : { rounds: 7, seconds: 8 };
    const figures = new Map(nodes.map(({ mode }) => [mode, []]));
    for (const node of nodes) await load(node, requests, 1); // warm
    for (let round = 0; round < rounds; round++)
      for (const node of shuffled(nodes, bench.random)) {
        const before = await node.queries();
        const result = await load(node, requests, seconds);
        figures
          .get(node.mode)
          .push({ ...result, queries: ((await node.queries()) - before) / result.requests });
      }
    for (const [mode, list] of figures) {
      const add = (path, key, unit) =>
        bench.row(
          'http',
          path,
          MODES[mode],
          list.map((one) => one[key]),
          unit,
        );
      add('demo: requests per second', 'perSecond', 'req/s');
      add('demo: latency, p50', 'p50', 'ms');
      add('demo: latency, p99', 'p99', 'ms');
      add('demo: database queries per request', 'queries', 'queries');
    }
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await services.stop();
  }
}

function load(node, requests, seconds) {
  return runProgram('../http/load', { url: node.url, seconds, connections: CONNECTIONS, requests });
}

async function requestsOf(url) {
  const answer = await fetch(`${url}/instruments?limit=16`);
  const { items } = await answer.json();
  const symbols = items.map(({ symbol }) => encodeURIComponent(symbol));
  const paths = symbols.map((symbol) => `/instruments/${symbol}`);
  const priced = [];
  for (const symbol of symbols) {
    if (priced.length === 3) break;
    if ((await fetch(`${url}/prices/${symbol}`)).ok) priced.push(`/prices/${symbol}`);
  }
  return [...paths, ...priced, '/instruments?limit=20'].map((path) => ({ method: 'GET', path }));
}

async function startNode({ bench, services, mode, seed }) {
  const { REDIS_URL: _redis, ...own } = process.env;
  const child = fork(new URL('../http/node.mjs', import.meta.url), [], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: {
      ...own,
      NODE_ENV: 'production',
      BENCH_BUILD: bench.context.build,
      BENCH_CACHE: mode,
      DATABASE_URL: services.postgres.url,
      ...(mode === 'l1+l2' ? { REDIS_URL: services.redis.url } : {}),
      CACHE_STATS_LOG_EVERY: '0',
      CACHE_WARMING_ENABLED: 'false',
      CACHE_ADMIN_TOKEN: 'bench-of-one-machine',
      STRATA_DEMO_SEED: seed ? '1' : '0',
    },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), READY_WITHIN_MS);
  const ended = once(child, 'exit');
  const heard = async (type) => {
    const answer = (async () => {
      for (;;) {
        const [message] = await once(child, 'message');
        if (message.type === type) return message;
      }
    })();
    const death = ended.then(([code, signal]) => {
      throw new Error(`the demo (${MODES[mode]}) ended with ${signal ?? code}`);
    });
    return Promise.race([answer, death]);
  };
  const { url } = await heard('ready');
  clearTimeout(timer);
  return {
    mode,
    url,
    async queries() {
      child.send({ type: 'queries' });
      return (await heard('queries')).queries;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.send({ type: 'stop' });
      const insist = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(insist);
    },
  };
}
