import { BOUND, closeFleets, deferred, fleet, Source, stateOf } from '../../../../test/support/fleet.js';

afterEach(closeFleets);

describe('a failover that loses the last writes', () => {
  it('brings no value back whose invalidation was lost with the old master', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2 });
    const source = new Source({ a: 'old' });
    await nodes[0]!.getOrSet('items', 'a', source.load);
    const promote = hub.replica();
    source.values.set('a', 'new');
    expect((await nodes[0]!.delete('items', 'a')).acknowledged).toBe(true);
    promote();
    await clock.pass(BOUND);
    expect(await nodes[0]!.getOrSet('items', 'a', source.load)).toBe('new');
    expect(await nodes[1]!.getOrSet('items', 'a', source.load)).toBe('new');
  });

  it('brings no entry back whose tag was invalidated, nor one that the new master made meanwhile valid again', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2 });
    const source = new Source({ a: 'old' });
    await nodes[0]!.getOrSet('items', 'a', source.load, { tags: ['t'] });
    const promote = hub.replica();
    source.values.set('a', 'new');
    await nodes[1]!.deleteByTag('t');
    promote();
    await clock.pass(1);
    expect(await nodes[1]!.getOrSet('items', 'a', source.load, { tags: ['t'] })).toBe('new');
  });

  it('is not read from before it is noticed: who answers after a cut line is asked who it is', async () => {
    const { nodes, hub, clock, tiers } = await fleet({ nodes: 2 });
    const source = new Source({ a: 'old' });
    await nodes[0]!.getOrSet('items', 'a', source.load);
    const promote = hub.replica();
    source.values.set('a', 'new');
    await nodes[0]!.delete('items', 'a');
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['poll'], tier: tiers[1]! });
    promote();
    await clock.pass(0);
    const reading = nodes[1]!.getOrSet('items', 'a', source.load);
    expect(await stateOf(reading)).toMatchObject({ pending: true });
    lift();
    await clock.pass(1);
    expect(await reading).toBe('new');
  });

  it('is not read from after the clock has run out, even where no line was cut', async () => {
    const { nodes, hub, clock, tiers } = await fleet({ nodes: 2, hub: { commandTimeoutMs: 60_000 } });
    const source = new Source({ a: 'old' });
    await nodes[0]!.getOrSet('items', 'a', source.load);
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['poll'], tier: tiers[1]! });
    await clock.pass(BOUND + 1);
    const promote = hub.replica();
    source.values.set('a', 'new');
    await nodes[0]!.delete('items', 'a');
    promote({ silently: true });
    const reading = nodes[1]!.getOrSet('items', 'a', source.load);
    expect(await stateOf(reading)).toMatchObject({ pending: true });
    lift();
    await clock.pass(1);
    expect(await reading).toBe('new');
  });

  it('does not answer a read that was under way when it happened with what the new master brought back', async () => {
    const { nodes, hub, clock, tiers } = await fleet({ nodes: 2 });
    const source = new Source({ a: 'old' });
    await nodes[0]!.getOrSet('items', 'a', source.load, { tags: ['t'] });
    const promote = hub.replica();
    source.values.set('a', 'new');
    await nodes[0]!.delete('items', 'a');
    promote({ silently: true });
    // The value of the new master is on its way while the poll that tells of the failover comes back.
    const lift = hub.inject({ at: 'answer', how: 'held', commands: ['get'], tier: tiers[1]! });
    const reading = nodes[1]!.getOrSet('items', 'a', source.load, { tags: ['t'] });
    await clock.pass(BOUND / 2);
    lift();
    await clock.pass(1);
    expect(await reading).toBe('new');
  });

  it('does not answer with what arrives after the clock has run out, until the log has been read once more', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 1, hub: { commandTimeoutMs: 60_000 } });
    const source = new Source({ a: 'old' });
    await nodes[0]!.getOrSet('items', 'a', source.load, { tags: ['t'] });
    const promote = hub.replica();
    source.values.set('a', 'new');
    await nodes[0]!.delete('items', 'a');
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['poll'] });
    await clock.pass(BOUND / 2);
    const arrive = hub.inject({ at: 'request', how: 'held', commands: ['get'] });
    const reading = nodes[0]!.getOrSet('items', 'a', source.load, { tags: ['t'] });
    await clock.pass(1);
    promote({ silently: true });
    await clock.pass(BOUND);
    arrive();
    expect(await stateOf(reading)).toMatchObject({ pending: true });
    lift();
    await clock.pass(1);
    expect(await reading).toBe('new');
  });

  it('stores nothing and believes nothing while nobody can vouch for the new data set, and says so', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2 });
    const source = new Source({ a: 'old' });
    await nodes[0]!.getOrSet('items', 'a', source.load);
    const promote = hub.replica();
    source.values.set('a', 'new');
    await nodes[0]!.delete('items', 'a');
    const lift = hub.inject({ at: 'request', how: 'lost', commands: ['vouch'] });
    promote();
    await clock.pass(5 * BOUND);
    expect(nodes[1]!.health().quarantined).toEqual(['items']);
    for (let i = 1; i <= 2; i++) {
      const reading = nodes[1]!.getOrSet('items', 'a', source.load);
      await clock.pass(BOUND);
      expect(await reading).toBe('new');
    }
    lift();
    await clock.pass(2 * BOUND);
    expect(nodes[1]!.health()).toMatchObject({ quarantined: [], state: 'up' });
    const { loads } = source;
    await nodes[0]!.getOrSet('items', 'a', source.load);
    expect(await nodes[1]!.getOrSet('items', 'a', source.load)).toBe('new');
    expect(source.loads).toBe(loads + 1);
  });

  it('drops a load that began before it: its lease and nonces are of the old master', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2 });
    const gate = deferred<void>();
    const reading = nodes[0]!.getOrSet('items', 'a', async () => {
      await gate.promise;
      return 'old';
    });
    await clock.pass(1);
    const promote = hub.replica();
    await nodes[1]!.delete('items', 'a');
    promote();
    await clock.pass(BOUND);
    gate.resolve();
    expect(await reading).toBe('old');
    expect(await nodes[1]!.getOrSet('items', 'a', () => 'new')).toBe('new');
    expect(await nodes[0]!.getOrSet('items', 'a', () => 'newer')).toBe('new');
  });
});

describe('vouching', () => {
  it('is done once: a node that starts later, or again, finds the entries as they are', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 3 });
    const source = new Source({ a: 1 });
    await nodes[0]!.getOrSet('items', 'a', source.load);
    hub.cut(nodes[1]!['core'].remote!.tier);
    await clock.pass(2 * BOUND);
    hub.mend(nodes[1]!['core'].remote!.tier);
    await clock.pass(BOUND);
    expect(await nodes[1]!.getOrSet('items', 'a', source.load)).toBe(1);
    expect(await nodes[2]!.getOrSet('items', 'a', source.load)).toBe(1);
    expect(source.loads).toBe(1);
  });

  it('is done for a namespace that is declared later, and for it alone', async () => {
    const { nodes, clock } = await fleet({ nodes: 2 });
    const source = new Source({ a: 1, b: 2 });
    await nodes[0]!.getOrSet('items', 'a', source.load);
    for (const node of nodes) node.declareNamespace('later', { ttl: '1m' });
    await clock.pass(1);
    await nodes[0]!.getOrSet('later', 'b', source.load);
    await nodes[1]!.getOrSet('later', 'b', source.load);
    await nodes[1]!.getOrSet('items', 'a', source.load);
    expect(source.loads).toBe(2);
  });

  it('is done anew where the marks were lost, which costs loads and nothing else', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2 });
    const source = new Source({ a: 1 });
    await nodes[0]!.getOrSet('items', 'a', source.load);
    hub.flush();
    await clock.pass(BOUND);
    expect(await nodes[0]!.getOrSet('items', 'a', source.load)).toBe(1);
    expect(await nodes[1]!.getOrSet('items', 'a', source.load)).toBe(1);
    expect(source.loads).toBe(2);
  });
});
