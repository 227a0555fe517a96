/**
 * The demo over HTTP, the load coming from another process: with its cache off, with L1, with L1 and L2, and with (nearly)
 * L2 alone, beside servers that answer the same as constants. All run at once and are asked in turns, in another order each
 * round, so that all see the same machine.
 */
import { startServices } from '../../../apps/services/index.mjs';
import { shuffled } from '../harness/random.mjs';
import { median, quantile } from '../harness/statistics.mjs';
import { judgeClaims } from '../http/claims.mjs';
import { DEMO, FLOORS, startDemo, startFloor } from '../http/contenders.mjs';
import { Child } from '../http/process.mjs';
import { READS, requestsOf } from '../http/requests.mjs';

const SUITE = 'http';
const CONNECTIONS = 32;
const WRITES = 0.02;
/**
 * Seconds: `warm` at most, before anything is measured, `lead` at the start of each turn (prices live one second: what was not asked for
 * meanwhile is loaded anew), then the turn's parts.
 */
const PACES = {
  quick: { rounds: 2, warm: 1.5, lead: 0.1, full: 0.6, writes: 0.4, alone: 0.25 },
  full: { rounds: 5, warm: 6, lead: 0.3, full: 2, writes: 1.2, alone: 0.8 },
};
/** Requests after which a server is warm. */
const WARM = 10_000;
/** Left out of a quick run. */
const THOROUGH = [DEMO.far, DEMO.expressOff, DEMO.express, FLOORS.express];

export async function http(bench) {
  const services = await startServices({ postgres: true, redis: true });
  const servers = [];
  const load = new Load();
  try {
    if (services.postgres === null || services.redis === null) {
      bench.log(
        `  skipped: ${services.unavailable.map(({ service, reason }) => `${service}: ${reason}`).join('; ')}`,
      );
      return;
    }
    const { build } = bench.context;
    const wanted = (name) => !bench.options.quick || !THOROUGH.includes(name);
    const started = await Promise.allSettled(
      Object.values(DEMO)
        .filter(wanted)
        .map((name) => startDemo(name, { build, services })),
    );
    for (const { value } of started) if (value !== undefined) servers.push(value);
    for (const { reason } of started) if (reason !== undefined) throw reason;
    const symbols = await symbolsOf(servers[0].url);
    const mixes = {
      reads: requestsOf(symbols, bench.random),
      writes: requestsOf(symbols, bench.random, WRITES),
    };
    const answers = await answersOf(servers[0].url, mixes.reads);
    for (const [kind, name] of Object.entries(FLOORS))
      if (wanted(name)) servers.push(await startFloor(kind, { build, answers }));
    await measure({ bench, servers, load, mixes });
    await inTheProcess(bench, servers);
    judgeClaims(bench);
  } finally {
    await Promise.all([load.stop(), ...servers.map((server) => server.stop())]);
    await services.stop();
  }
}

async function measure({ bench, servers, load, mixes }) {
  const pace = PACES[bench.options.quick ? 'quick' : 'full'];
  const figures = new Figures();
  const writes = ({ name }) => Object.values(DEMO).includes(name);
  for (const server of servers) {
    const mix = writes(server) ? mixes.writes : mixes.reads;
    for (let [seconds, requests] = [0, 0]; seconds < pace.warm && requests < WARM; seconds += 0.5)
      requests += (await load.run(server, mix, 0.5, CONNECTIONS)).latencies.length;
  }
  for (let round = 0; round < pace.rounds; round++)
    for (const server of shuffled(servers, bench.random)) {
      await load.run(server, mixes.reads, pace.lead, CONNECTIONS);
      figures.addLoad(server.name, 'reads', await watched(server, () => load.run(server, mixes.reads, pace.full, CONNECTIONS))); // prettier-ignore
      figures.addAlone(server.name, mixes.reads, await load.run(server, mixes.reads, pace.alone, 1));
      if (writes(server))
        figures.addLoad(server.name, `${WRITES * 100} % writes`, await watched(server, () => load.run(server, mixes.writes, pace.writes, CONNECTIONS))); // prettier-ignore
    }
  for (const { path, contender, unit, rounds } of figures.rows())
    bench.row(SUITE, path, contender, rounds, unit);
}

/** What the cache's own histograms say after the run, and its hit rate. */
async function inTheProcess(bench, servers) {
  const metricsOf = async (name) => servers.find((server) => server.name === name).metrics();
  const [memory, shared] = [await metricsOf(DEMO.both), await metricsOf(DEMO.l2)];
  for (const [contender, { latencyMs }] of [
    ['L1 hit', memory.tiers.l1],
    ['L2 hit', shared.tiers.l2],
  ])
    for (const q of ['p50', 'p99'])
      bench.row(SUITE, `in the process: latency, ${q}`, contender, [latencyMs[q]], 'ms');
  bench.row(SUITE, 'hit rate', DEMO.both, [memory.hitRate], '%');
  bench.row(SUITE, 'hit rate', DEMO.l2, [shared.hitRate], '%');
}

/** What the server has used meanwhile, per request. */
async function watched(server, work) {
  const before = await server.usage();
  const result = await work();
  const after = await server.usage();
  const requests = result.latencies.length;
  return {
    ...result,
    statements: (after.statements - before.statements) / requests,
    cpuUs: (after.cpuUs - before.cpuUs) / requests,
  };
}

/** autocannon, see ../http/load.mjs. */
class Load {
  #child = new Child('the load', new URL('../http/load.mjs', import.meta.url).pathname, { env: process.env });

  async run({ url }, requests, seconds, connections) {
    const { answer, error } = await this.#child.ask(
      { url, requests, seconds, connections },
      () => true,
      seconds * 1_000 + 60_000,
    );
    if (error !== undefined) throw new Error(error);
    return answer;
  }

  stop() {
    return this.#child.stop();
  }
}

/** Figures per path and contender, one per round. */
class Figures {
  #rounds = new Map();

  addLoad(contender, what, { seconds, latencies, statements, cpuUs }) {
    this.#add(`${what}: requests per second`, contender, 'req/s', latencies.length / seconds);
    this.#add(`${what}, ${CONNECTIONS} connections: latency, p50`, contender, 'ms', median(latencies));
    this.#add(
      `${what}, ${CONNECTIONS} connections: latency, p99`,
      contender,
      'ms',
      quantile(latencies, 0.99),
    );
    this.#add(`${what}: processor time of the server per request`, contender, 'us', cpuUs);
    if (Object.values(DEMO).includes(contender))
      this.#add(`${what}: database statements per request`, contender, 'statements', statements);
  }

  /** One connection: the answers come in the order of the requests. */
  addAlone(contender, requests, { latencies }) {
    this.#add('reads, 1 connection: latency, p50', contender, 'ms', median(latencies));
    this.#add('reads, 1 connection: latency, p99', contender, 'ms', quantile(latencies, 0.99));
    for (const kind of Object.keys(READS)) {
      const own = latencies.filter((_, at) => requests[at % requests.length].kind === kind);
      if (own.length === 0) continue;
      this.#add(`${kind}, 1 connection: latency, p50`, contender, 'ms', median(own));
      this.#add(`${kind}, 1 connection: latency, p99`, contender, 'ms', quantile(own, 0.99));
    }
  }

  rows() {
    return this.#rounds.values();
  }

  #add(path, contender, unit, value) {
    const key = `${path}|${contender}`;
    if (!this.#rounds.has(key)) this.#rounds.set(key, { path, contender, unit, rounds: [] });
    this.#rounds.get(key).rounds.push(value);
  }
}

/** Of all instruments that have a price. */
async function symbolsOf(url) {
  const { items } = await (await fetch(`${url}/instruments?limit=500`)).json();
  const symbols = [];
  for (const { symbol } of items)
    if ((await fetch(`${url}/prices/${encodeURIComponent(symbol)}`)).ok) symbols.push(symbol);
  return symbols;
}

async function answersOf(url, requests) {
  const paths = [...new Set(requests.map(({ path }) => path))];
  return Promise.all(paths.map(async (path) => [path, await (await fetch(url + path)).json()]));
}
