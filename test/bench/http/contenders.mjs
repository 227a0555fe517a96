/** Who answers in the suite http: the demo as it is built, and the floors. */
import { startProxy } from '../../support/tcp-proxy.mjs';
import { Child } from './process.mjs';

export const FLOORS = {
  node: 'node:http, constants',
  fastify: 'Nest on Fastify, constants',
  express: 'Nest on Express, constants',
};
export const DEMO = {
  off: 'demo, cache off',
  far: 'demo, cache off, database 2 ms away',
  l1: 'demo, L1 only',
  both: 'demo, L1 + L2',
  l2: 'demo, L2 (an L1 of 1 entry)',
  expressOff: 'demo on Express, cache off',
  express: 'demo on Express, L1 + L2',
};
/** What makes each of them; `redis`: has the shared tier; `awayMs`: how long the way to the database and back takes. */
const SETTINGS = {
  [DEMO.off]: { env: { STRATA_DEMO_CACHE: '0' } },
  [DEMO.far]: { env: { STRATA_DEMO_CACHE: '0' }, awayMs: 2 },
  [DEMO.l1]: { env: {} },
  [DEMO.both]: { env: {}, redis: true },
  [DEMO.l2]: { env: { CACHE_L1_MAX_ENTRIES: '1' }, redis: true },
  [DEMO.expressOff]: { env: { HTTP_ADAPTER: 'express', STRATA_DEMO_CACHE: '0' } },
  [DEMO.express]: { env: { HTTP_ADAPTER: 'express' }, redis: true },
};
const TOKEN = 'bench-of-one-machine';
/** Anything of the user's that would make the demo another one. */
const NOT_OURS = /^(CACHE_|REDIS_|DATABASE_URL|PORT|HOST|HTTP_ADAPTER|STRATA_|NODE_INDEX|LOG_LEVEL)/;

/** One server: `{ name, url, usage(), metrics(), stop() }`. */
class Server {
  url = '';
  #child;
  #drop;

  constructor(name, child, drop = async () => undefined) {
    this.name = name;
    this.#child = child;
    this.#drop = drop;
  }

  async ready() {
    this.url = (await this.#child.heard(({ type }) => type === 'ready')).url;
    return this;
  }

  /** To one that waits to be told what to answer. */
  async tell(message) {
    await this.#child.heard(({ type }) => type === 'waiting');
    this.#child.send(message);
    return this.ready();
  }

  /** So far: `{ statements, cpuUs }`. */
  usage() {
    return this.#child.ask({ type: 'usage' }, ({ type }) => type === 'usage');
  }

  /** What the demo's cache says of itself. */
  async metrics() {
    const answer = await fetch(`${this.url}/admin/cache/metrics`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    return answer.json();
  }

  async stop() {
    await this.#child.stop();
    await this.#drop();
  }
}

/** A node of the demo over a database of its own, so that what one writes is nobody else's. */
export async function startDemo(name, { build, services }) {
  const { env, redis = false, awayMs = 0 } = SETTINGS[name];
  const database = await databaseFor(services.postgres, awayMs);
  const server = start(
    name,
    `${build}/dist/apps/trading/src/main.js`,
    build,
    {
      DATABASE_URL: database.url,
      PORT: '0',
      STRATA_DEMO_SEED: '1',
      LOG_LEVEL: 'warn',
      CACHE_ADMIN_TOKEN: TOKEN,
      CACHE_WARMING_ENABLED: 'false',
      CACHE_PREFIX: `bench-${name.replace(/\W+/g, '-')}`,
      ...(redis ? { REDIS_URL: services.redis.url } : {}),
      ...env,
    },
    database.drop,
  );
  return server.ready();
}

async function databaseFor(postgres, awayMs) {
  const { url: near, drop } = (await postgres.createDatabase?.()) ?? { url: postgres.url };
  if (awayMs === 0) return { url: near, drop };
  const url = new URL(near);
  const proxy = await startProxy({ to: { host: url.hostname, port: Number(url.port || 5432) } });
  proxy.delay(awayMs / 2);
  Object.assign(url, { hostname: '127.0.0.1', port: String(proxy.port) });
  return {
    url: url.href,
    async drop() {
      await proxy.stop();
      await drop?.();
    },
  };
}

/** @param answers what the demo answers, by path */
export async function startFloor(kind, { build, answers }) {
  const program = new URL('./floor.mjs', import.meta.url).pathname;
  const server = start(FLOORS[kind], program, build, { BENCH_FLOOR: kind });
  return server.tell({ type: 'answers', answers });
}

function start(name, program, build, env, drop) {
  const own = Object.entries(process.env).filter(([key]) => !NOT_OURS.test(key));
  const child = new Child(name, program, {
    env: { ...Object.fromEntries(own), NODE_ENV: 'production', BENCH_BUILD: build, ...env },
    execArgv: ['--import', new URL('./usage.mjs', import.meta.url).href],
  });
  return new Server(name, child, drop);
}
