import { BOUND, closeFleets, embedded, fleet } from '../../../../test/support/fleet.js';

afterEach(closeFleets);

describe('the epoch', () => {
  it('is that of the data set, the same for all nodes, another one after a failover, and none while it is away', async () => {
    const { nodes, hub, clock } = await fleet({ nodes: 2 });
    const [one, two] = nodes;
    expect(one!.epoch).toBe(hub.epoch);
    expect(two!.epoch).toBe(hub.epoch);
    hub.down();
    expect(one!.epoch).toBeNull();
    hub.up();
    hub.restart({ keepData: true });
    await clock.pass(BOUND);
    expect(one!.epoch).toBe(hub.epoch);
    expect(embedded().cache.epoch).toBeNull();
  });
});
