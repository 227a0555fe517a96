import { BOUND, closeFleets, fleet, Source } from '../../../../test/support/fleet.js';

afterEach(closeFleets);

/** Node 1 holds the old value in L1, and what node 0 writes reaches its log only when `heard` is called. */
async function deaf(options: Parameters<typeof fleet>[0] = {}) {
  const made = await fleet({ nodes: 2, ...options });
  const source = new Source<string>({ a: 'old', b: 'old' });
  for (const node of made.nodes)
    for (const id of ['a', 'b']) await node.getOrSet('items', id, source.load, { tags: ['t'] });
  const heard = made.hub.inject({
    at: 'answer',
    how: 'held',
    commands: ['poll', 'wake'],
    tier: made.tiers[1]!,
  });
  source.values.set('a', 'new');
  return { ...made, source, heard };
}

describe('minPosition', () => {
  it('reads on another node what was written, before the log has told it', async () => {
    const { nodes, source, heard, clock } = await deaf();
    const { position } = await nodes[0]!.delete('items', 'a');
    expect(await nodes[1]!.getOrSet('items', 'a', source.load)).toBe('old');
    const options = { minPosition: position! };
    expect(await nodes[1]!.getOrSet('items', 'a', source.load, options)).toBe('new');
    heard();
    await clock.pass(1);
  });

  it('asks for tags that the log has not told of yet', async () => {
    const { nodes, source, heard, clock } = await deaf();
    const { position } = await nodes[0]!.deleteByTag('t');
    const options = { minPosition: position!, tags: ['t'] };
    expect(await nodes[1]!.getOrSet('items', 'a', source.load, { tags: ['t'] })).toBe('old');
    expect(await nodes[1]!.getOrSet('items', 'a', source.load, options)).toBe('new');
    heard();
    await clock.pass(1);
  });

  it('holds for get, getMany and batches', async () => {
    const { nodes, source, heard, clock } = await deaf();
    const { position } = await nodes[0]!.delete('items', 'a');
    const options = { minPosition: position! };
    const items = nodes[1]!.namespace('items');
    expect(await items.get('a')).toBe('old');
    expect(await items.get('a', options)).toBeUndefined();
    expect((await items.getMany(['a', 'b'], options)).get('a')).toBeUndefined();
    const load = async (ids: string[]) => new Map(ids.map((id) => [id, source.values.get(id)]));
    expect(await items.getOrSetMany(['a', 'b'], load, options)).toEqual(
      new Map([
        ['a', 'new'],
        ['b', 'old'],
      ]),
    );
    heard();
    await clock.pass(1);
  });

  it('joins no load that was sent before the write', async () => {
    const { nodes, source, heard, clock, hub, tiers } = await deaf();
    await nodes[0]!.delete('items', 'b');
    heard();
    await clock.pass(1);
    hub.inject({ at: 'answer', how: 'held', commands: ['poll', 'wake'], tier: tiers[1]! });
    const release = source.hold();
    const early = nodes[1]!.getOrSet('items', 'b', source.load);
    await clock.pass(1);
    source.values.set('b', 'newest');
    const { position } = await nodes[0]!.delete('items', 'b');
    release();
    const late = nodes[1]!.getOrSet('items', 'b', source.load, { minPosition: position! });
    await clock.pass(1);
    expect(await early).toBe('old');
    expect(await late).toBe('newest');
    hub.liftFaults();
    await clock.pass(1);
  });

  it('costs nothing once the record has been applied, and on the node that wrote', async () => {
    const { nodes, clock, hub, tiers } = await fleet({ nodes: 2 });
    const source = new Source({ a: 1 });
    // The writer need not read its own record to know of it.
    hub.inject({ at: 'answer', how: 'held', commands: ['poll', 'wake'], tier: tiers[0]! });
    const { position } = await nodes[0]!.delete('items', 'a');
    await clock.pass(1);
    for (const node of nodes) {
      await node.getOrSet('items', 'a', source.load);
      await node.getOrSet('items', 'a', source.load, { minPosition: position! });
      expect(node.stats().tiers.l1.hits).toBe(1);
    }
    expect(source.loads).toBe(1);
    hub.liftFaults();
    await clock.pass(1);
  });

  it('of another data set is read strictly: nobody knows what it had seen', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2 });
    const source = new Source({ a: 1 });
    const { position } = await nodes[0]!.delete('items', 'a');
    hub.restart({ keepData: true });
    await clock.pass(BOUND);
    await nodes[1]!.getOrSet('items', 'a', source.load);
    const { hits } = nodes[1]!.stats().tiers.l1;
    await nodes[1]!.getOrSet('items', 'a', source.load, { minPosition: position! });
    expect(nodes[1]!.stats().tiers.l1.hits).toBe(hits);
  });

  it('names all that one call wrote, keys and patterns', async () => {
    const { nodes } = await fleet({ nodes: 1 });
    const keys = [{ namespace: 'items', id: 'a' }];
    const single = await nodes[0]!.invalidate({ keys });
    const both = await nodes[0]!.invalidate({ keys, patterns: ['items:b*', 'items:c*'] });
    const records = (position: string | null) => position!.split('@')[1]!.split(',');
    expect(records(single.position)).toHaveLength(1);
    expect(new Set(records(both.position)).size).toBe(3);
  });

  it('that is none is read strictly, and throws nothing', async () => {
    const { nodes } = await fleet({ nodes: 1 });
    for (const minPosition of ['', '@', 'nonsense', 'a@b@c', `${'9'.repeat(5_000)}@1`])
      expect(await nodes[0]!.getOrSet('items', 'a', () => 1, { minPosition })).toBe(1);
  });
});
