import { InvalidOptionsError, TieredCache } from '#tiered-cache';
import { resolveTypeOrmOptions } from './cache-typeorm.options.js';
import { CommitFences } from './commit-fences.js';
import type { EntryKey } from './invalidation-batch.js';

const TIMES = { forMs: 10_000, withinMs: 50 };

function write(...ids: string[]): { keys: EntryKey[] } {
  return { keys: ids.map((id) => ({ namespace: 'coins', id })) };
}

/** A cache that writes down what is fenced. */
class Recording {
  readonly fenced: EntryKey[][] = [];
  standing = true;
  fail: Error | null = null;

  readonly fence = (async (keys: readonly EntryKey[]) => {
    if (this.fail) throw this.fail;
    this.fenced.push([...keys]);
    return { standing: this.standing, keys: keys.map(({ id }) => id) };
  }) as unknown as TieredCache['fence'];
}

describe('the fences of a transaction', () => {
  let cache: Recording;
  let fences: CommitFences;

  beforeEach(() => {
    cache = new Recording();
    fences = new CommitFences(cache, TIMES, 3);
  });

  it('name each key once, in one request', async () => {
    await fences.raise([write('BTC', 'ETH'), write('BTC')]);
    expect(cache.fenced).toEqual([write('BTC', 'ETH').keys]);
    expect(fences.counts).toEqual({ fencesRaised: 1, fencesNotStanding: 0, keysNotFenced: 0 });
  });

  it('are not asked for when no key is known', async () => {
    expect(await fences.raise([write()])).toBeUndefined();
    expect(cache.fenced).toEqual([]);
  });

  it('leave out what is more than the most, and count it', async () => {
    await fences.raise([write('a', 'b', 'c', 'd', 'e')]);
    expect(cache.fenced).toEqual([write('a', 'b', 'c').keys]);
    expect(fences.counts.keysNotFenced).toBe(2);
  });

  it('count one that does not stand, and hand it on: its invalidation takes it away all the same', async () => {
    cache.standing = false;
    expect(await fences.raise([write('BTC')])).toBeDefined();
    expect(fences.counts).toMatchObject({ fencesRaised: 0, fencesNotStanding: 1 });
  });

  it('never fail a COMMIT: a refused key means no fence', async () => {
    cache.fail = new Error('refused');
    await expect(fences.raise([write('BTC')])).resolves.toBeUndefined();
    expect(fences.counts.fencesNotStanding).toBe(1);
  });

  it('are none where no other node can fill: embedded mode counts nothing', async () => {
    const embedded = new TieredCache({ namespaces: { coins: { ttl: '1m' } } }).start();
    const none = new CommitFences(embedded, TIMES);
    expect(await none.raise([write('BTC')])).toBeUndefined();
    expect(none.counts).toEqual({ fencesRaised: 0, fencesNotStanding: 0, keysNotFenced: 0 });
    await embedded.close();
  });
});

describe('the option fence', () => {
  const resolved = (options: Parameters<typeof resolveTypeOrmOptions>[0]) =>
    resolveTypeOrmOptions(options).fence;

  it('is on: for 10 s, COMMIT waits 50 ms at most', () => {
    expect(resolved({})).toEqual({ forMs: 10_000, withinMs: 50 });
  });

  it('never waits longer than an invalidation may delay a write, and not at all if that is 0', () => {
    expect(resolved({ maxDelayMs: 20 })).toEqual({ forMs: 10_000, withinMs: 20 });
    expect(resolved({ maxDelayMs: 500, fence: { within: '80ms', for: '1m' } })).toEqual({
      forMs: 60_000,
      withinMs: 80,
    });
    expect(resolved({ maxDelayMs: 0 })).toBeNull();
    expect(resolved({ fence: false })).toBeNull();
  });

  it.each([true, [], null, { form: 1 }, { for: 0 }, { for: '11m' }, { within: '2m' }])(
    'refuses %j',
    (fence) => {
      expect(() => resolved({ fence: fence as never })).toThrow(InvalidOptionsError);
    },
  );
});
