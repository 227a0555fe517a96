import { closeFleets, fleet, type FleetOptions, Source } from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';
import { InvalidOptionsError, TieredCache } from '../index.js';

afterEach(closeFleets);

const BEHIND: FleetOptions = { nodes: 2, namespaces: { items: { ttl: '10m', fill: 'behind' } } };

/** Is it settled, once all has happened that waits for nothing else? */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.finally(() => (settled = true));
  await settle();
  return settled;
}

describe("fill: 'behind'", () => {
  it.each(['getOrSet', 'getOrSetMany'] as const)(
    '%s answers while the value is on its way to the shared tier',
    async (method) => {
      const { nodes, hub } = await fleet(BEHIND);
      const items = nodes[0]!.namespace('items');
      const lift = hub.inject({ at: 'request', how: 'held', commands: ['fill'] });
      const read =
        method === 'getOrSet'
          ? items.getOrSet('a', () => 'loaded')
          : items.getOrSetMany(['a', 'b'], async (ids) => new Map(ids.map((id) => [id, 'loaded'])));
      expect(await isSettled(read)).toBe(true);
      lift();
      await settle();
      expect(items.peek('a')).toBe('loaded');
      expect(await nodes[1]!.get('items', 'a')).toBe('loaded');
    },
  );

  it('is asked for: otherwise the answer waits until others can find the value', async () => {
    const { nodes, hub } = await fleet({ nodes: 2 });
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['fill'] });
    const read = nodes[0]!.getOrSet('items', 'a', () => 'loaded');
    expect(await isSettled(read)).toBe(false);
    lift();
    expect(await read).toBe('loaded');
  });

  it('nobody in this process loads again meanwhile', async () => {
    const { nodes, hub } = await fleet(BEHIND);
    const source = new Source({ a: 1 });
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['fill'] });
    await nodes[0]!.getOrSet('items', 'a', source.load);
    await nodes[0]!.getOrSet('items', 'a', source.load);
    expect(source.loads).toBe(1);
    lift();
  });

  it('what is invalidated meanwhile is stored nowhere, and a read after that loads', async () => {
    const { nodes, hub, clock } = await fleet(BEHIND);
    const source = new Source({ a: 'old' });
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['fill'] });
    expect(await nodes[0]!.getOrSet('items', 'a', source.load)).toBe('old');
    source.values.set('a', 'new');
    await nodes[1]!.namespace('items').delete('a');
    await clock.pass(50);
    const again = nodes[0]!.getOrSet('items', 'a', source.load);
    lift();
    await clock.pass(50);
    expect(await again).toBe('new');
    expect(nodes[0]!.namespace('items').peek('a')).toBe('new');
    expect(await nodes[1]!.get('items', 'a')).toBe('new');
    expect(nodes[0]!.stats().fillsRejected).toBe(1);
  });

  it('a fill without an answer is counted, and keeps the value out of L1', async () => {
    const { nodes, hub, clock } = await fleet(BEHIND);
    hub.inject({ at: 'request', how: 'lost', commands: ['fill'] });
    expect(await nodes[0]!.getOrSet('items', 'a', () => 'loaded')).toBe('loaded');
    await clock.pass(300);
    expect(nodes[0]!.stats().errors).toBe(1);
    expect(nodes[0]!.namespace('items').peek('a')).toBeUndefined();
  });

  it('close waits for it', async () => {
    const { nodes, hub, clock } = await fleet(BEHIND);
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['fill'] });
    await nodes[0]!.getOrSet('items', 'a', () => 'loaded');
    const closing = nodes[0]!.close();
    await clock.pass(20);
    lift();
    await clock.pass(20);
    await closing;
    expect(await nodes[1]!.get('items', 'a')).toBe('loaded');
  });

  it('is one of two words', () => {
    const make = (fill: 'before') => new TieredCache({ namespaces: { items: { ttl: '1m', fill } } });
    expect(() => make('later' as 'before')).toThrow(InvalidOptionsError);
  });
});

describe('misses in a row', () => {
  /** What is asked of the first node's tier. */
  async function watched() {
    const made = await fleet({ nodes: 2 });
    const tier = made.tiers[0]!;
    const names: string[] = [];
    for (const name of ['get', 'acquire'] as const) {
      const original = tier[name].bind(tier) as (...args: never[]) => never;
      Object.assign(tier, {
        [name]: (...args: never[]) => {
          names.push(name);
          return original(...args);
        },
      });
    }
    const miss = (id: string) => made.nodes[0]!.getOrSet('items', id, () => `load ${id}`);
    for (let i = 0; i < 8; i++) await miss(`m${i}`);
    names.length = 0;
    return { ...made, names, miss };
  }

  it('spare the next its GET', async () => {
    const { names, miss, nodes } = await watched();
    expect(await miss('a')).toBe('load a');
    expect(names).toEqual(['acquire']);
    expect(await nodes[1]!.get('items', 'a')).toBe('load a');
  });

  it('end with a value, which is answered by the same question; then GET comes first again', async () => {
    const { names, miss, nodes } = await watched();
    await nodes[1]!.getOrSet('items', 'b', () => 'of another node');
    expect(await miss('b')).toBe('of another node');
    expect(names).toEqual(['acquire']);
    await miss('c');
    expect(names).toEqual(['acquire', 'get', 'acquire']);
  });

  it('a lease that somebody else holds is waited for', async () => {
    const { miss, nodes, clock } = await watched();
    const source = new Source({ d: 'of another node' });
    const release = source.hold();
    const other = nodes[1]!.getOrSet('items', 'd', source.load);
    await settle();
    const read = miss('d');
    await clock.pass(50);
    release();
    await clock.pass(100);
    expect([await other, await read]).toEqual(['of another node', 'of another node']);
  });
});
