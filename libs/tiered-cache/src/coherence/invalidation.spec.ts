import { closeFleets, embedded, fleet, Source, TIMEOUT } from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';
import type { InvalidationSelector, TieredCache } from '../index.js';

afterEach(closeFleets);

const NAMESPACES = {
  users: { ttl: '10m' },
  sessions: { ttl: '10m' },
  prices: { ttl: '10m' },
  notes: { ttl: '10m', consistency: 'local' },
} as const;

async function fill(cache: TieredCache): Promise<void> {
  await cache.namespace('users').set('1', 'u1', { tags: ['user:1', 'team:red'] });
  await cache.namespace('users').set('2', 'u2', { tags: ['user:2', 'team:red'] });
  await cache.namespace('sessions').set('1', 's1', { tags: ['user:1'] });
  await cache.namespace('prices').set('BTC USD', 1, { tags: ['symbol:BTC'] });
  await cache.namespace('prices').set('BTC', 2, { tags: ['symbol:BTC'] });
  await cache.namespace('prices').set('ETH', 3, { tags: ['symbol:ETH'] });
}

async function left(cache: TieredCache): Promise<string[]> {
  const all: [string, string[]][] = [
    ['users', ['1', '2']],
    ['sessions', ['1']],
    ['prices', ['BTC USD', 'BTC', 'ETH']],
  ];
  const found: string[] = [];
  for (const [name, ids] of all)
    for (const id of (await cache.namespace(name).getMany(ids)).keys()) found.push(`${name}:${id}`);
  return found.sort();
}

const EVERYTHING = ['prices:BTC', 'prices:BTC USD', 'prices:ETH', 'sessions:1', 'users:1', 'users:2'];

const CASES: [string, InvalidationSelector, string[]][] = [
  ['a key', { keys: [{ namespace: 'users', id: '1' }] }, ['users:1']],
  [
    'several keys of several namespaces',
    {
      keys: [
        { namespace: 'users', id: '1' },
        { namespace: 'prices', id: 'ETH' },
      ],
    },
    ['prices:ETH', 'users:1'],
  ],
  ['a tag, across namespaces', { tags: ['user:1'] }, ['sessions:1', 'users:1']],
  ['a user', { user: '1' }, ['sessions:1', 'users:1']],
  ['a symbol, in any case', { symbol: 'btc' }, ['prices:BTC', 'prices:BTC USD']],
  [
    'a namespace, and no other: clearing users logs nobody out',
    { namespaces: ['users'] },
    ['users:1', 'users:2'],
  ],
  ['a pattern', { patterns: ['prices:B*'] }, ['prices:BTC', 'prices:BTC USD']],
  ['a pattern over characters that keys escape', { patterns: ['prices:BTC U*'] }, ['prices:BTC USD']],
  ['several patterns', { patterns: ['users:?', 'prices:E*'] }, ['prices:ETH', 'users:1', 'users:2']],
  ['all', { all: true }, EVERYTHING],
];

describe.each([
  ['over a shared tier', true],
  ['embedded', false],
])('invalidation %s', (_name, shared) => {
  async function nodes(): Promise<{ one: TieredCache; others: TieredCache[]; heard: () => Promise<void> }> {
    if (!shared) {
      const { cache, clock } = embedded({ namespaces: NAMESPACES });
      return { one: cache, others: [], heard: () => clock.pass(1) };
    }
    const { nodes: all, clock } = await fleet({ nodes: 2, namespaces: NAMESPACES });
    return { one: all[0]!, others: all.slice(1), heard: () => clock.pass(10) };
  }

  it.each(CASES)('by %s ends exactly those entries, on every node', async (_what, selector, gone) => {
    const { one, others, heard } = await nodes();
    await fill(one);
    for (const cache of [one, ...others]) expect(await left(cache)).toEqual(EVERYTHING);
    await heard();
    expect(await one.invalidate(selector)).toMatchObject({ acknowledged: true });
    await heard();
    for (const cache of [one, ...others])
      expect(await left(cache)).toEqual(EVERYTHING.filter((key) => !gone.includes(key)));
  });

  it.each(CASES)(
    'by %s is counted per namespace by a dry run that changes nothing',
    async (_what, selector, gone) => {
      const { one, others, heard } = await nodes();
      await fill(one);
      await heard();
      const before = one.stats().invalidations;
      const counts: Record<string, number> = {};
      for (const key of gone) counts[key.split(':')[0]!] = (counts[key.split(':')[0]!] ?? 0) + 1;
      const report = await one.invalidateWithReport(selector, { dryRun: true });
      expect(report).toMatchObject({ dryRun: true, total: gone.length, truncated: false });
      expect(report.counts).toEqual(counts);
      await heard();
      for (const cache of [one, ...others]) expect(await left(cache)).toEqual(EVERYTHING);
      expect(one.stats().invalidations).toBe(before);
      expect(await one.invalidateWithReport(selector)).toMatchObject({
        dryRun: false,
        counts,
        total: gone.length,
      });
      // What is gone is not counted again, although its bytes may still lie in the shared tier.
      expect((await one.invalidateWithReport(selector, { dryRun: true })).counts).toEqual({});
    },
  );
});

describe('invalidation', () => {
  it('counts what a selector names once, not once for the count and once for the deed', async () => {
    const { nodes } = await fleet({ namespaces: NAMESPACES });
    await fill(nodes[0]!);
    await nodes[0]!.invalidateWithReport({ namespaces: ['users'] });
    expect(nodes[0]!.stats().namespaces['users']!.invalidations).toBe(1);
  });

  it('counts entries, not leases of loads under way', async () => {
    const { nodes } = await fleet({ namespaces: NAMESPACES });
    const source = new Source({ a: 1 });
    const release = source.hold();
    const read = nodes[0]!.namespace('prices').getOrSet('a', source.load);
    await settle();
    const report = await nodes[0]!.invalidateWithReport({ patterns: ['prices:*'] }, { dryRun: true });
    expect(report.total).toBe(0);
    release();
    await read;
  });

  it('never touches a lock of exclusive(), whatever the pattern', async () => {
    const { nodes, clock } = await fleet({ nodes: 2, namespaces: NAMESPACES });
    let finish!: () => void;
    const running = nodes[0]!.exclusive('job', {}, () => new Promise<void>((resolve) => (finish = resolve)));
    await clock.pass(1);
    expect((await nodes[0]!.invalidateWithReport({ patterns: ['*'] })).counts).toEqual({});
    expect(await nodes[1]!.exclusive('job', {}, async () => 'ran')).toEqual({
      ran: false,
      reason: 'held-elsewhere',
    });
    finish();
    await running;
  });

  it('by pattern finds what was filled behind the walk', async () => {
    const { nodes, tiers } = await fleet({ nodes: 2, namespaces: NAMESPACES });
    await nodes[1]!.getOrSet('prices', 'BTC', () => 'old');
    const [tier] = tiers;
    const scan = tier!.scan.bind(tier);
    let walks = 0;
    // As SCAN may: the key was a lease where the cursor had not been yet, and became a value where it had been.
    tier!.scan = (prefix) => (++walks === 1 ? nothing() : scan(prefix));
    await nodes[0]!.invalidate({ patterns: ['prices:*'] });
    expect(await nodes[0]!.getOrSet('prices', 'BTC', () => 'new')).toBe('new');
  });

  it('by pattern drops this process’s own copies even when the shared tier does not answer', async () => {
    const { nodes, hub, clock } = await fleet({ namespaces: NAMESPACES });
    const notes = nodes[0]!.namespace('notes');
    await notes.getOrSet('a', () => 'old');
    expect(notes.peek('a')).toBe('old');
    hub.down();
    expect(await nodes[0]!.invalidate({ patterns: ['notes:*'] })).toMatchObject({ acknowledged: false });
    expect(notes.peek('a')).toBeUndefined();
    await clock.pass(1);
  });

  it('by pattern, unanswered, is bypassed here until it is answered, then honoured everywhere', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2, namespaces: NAMESPACES });
    const source = new Source<string>({ BTC: 'old', ETH: 'e' });
    await nodes[0]!.namespace('prices').getOrSet('BTC', source.load);
    source.values.set('BTC', 'new');
    // The answer to the walk is lost: the circuit opens, closes again, and the old value still lies in the shared tier.
    const lift = hub.inject({ at: 'request', how: 'lost', commands: ['scan'] });
    const unanswered = nodes[0]!.invalidate({ patterns: ['prices:B*'] });
    await clock.pass(TIMEOUT + 1);
    expect((await unanswered).acknowledged).toBe(false);
    await clock.until(() => nodes[0]!.health().circuit === 'closed');
    expect(nodes[0]!.health().pendingInvalidations).toBe(1);
    expect(await nodes[0]!.namespace('prices').get('BTC')).toBeUndefined();
    expect(await nodes[0]!.namespace('prices').getOrSet('BTC', source.load)).toBe('new');
    lift();
    await clock.until(() => nodes[0]!.health().pendingInvalidations === 0);
    await clock.pass(10);
    for (const node of nodes) expect(await node.namespace('prices').getOrSet('BTC', source.load)).toBe('new');
  });

  it('never touches another prefix', async () => {
    const { hub, nodes, clock } = await fleet({ namespaces: NAMESPACES });
    const { createInProcessTier, TieredCache: Cache } = await import('../index.js');
    const other = new Cache({
      clock,
      prefix: 'other',
      namespaces: NAMESPACES,
      remote: createInProcessTier(hub, { prefix: 'other' }),
    }).start();
    await clock.pass(1);
    await fill(other);
    await fill(nodes[0]!);
    for (const selector of [{ all: true }, { patterns: ['*'] }, { tags: ['team:red'] }])
      await nodes[0]!.invalidateWithReport(selector);
    await clock.pass(10);
    expect(await left(nodes[0]!)).toEqual([]);
    expect(await left(other)).toEqual(EVERYTHING);
    await other.close();
  });
});

async function* nothing(): AsyncGenerator<never> {}
