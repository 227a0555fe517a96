/** The suites whose contenders take turns: l1, api, decorator, tiered, batch and serialise. */
import { takeTurns } from '../harness/turns.mjs';

const GC = ['--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128'];

const IN_MEMORY = {
  'async function around a Map': 'map',
  'lru-cache': 'lru-cache',
  strata: 'strata',
  'cache-manager': 'cache-manager',
  '@nestjs/cache-manager': 'nest-cache-manager',
  cacheable: 'cacheable',
  bentocache: 'bentocache',
  'async-cache-dedupe': 'async-cache-dedupe',
};

/** Everything a contender is told besides is the same for all. */
function entriesOf(modules, context) {
  return Object.fromEntries(Object.entries(modules).map(([name, module]) => [name, { module, context }]));
}

/** Beside a shared tier each hit of L1 reads the clock (docs/decisions/0016). */
async function besideRedis(bench, suite) {
  return {
    'strata, L1 before Redis': {
      module: 'strata',
      context: { suite, redisUrl: await bench.redisUrl(), ...bench.context },
    },
  };
}

export async function l1(bench) {
  const modules = { Map: 'map', 'lru-cache': 'lru-cache', strata: 'strata' };
  const entries = {
    ...entriesOf(modules, { suite: 'l1', ...bench.context }),
    ...(await besideRedis(bench, 'l1')),
  };
  bench.add(await takeTurns(bench.turns(), entries), {
    suite: 'l1',
    unit: 'ns/op',
  });
}

export async function api(bench) {
  const entries = {
    ...entriesOf(IN_MEMORY, { suite: 'api', ...bench.context }),
    'strata, cache.getOrSet(name, id, load)': {
      module: 'strata',
      context: { suite: 'api', byName: true, ...bench.context },
    },
    ...(await besideRedis(bench, 'api')),
  };
  bench.add(await takeTurns(bench.turns(), entries), {
    suite: 'api',
    unit: 'ns/op',
  });
  const context = { suite: 'allocation', ...bench.context };
  const allocation = {
    ...entriesOf(IN_MEMORY, context),
    'strata, decorator': { module: 'strata', context: { ...context, suite: 'decorator-allocation' } },
  };
  const turns = { ...bench.turns(), rounds: bench.options.quick ? 2 : 5 };
  bench.add(await takeTurns(turns, allocation, { execArgv: GC }), { suite: 'api', unit: 'bytes/op' });
}

export async function decorator(bench) {
  const modules = {
    'async function around a Map': 'map',
    strata: 'strata',
    'async-cache-dedupe': 'async-cache-dedupe',
    '@node-ts-cache': 'node-ts-cache',
    'type-cacheable': 'type-cacheable',
  };
  const context = { suite: 'decorator', ...bench.context };
  const entries = { ...entriesOf(modules, context), ...(await besideRedis(bench, 'decorator')) };
  bench.add(await takeTurns(bench.turns(), entries), {
    suite: 'decorator',
    unit: 'ns/op',
  });
}

const OVER_REDIS = {
  'raw ioredis': 'ioredis',
  strata: 'strata',
  'cache-manager': 'cache-manager',
  cacheable: 'cacheable',
  bentocache: 'bentocache',
  'async-cache-dedupe': 'async-cache-dedupe',
};

export async function tiered(bench) {
  const context = { suite: 'tiered', redisUrl: await bench.redisUrl(), ...bench.context };
  bench.add(await takeTurns(bench.turns('slow'), entriesOf(OVER_REDIS, context)), {
    suite: 'tiered',
    unit: 'ns/op',
  });
}

export async function batch(bench) {
  const context = { suite: 'batch', redisUrl: await bench.redisUrl(), ...bench.context };
  const { 'async-cache-dedupe': _hasNone, ...modules } = OVER_REDIS;
  bench.add(await takeTurns(bench.turns('slow'), entriesOf(modules, context)), {
    suite: 'batch',
    unit: 'ns/op',
  });
}

export async function serialise(bench) {
  const modules = { JSON: 'serialise-json', v8: 'serialise-v8', strata: 'serialise-strata' };
  const strata = (more) => ({ module: 'serialise-strata', context: { ...bench.context, ...more } });
  const contenders = {
    ...entriesOf(modules, bench.context),
    'strata, msgpack': strata({ codec: 'msgpack' }),
    'strata, deflate': strata({ compression: 'deflate' }),
  };
  bench.add(await takeTurns(bench.turns(), contenders), {
    suite: 'serialise',
    unit: 'ns/op',
  });
  const redisUrl = await bench.redisUrl();
  for (const megabytes of bench.options.quick ? [1] : [1, 8]) {
    const stalls = [];
    for (let i = 0; i < (bench.options.quick ? 2 : 5); i++)
      stalls.push(await bench.program('big-value', { redisUrl, megabytes }));
    for (const what of Object.keys(stalls[0]))
      bench.row(
        'serialise',
        `${what}, ${megabytes} MB`,
        'strata',
        stalls.map((one) => one[what]),
        'ms',
      );
  }
}
