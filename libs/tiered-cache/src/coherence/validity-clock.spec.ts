import { BOUND, closeFleets, fleet, type Fleet, stateOf } from '../../../../test/support/fleet.js';
import { settle } from '../../../../test/support/virtual-clock.js';

afterEach(closeFleets);

/** Node 1 holds 'old' in L1 and cannot hear of node 0's write; how long does it go on serving it? */
async function servesFor({ nodes, clock }: Fleet): Promise<number> {
  const start = clock.monotonic();
  while (nodes[1]!.namespace('items').peek('a') === 'old') {
    if (clock.monotonic() - start > 10 * BOUND) return Infinity;
    await clock.pass(1);
  }
  return clock.monotonic() - start;
}

async function warmed(options?: Parameters<typeof fleet>[0]): Promise<Fleet> {
  const made = await fleet({ nodes: 2, ...options });
  for (const node of made.nodes) await node.getOrSet('items', 'a', () => 'old');
  await made.clock.pass(10);
  expect(made.nodes[1]!.namespace('items').peek('a')).toBe('old');
  return made;
}

describe('the validity clock', () => {
  it('runs on as long as polls are answered: L1 serves for its whole TTL', async () => {
    const { nodes, clock } = await warmed();
    for (let i = 0; i < 100; i++) {
      await clock.pass(100);
      expect(nodes[1]!.namespace('items').peek('a')).toBe('old');
    }
  });

  it('stops within the bound when this node is cut off', async () => {
    const made = await warmed();
    made.hub.cut(made.tiers[1]!);
    await made.nodes[0]!.set('items', 'a', 'new');
    expect(await servesFor(made)).toBeLessThanOrEqual(BOUND);
    expect(made.nodes[1]!.health()).toMatchObject({ state: 'degraded', l1: { serving: false } });
  });

  it.each(['request', 'answer'] as const)(
    'stops within the bound when polls are held back (%s)',
    async (at) => {
      const made = await warmed();
      made.hub.inject({ at, how: 'held', commands: ['poll'], tier: made.tiers[1]! });
      await made.nodes[0]!.set('items', 'a', 'new');
      expect(await servesFor(made)).toBeLessThanOrEqual(BOUND);
    },
  );

  it('stops at once for reads after the event loop was blocked for longer than the bound', async () => {
    const { nodes, clock } = await warmed();
    clock.jump(BOUND + 1);
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
    await clock.pass(10);
    // Nothing was missed: the next poll starts it again, with all that was there.
    expect(nodes[1]!.namespace('items').peek('a')).toBe('old');
  });

  it('counts from the sending of a poll: an answer that took as long as the bound gives no time at all', async () => {
    const made = await warmed();
    const { hub, clock, nodes, tiers } = made;
    // Polls are answered 240 ms late, inside the command timeout.
    hub.inject({ at: 'answer', how: 240, commands: ['poll'], tier: tiers[1]! });
    await clock.pass(1_000);
    // From here on none is sent any more.
    const lastSent = clock.monotonic();
    hub.inject({ at: 'request', how: 'held', commands: ['poll'], tier: tiers[1]! });
    await servesFor(made);
    expect(clock.monotonic() - lastSent).toBeLessThanOrEqual(BOUND);
    expect(nodes[1]!.health().l1.serving).toBe(false);
  });

  it('a read by getOrSet obeys it as well, and loads', async () => {
    const { nodes, clock, hub, tiers } = await warmed();
    hub.cut(tiers[1]!);
    await clock.pass(BOUND + 1);
    expect(await nodes[1]!.getOrSet('items', 'a', () => 'loaded')).toBe('loaded');
    expect((await nodes[1]!.namespace('items').getMany(['a'])).size).toBe(0);
    expect(await nodes[1]!.namespace('items').has('a')).toBe(false);
  });

  it('is not moved by a page that is not complete', async () => {
    const made = await warmed({ hub: { pageSize: 3 } });
    const { nodes, hub, tiers, clock } = made;
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['poll'], tier: tiers[1]! });
    for (let i = 0; i < 20; i++) await nodes[0]!.delete('items', `other${i}`);
    await nodes[0]!.set('items', 'a', 'new');
    await clock.pass(BOUND);
    expect(nodes[1]!.health().l1.serving).toBe(false);
    // One page gets through, and is not the last.
    hub.liftFaults();
    lift();
    const again = hub.inject({ at: 'request', how: 'held', commands: ['poll'], tier: tiers[1]! });
    await settle();
    expect(nodes[1]!.health().l1.serving).toBe(false);
    again();
    await clock.pass(300);
    expect(nodes[1]!.health().l1.serving).toBe(true);
    expect(await nodes[1]!.get('items', 'a')).toBe('new');
  });

  it('ends what is known of tags with it: the shared tier is believed again when the log has been read', async () => {
    const { nodes, hub, tiers, clock } = await fleet({ nodes: 2, hub: { commandTimeoutMs: 60_000 } });
    await nodes[1]!.getOrSet('items', 'a', () => 'old', { tags: ['t'] });
    hub.inject({ at: 'request', how: 'held', commands: ['poll'], tier: tiers[1]! });
    await nodes[0]!.deleteByTag('t');
    await clock.pass(BOUND + 1);
    expect(nodes[1]!.health()).toMatchObject({ circuit: 'closed', l1: { serving: false } });
    const reading = nodes[1]!.get('items', 'a');
    expect(await stateOf(reading)).toMatchObject({ pending: true });
    hub.liftFaults();
    await clock.pass(1);
    expect(await reading).toBeUndefined();
  });

  it('joins no flight older than the bound while it stands still', async () => {
    const { nodes, clock, hub, tiers } = await fleet({ nodes: 2 });
    let value = 'old';
    const gates: (() => void)[] = [];
    const loader = () => {
      const seen = value;
      return new Promise<string>((resolve) => void gates.push(() => resolve(seen)));
    };
    const first = nodes[1]!.getOrSet('items', 'a', loader);
    await settle();
    hub.cut(tiers[1]!);
    value = 'new';
    await nodes[0]!.delete('items', 'a');
    await clock.pass(2 * BOUND);
    const second = nodes[1]!.getOrSet('items', 'a', loader);
    await settle();
    for (const open of gates) open();
    expect(await first).toBe('old');
    expect(await second).toBe('new');
  });
});

describe('a gap in the log', () => {
  it.each([
    ['records were trimmed before they were read', (made: Fleet) => made.hub.trimLog(1)],
    ['the log was flushed', (made: Fleet) => made.hub.flush()],
    ['a record is missing from the middle', (made: Fleet) => made.hub.punchLog(1)],
    ['the hub was restarted without its data', (made: Fleet) => made.hub.restart()],
    [
      'another data set with the same records took over',
      (made: Fleet) => made.hub.restart({ keepData: true }),
    ],
  ])('clears L1: %s', async (_what, happen) => {
    const made = await warmed();
    const { nodes, hub, clock, tiers } = made;
    const gaps: string[] = [];
    nodes[1]!.on('gap', ({ reason }) => gaps.push(reason));
    const lift = hub.inject({ at: 'request', how: 'held', commands: ['poll'], tier: tiers[1]! });
    for (const id of ['a', 'b', 'c']) await nodes[0]!.set('items', id, 'new');
    happen(made);
    lift();
    await clock.pass(BOUND);
    expect(gaps.length).toBeGreaterThan(0);
    expect(nodes[1]!.stats().tiers.l1.entries).toBe(0);
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
    expect(nodes[1]!.health().l1.serving).toBe(true);
    expect(await nodes[1]!.getOrSet('items', 'a', () => 'new')).toBe('new');
  });

  it('keeps a load that was under way out of L1', async () => {
    const { nodes, hub, clock } = await fleet();
    let finish!: (value: string) => void;
    const read = nodes[0]!.getOrSet('items', 'a', () => new Promise<string>((resolve) => (finish = resolve)));
    await settle();
    hub.flush();
    await clock.pass(BOUND);
    finish('old');
    expect(await read).toBe('old');
    await clock.pass(10);
    expect(nodes[0]!.namespace('items').peek('a')).toBeUndefined();
    expect(await nodes[0]!.get('items', 'a')).toBeUndefined();
  });

  it('does not stop the follower when applying a record fails: it starts over', async () => {
    const { nodes, hub, clock } = await warmed();
    const { createInProcessTier } = await import('../index.js');
    const foreign = createInProcessTier(hub);
    foreign.start({ wake: () => undefined, stateChanged: () => undefined });
    await settle();
    // A record of a later version, which this one cannot read.
    await foreign.invalidate({ keys: [], tags: [], pattern: null as unknown as string });
    await clock.pass(2 * BOUND);
    expect(nodes[1]!.health().l1.serving).toBe(true);
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
    await nodes[1]!.getOrSet('items', 'a', () => 'old');
    await nodes[0]!.set('items', 'a', 'new');
    await clock.pass(10);
    expect(nodes[1]!.namespace('items').peek('a')).toBeUndefined();
    await foreign.stop();
  });
});
