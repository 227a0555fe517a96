/** What grows with what: entries, tags on an entry, nodes on the bus, entries under a tag; and a soak. */
import { takeTurns } from '../harness/turns.mjs';

export async function growth(bench) {
  const { quick, soakMinutes } = bench.options;
  await sizes(bench, quick ? [1e3, 1e5] : [1e3, 1e5, 1e6]);
  await tags(bench, [1, 10, 100]);
  for (const nodes of [1, 4, 16]) await bus(bench, nodes);
  for (const entries of quick ? [1e3, 1e5] : [1e3, 1e5, 1e6]) await underOneTag(bench, entries);
  const minutes = soakMinutes ?? (quick ? 0 : 1 / 6);
  if (minutes > 0) await soak(bench, minutes);
}

async function sizes(bench, list) {
  for (const entries of list) {
    // Ids are picked by a mask.
    const size = 2 ** Math.ceil(Math.log2(entries));
    const context = { suite: 'growth', size, ...bench.context };
    const modules = { Map: 'map', 'lru-cache': 'lru-cache', strata: 'strata' };
    const entriesOf = Object.fromEntries(
      Object.entries(modules).map(([name, module]) => [name, { module, context }]),
    );
    const turns = bench.turns();
    if (bench.options.quick) turns.rounds = 5;
    if (entries > 1e5) turns.rounds = Math.min(turns.rounds, 9);
    bench.add(await takeTurns(turns, entriesOf), { suite: 'growth', unit: 'ns/op' });
  }
}

async function tags(bench, list) {
  for (const count of list) {
    const context = { suite: 'growth-tags', tags: count, ...bench.context };
    bench.add(await takeTurns(bench.turns(), { strata: { module: 'strata', context } }), {
      suite: 'growth',
      unit: 'ns/op',
    });
  }
}

async function bus(bench, nodes) {
  const redisUrl = await bench.redisUrl();
  const rounds = bench.options.quick ? 12 : 200;
  const { everywhere, answered } = await bench.program('bus', { redisUrl, nodes, rounds });
  const path = `invalidation, ${nodes} nodes`;
  bench.row('growth', `${path}: until answered`, 'strata', answered, 'ms');
  bench.row('growth', `${path}: until no node has it`, 'strata', everywhere, 'ms');
}

async function underOneTag(bench, entries) {
  const figures = await bench.program('one-tag', { entries }, { execArgv: ['--max-old-space-size=4096'] });
  bench.row('growth', `deleteByTag, ${entries} entries under it`, 'strata', figures, 'ms');
}

async function soak(bench, minutes) {
  const redisUrl = await bench.redisUrl();
  const withinMs = (minutes + 2) * 60_000;
  const request = { redisUrl, seconds: minutes * 60 };
  const result = await bench.program('soak', request, { withinMs, execArgv: ['--expose-gc'] });
  const { heap, ...figures } = result;
  for (const [path, { value, unit }] of Object.entries(figures))
    bench.row('growth', `soak: ${path}`, 'strata', [value], unit);
  bench.row('growth', 'soak: heap after collections', 'strata', heap, 'MB');
}
