import { BOUND, closeFleets, fleet, type Fleet, Source, TIMEOUT } from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';
import type { RemoteTier } from '../index.js';

afterEach(closeFleets);

/** Node 0 has stored it; node 1 knows the nonces, as it holds another entry with them. */
async function stored(tags: string[] = ['t']): Promise<Fleet> {
  const made = await fleet({ nodes: 2 });
  for (const node of made.nodes) await node.getOrSet('items', 'other', () => 1, { tags });
  await made.nodes[0]!.getOrSet('items', 'a', () => 'old', { tags });
  await made.clock.pass(10);
  return made;
}

/** What is asked of a tier from now on. */
function asked(tier: RemoteTier): string[] {
  const names: string[] = [];
  for (const name of ['get', 'acquire', 'nonces', 'fill'] as const) {
    const original = tier[name].bind(tier) as (...args: never[]) => never;
    (tier as unknown as Record<string, unknown>)[name] = (...args: never[]) => {
      names.push(name);
      return original(...args);
    };
  }
  return names;
}

describe('a hit of the shared tier', () => {
  it('asks for the value and nothing else, and enters L1', async () => {
    const { nodes, tiers } = await stored();
    const names = asked(tiers[1]!);
    const source = new Source();
    expect(await nodes[1]!.getOrSet('items', 'a', source.load, { tags: ['t'] })).toBe('old');
    expect(names).toEqual(['get']);
    expect(source.loads).toBe(0);
    expect(nodes[1]!.namespace('items').peek('a')).toBe('old');
    expect(nodes[1]!.stats().tiers.l2.hits).toBe(2); // with the one before
  });

  it('with tags unknown here asks for their nonces before it is believed', async () => {
    const { nodes, tiers } = await stored();
    await nodes[0]!.getOrSet('items', 'b', () => 'b', { tags: ['never met by the other'] });
    const names = asked(tiers[1]!);
    expect(await nodes[1]!.getOrSet('items', 'b', () => 'loaded')).toBe('b');
    expect(names).toEqual(['get', 'nonces']);
  });

  it('is served, but not kept, where its key was invalidated while the answer was under way', async () => {
    const { nodes, tiers, hub, clock } = await stored();
    const lift = hub.inject({ at: 'answer', how: 'held', commands: ['get'], tier: tiers[1]! });
    const read = nodes[1]!.getOrSet('items', 'a', () => 'loaded');
    await settle();
    await nodes[0]!.namespace('items').delete('a');
    await clock.pass(50);
    lift();
    await read;
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
  });

  it('is not served where its tag was invalidated while the answer was under way', async () => {
    const { nodes, tiers, hub, clock } = await stored();
    const lift = hub.inject({ at: 'answer', how: 'held', commands: ['get'], tier: tiers[1]! });
    const read = nodes[1]!.getOrSet('items', 'a', () => 'loaded', { tags: ['t'] });
    await settle();
    await nodes[0]!.deleteByTag('t');
    await clock.pass(50);
    lift();
    expect(await read).toBe('loaded');
  });

  it('is not believed once the validity clock has stopped: the log is asked first', async () => {
    const { nodes, tiers, hub, clock } = await stored();
    const lift = hub.inject({ at: 'answer', how: 'held', commands: ['get'], tier: tiers[1]! });
    const read = nodes[1]!.getOrSet('items', 'a', () => 'loaded', { tags: ['t'] });
    await settle();
    // An invalidation that this node has not heard of, since its loop was blocked.
    const unheard = hub.inject({ how: 'held', commands: ['poll', 'wake'], tier: tiers[1]! });
    await nodes[0]!.deleteByTag('t');
    clock.jump(BOUND + 1);
    lift();
    await settle();
    unheard();
    await clock.pass(100);
    expect(await read).toBe('loaded');
  });

  it('is not served past its time', async () => {
    const { nodes, tiers, hub, clock } = await stored();
    const lift = hub.inject({ at: 'answer', how: 'held', commands: ['get'], tier: tiers[1]! });
    await nodes[0]!.namespace('items').touch('a', 100);
    const read = nodes[1]!.getOrSet('items', 'a', () => 'loaded');
    await settle();
    await clock.pass(110);
    lift();
    expect(await read).toBe('loaded');
  });

  it('that cannot be read is counted once, and loaded', async () => {
    const { nodes, tiers, clock } = await stored();
    const tier = tiers[1]!;
    const get = tier.get.bind(tier);
    tier.get = async (key) => Buffer.concat([(await get(key))!.subarray(0, -1), Buffer.from('x')]);
    const errors = nodes[1]!.stats().errors;
    const read = nodes[1]!.getOrSet('items', 'a', () => 'loaded', { tags: ['t'] });
    await clock.pass(100);
    expect(['loaded', 'old']).toContain(await read);
    expect(nodes[1]!.stats().errors - errors).toBe(1);
  });

  it('a GET without an answer is not sent again', async () => {
    const { nodes, tiers, hub, clock } = await stored();
    hub.inject({ at: 'request', how: 'lost', commands: ['get'], tier: tiers[1]! });
    const names = asked(tiers[1]!);
    const read = nodes[1]!.getOrSet('items', 'a', () => 'loaded');
    await clock.pass(TIMEOUT + 5);
    expect(await read).toBe('loaded');
    expect(names).toEqual(['get']);
  });
});
