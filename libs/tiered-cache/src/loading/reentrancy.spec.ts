import { closeFleets, embedded, fleet } from '../../../../test/support/fleet.js';
import { ReentrantLoadError } from '../index.js';

afterEach(closeFleets);

describe('a loader that asks for the key it loads', () => {
  it.each(['embedded', 'shared'])('calls through when it asks synchronously (%s)', async (kind) => {
    const cache = kind === 'embedded' ? embedded().cache : (await fleet()).nodes[0]!;
    const items = cache.namespace('items');
    // As a decorated override that calls a decorated super on the same key.
    const value = await items.getOrSet('a', () =>
      items.getOrSet('a', () => 'base').then((base) => `${String(base)}+override`),
    );
    expect(value).toBe('base+override');
    expect(items.peek('a')).toBe('base+override');
  });

  it('calls through from the loader of a batch', async () => {
    const { cache, clock } = embedded();
    const items = cache.namespace('items');
    const read = items.getOrSetMany(['a', 'b'], (ids) =>
      Promise.all(ids.map(async (id) => [id, await items.getOrSet(id, () => `${id}!`)] as const)).then(
        (all) => new Map(all),
      ),
    );
    await clock.pass(1);
    expect(await read).toEqual(
      new Map([
        ['a', 'a!'],
        ['b', 'b!'],
      ]),
    );
  });

  it.each(['embedded', 'shared'])(
    'ends in ReentrantLoadError when it asks asynchronously, and never hangs (%s)',
    async (kind) => {
      const namespaces = { items: { ttl: '1m', lease: '1s' } } as const;
      const made = kind === 'embedded' ? embedded({ namespaces }) : await fleet({ namespaces });
      const items = ('cache' in made ? made.cache : made.nodes[0]!).namespace('items');
      const loader = async (): Promise<unknown> => {
        await Promise.resolve();
        return items.getOrSet('a', loader);
      };
      let caught: unknown;
      items.getOrSet('a', loader).catch((error: unknown) => (caught = error));
      // Bounded: at most seven leases (1 + 2 + 4), see ReadThrough.join.
      await made.clock.until(() => caught !== undefined, 10_000);
      expect(caught).toBeInstanceOf(ReentrantLoadError);
      expect((caught as ReentrantLoadError).code).toBe('STRATA_REENTRANT_LOAD');
      // Nothing is left behind: the key works again.
      let value: unknown;
      void items.getOrSet('a', () => 'fine').then((v) => (value = v));
      await made.clock.until(() => value !== undefined, 10_000);
      expect(value).toBe('fine');
    },
  );

  it('a load that is merely slower than its lease is waited for, not called reentrant', async () => {
    const { cache, clock } = embedded({ namespaces: { items: { ttl: '1m', lease: '1s' } } });
    const items = cache.namespace('items');
    let loads = 0;
    const slow = () => new Promise((resolve) => void clock.setTimer(3_000, () => resolve(`load ${++loads}`)));
    const reads = Array.from({ length: 20 }, () => items.getOrSet('a', slow));
    let done = 0;
    for (const read of reads) void read.then(() => done++);
    await clock.until(() => done === 20, 10_000);
    // The first waits for its own; those who joined share one more load at most.
    expect(loads).toBeLessThanOrEqual(2);
  });

  it('two keys whose loaders need each other end in an error too', async () => {
    const { cache, clock } = embedded({ namespaces: { items: { ttl: '1m', lease: '1s' } } });
    const items = cache.namespace('items');
    const a = async (): Promise<unknown> => {
      await Promise.resolve();
      return items.getOrSet('b', b);
    };
    const b = async (): Promise<unknown> => {
      await Promise.resolve();
      return items.getOrSet('a', a);
    };
    let caught: unknown;
    items.getOrSet('a', a).catch((error: unknown) => (caught = error));
    await clock.until(() => caught !== undefined, 60_000);
    expect(caught).toBeInstanceOf(ReentrantLoadError);
  });
});
