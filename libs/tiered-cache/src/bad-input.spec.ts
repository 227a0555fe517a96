import { closeFleets, embedded, fleet } from '../../../test/support/fleet.js';
import { settle } from '../../../test/support/virtual-clock.js';
import {
  type CacheNamespace,
  createInProcessTier,
  InProcessHub,
  MAX_TTL_MS,
  StrataError,
  TieredCache,
  type TieredCacheOptions,
} from './index.js';

afterEach(closeFleets);

type Wrong = (items: CacheNamespace<any>, cache: TieredCache) => Promise<unknown>;

const BAD_IDS: unknown[] = ['', undefined, null, 42, {}, Symbol('x'), 'x'.repeat(70_000)];
const BY_ID: [string, (id: any) => Wrong][] = [
  ['get', (id) => (items) => items.get(id)],
  ['getMany', (id) => (items) => items.getMany(['ok', id])],
  ['getOrSet', (id) => (items) => items.getOrSet(id, () => 1)],
  ['getOrSetMany', (id) => (items) => items.getOrSetMany(['ok', id], () => new Map([['ok', 1]]))],
  ['set', (id) => (items) => items.set(id, 1)],
  [
    'setMany',
    (id) => (items) =>
      items.setMany([
        ['ok', 1],
        [id, 1],
      ]),
  ],
  ['has', (id) => (items) => items.has(id)],
  ['ttl', (id) => (items) => items.ttl(id)],
  ['touch', (id) => (items) => items.touch(id)],
  ['expire', (id) => (items) => items.expire(id)],
  ['delete', (id) => (items) => items.delete(id)],
  ['delete of a list', (id) => (items) => items.delete(['ok', id])],
  ['invalidate', (id) => (_items, cache) => cache.invalidate({ keys: [{ namespace: 'items', id }] })],
];

const BAD_TTLS: unknown[] = [0, -1, Number.NaN, Infinity, MAX_TTL_MS + 1, '0s', 'soon', '', null, {}, true];
const BY_TTL: [string, (ttl: any) => Wrong][] = [
  ['getOrSet', (ttl) => (items) => items.getOrSet('a', () => 1, { ttl })],
  ['getOrSet, from a function', (ttl) => (items) => items.getOrSet('a', () => 1, { ttl: () => ttl })],
  ['getOrSetMany', (ttl) => (items) => items.getOrSetMany(['a'], () => new Map([['a', 1]]), { ttl })],
  ['set', (ttl) => (items) => items.set('a', 1, { ttl })],
  ['set, from a function', (ttl) => (items) => items.set('a', 1, { ttl: () => ttl })],
  ['setMany', (ttl) => (items) => items.setMany([['a', 1]], { ttl })],
  ['touch', (ttl) => (items) => items.touch('a', ttl)],
];

const BAD_TAGS: unknown[] = [[''], ['#x'], ['ok', 1], [null], ['x'.repeat(2_000)], 'not-a-list', {}, null];
const BY_TAGS: [string, (tags: any) => Wrong][] = [
  ['getOrSet', (tags) => (items) => items.getOrSet('a', () => 1, { tags })],
  ['getOrSet, from the value', (tags) => (items) => items.getOrSet('a', () => 1, { tagsOf: () => tags })],
  ['getOrSetMany', (tags) => (items) => items.getOrSetMany(['a'], () => new Map([['a', 1]]), { tags })],
  ['set', (tags) => (items) => items.set('a', 1, { tags })],
  ['setMany', (tags) => (items) => items.setMany([['a', 1]], { tags })],
  ['invalidate', (tags) => (_items, cache) => cache.invalidate({ tags })],
];

const OTHERS: [string, string, Wrong][] = [
  ['an unknown namespace', 'STRATA_UNKNOWN_NAMESPACE', (_i, cache) => cache.get('nope', 'a')],
  ['an unknown namespace', 'STRATA_UNKNOWN_NAMESPACE', (_i, cache) => cache.getOrSet('nope', 'a', () => 1)],
  ['an unknown namespace', 'STRATA_UNKNOWN_NAMESPACE', (_i, cache) => cache.set('nope', 'a', 1)],
  ['an unknown namespace', 'STRATA_UNKNOWN_NAMESPACE', (_i, cache) => cache.delete('nope', 'a')],
  ['an unknown namespace', 'STRATA_UNKNOWN_NAMESPACE', (_i, cache) => cache.clear('nope')],
  [
    'an unknown namespace',
    'STRATA_UNKNOWN_NAMESPACE',
    (_i, cache) => cache.invalidate({ namespaces: ['items', 'nope'] }),
  ],
  [
    'an inherited name as namespace',
    'STRATA_UNKNOWN_NAMESPACE',
    (_i, cache) => cache.get('constructor', 'a'),
  ],
  ['an empty tag', 'STRATA_INVALID_TAG', (_i, cache) => cache.deleteByTag('')],
  ['a reserved tag', 'STRATA_INVALID_TAG', (_i, cache) => cache.deleteByTag(['#ns:items'])],
  ['an empty user', 'STRATA_INVALID_TAG', (_i, cache) => cache.invalidate({ user: '' })],
  ['a symbol that is no string', 'STRATA_INVALID_TAG', (_i, cache) => cache.invalidate({ symbol: 5 as any })],
  ['an empty pattern', 'STRATA_INVALID_OPTIONS', (_i, cache) => cache.invalidate({ patterns: [''] })],
  [
    'a pattern that is no string',
    'STRATA_INVALID_OPTIONS',
    (_i, cache) => cache.invalidate({ patterns: ['a', 5 as any] }),
  ],
  [
    'a misspelt selector',
    'STRATA_INVALID_OPTIONS',
    (_i, cache) => cache.invalidate({ namespace: 'items' } as any),
  ],
  ['no selector', 'STRATA_INVALID_OPTIONS', (_i, cache) => cache.invalidate(undefined as any)],
  ['no loader', 'STRATA_INVALID_OPTIONS', (items) => items.getOrSet('a', undefined as any)],
  ['no loader', 'STRATA_INVALID_OPTIONS', (items) => items.getOrSetMany(['a'], 'x' as any)],
  ['no list of ids', 'STRATA_INVALID_KEY', (items) => items.getMany(undefined as any)],
  ['no list of ids', 'STRATA_INVALID_KEY', (items) => items.getOrSetMany('a' as any, () => new Map())],
  [
    'an expiry that is no date',
    'STRATA_INVALID_TTL',
    (items) => items.set('a', 1, { expiresAt: new Date(Number.NaN) }),
  ],
  [
    'an expiry that is no date',
    'STRATA_INVALID_TTL',
    (items) => items.set('a', 1, { expiresAt: '2030-01-01' as any }),
  ],
  [
    'an expiry that is no date',
    'STRATA_INVALID_TTL',
    (items) => items.set('a', 1, { expiresAt: null as any }),
  ],
  ['a negative grace', 'STRATA_INVALID_TTL', (items) => items.getOrSet('a', () => 1, { grace: -1 })],
  ['a grace without end', 'STRATA_INVALID_TTL', (items) => items.getOrSet('a', () => 1, { grace: Infinity })],
  [
    'a hard timeout of nothing',
    'STRATA_INVALID_TTL',
    (items) => items.getOrSet('a', () => 1, { hardTimeout: 0 }),
  ],
  [
    'a hard timeout beyond what timers can',
    'STRATA_INVALID_TTL',
    (items) => items.getOrSet('a', () => 1, { hardTimeout: '30d' }),
  ],
  ['a lock without name', 'STRATA_INVALID_OPTIONS', (_i, cache) => cache.exclusive('', {}, async () => 1)],
  [
    'a lock of no time',
    'STRATA_INVALID_OPTIONS',
    (_i, cache) => cache.exclusive('x', { leaseMs: 0 }, async () => 1),
  ],
  [
    'a lock of no number',
    'STRATA_INVALID_OPTIONS',
    (_i, cache) => cache.exclusive('x', { leaseMs: Number.NaN }, async () => 1),
  ],
  [
    'a negative hold',
    'STRATA_INVALID_OPTIONS',
    (_i, cache) => cache.exclusive('x', { holdMs: -1 }, async () => 1),
  ],
];

const show = (value: unknown): string =>
  typeof value === 'string' && value.length > 20
    ? `a string of ${value.length}`
    : typeof value === 'symbol'
      ? 'symbol'
      : (JSON.stringify(value) ?? String(value));

describe.each(['shared', 'embedded'])('wrong use (%s)', (kind) => {
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  beforeAll(() => void process.on('unhandledRejection', note));
  afterAll(() => void process.off('unhandledRejection', note));

  /** Rejects (never throws) with a typed error of that code; what was stored stays, and nothing is added. */
  async function expectRefused(wrong: Wrong, code: string): Promise<void> {
    const cache = kind === 'shared' ? (await fleet()).nodes[0]! : embedded().cache;
    const items = cache.namespace('items');
    if (!wrong.toString().includes('getOrSet')) await items.set('a', 'before');
    const entries = cache.stats().tiers.l1.entries;
    let promise!: Promise<unknown>;
    expect(() => (promise = wrong(items, cache))).not.toThrow();
    const error = await promise.then(
      (value) => value,
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(StrataError);
    expect((error as StrataError).code).toBe(code);
    expect(cache.stats().tiers.l1.entries).toBe(entries);
    expect(await items.has('ok')).toBe(false);
    if (entries > 0) expect(await items.get('a')).toBe('before');
    await settle();
    expect(unhandled).toEqual([]);
  }

  it.each(BY_ID.flatMap(([name, make]) => BAD_IDS.map((id) => [name, show(id), make(id)] as const)))(
    '%s refuses the id %s',
    (_name, _id, wrong) => expectRefused(wrong, 'STRATA_INVALID_KEY'),
  );

  it.each(BY_TTL.flatMap(([name, make]) => BAD_TTLS.map((ttl) => [name, show(ttl), make(ttl)] as const)))(
    '%s refuses the TTL %s',
    (_name, _ttl, wrong) => expectRefused(wrong, 'STRATA_INVALID_TTL'),
  );

  it.each(BY_TAGS.flatMap(([name, make]) => BAD_TAGS.map((tags) => [name, show(tags), make(tags)] as const)))(
    '%s refuses the tags %s',
    (_name, _tags, wrong) => expectRefused(wrong, 'STRATA_INVALID_TAG'),
  );

  it.each(OTHERS)('%s is refused with %s', (_what, code, wrong) => expectRefused(wrong, code));

  it('peek throws at once for a wrong id, and namespace() for an unknown one', async () => {
    const { cache } = embedded();
    for (const id of BAD_IDS) expect(() => cache.namespace('items').peek(id as string)).toThrow(StrataError);
    expect(() => cache.namespace('nope')).toThrow(
      expect.objectContaining({ code: 'STRATA_UNKNOWN_NAMESPACE' }),
    );
  });
});

const NS = { ttl: '1m' } as const;
const BAD_OPTIONS: [string, unknown][] = [
  ['name', { name: '' }],
  ['prefix', { prefix: 'a b' }],
  ['prefix', { prefix: '{x}' }],
  ['l1.maxEntries', { l1: { maxEntries: 0 } }],
  ['l1.maxEntries', { l1: { maxEntries: 1.5 } }],
  ['l1.maxBytes', { l1: { maxBytes: -1 } }],
  ['l1.maxByte', { l1: { maxByte: 5_000 } }],
  ['stalenessBound', { stalenessBound: 10 }],
  ['stalenessBound', { stalenessBound: '2m' }],
  ['stalenessBounds', { stalenessBounds: 500 }],
  ['namespaces', { namespaces: { '1a': NS } }],
  ['namespaces', { namespaces: { 'a:b': NS } }],
  ['namespaces.a', { namespaces: { a: null } }],
  ['namespaces.a.ttl', { namespaces: { a: {} } }],
  ['namespaces.a.ttl', { namespaces: { a: { ttl: 0 } } }],
  ['namespaces.a.tll', { namespaces: { a: { ...NS, tll: 5 } } }],
  ['namespaces.a.tiers', { namespaces: { a: { ...NS, tiers: [] } } }],
  ['namespaces.a.tiers', { namespaces: { a: { ...NS, tiers: ['l3'] } } }],
  ['namespaces.a.consistency', { namespaces: { a: { ...NS, consistency: 'eventual' } } }],
  ['namespaces.a.values', { namespaces: { a: { ...NS, values: 'copied' } } }],
  ['namespaces.a.sliding', { namespaces: { a: { ...NS, sliding: 1 } } }],
  ['namespaces.a.jitter', { namespaces: { a: { ...NS, jitter: 0.6 } } }],
  ['namespaces.a.negativeTtl', { namespaces: { a: { ...NS, negativeTtl: 0 } } }],
  ['namespaces.a.negativeTtl', { namespaces: { a: { ...NS, negativeTtl: true } } }],
  ['namespaces.a.grace', { namespaces: { a: { ...NS, grace: -1 } } }],
  ['namespaces.a.hardTimeout', { namespaces: { a: { ...NS, hardTimeout: 0 } } }],
  ['namespaces.a.hardTimeout', { namespaces: { a: { ...NS, hardTimeout: '30d' } } }],
  ['namespaces.a.softTimeout', { namespaces: { a: { ...NS, softTimeout: '30d' } } }],
  ['namespaces.a.refreshAhead', { namespaces: { a: { ...NS, refreshAhead: 1 } } }],
  ['namespaces.a.onRemoteLoss', { namespaces: { a: { ...NS, onRemoteLoss: 'fail' } } }],
  ['namespaces.a.lease', { namespaces: { a: { ...NS, lease: 1 } } }],
  ['namespaces.a.maxEntryBytes', { namespaces: { a: { ...NS, maxEntryBytes: 1 } } }],
  ['namespaces.a.normalizeId', { namespaces: { a: { ...NS, normalizeId: 'upper' } } }],
  ['namespaces.a.schema', { namespaces: { a: { ...NS, schema: 'a b' } } }],
  ['remote', { remote: {} }],
  ['remote', { remote: 'redis://localhost' }],
];

describe('wrong options', () => {
  it.each(BAD_OPTIONS)('%s: the constructor names it', (option, options) => {
    let caught: unknown;
    try {
      void new TieredCache(options as TieredCacheOptions);
    } catch (error) {
      caught = error;
    }
    expect(caught).toMatchObject({ code: 'STRATA_INVALID_OPTIONS' });
    expect((caught as StrataError).message).toContain(`"${option}"`);
  });

  it('strict needs the shared tier among its tiers', () => {
    const remote = createInProcessTier(new InProcessHub());
    expect(
      () => new TieredCache({ remote, namespaces: { a: { ...NS, consistency: 'strict', tiers: ['l1'] } } }),
    ).toThrow(expect.objectContaining({ code: 'STRATA_INVALID_OPTIONS' }));
  });

  it('a namespace declared twice: equal options are fine, others are refused', () => {
    const { cache } = embedded();
    expect(cache.declareNamespace('items', { ttl: 600_000 })).toBe(cache.namespace('items'));
    expect(() => cache.declareNamespace('items', { ttl: '1m' })).toThrow(
      expect.objectContaining({ code: 'STRATA_INVALID_OPTIONS' }),
    );
  });
});
