import { describeWithServices } from '../support/services.js';
import { type Fleet, startFleet, within } from './trading-fleet.js';

const BOUND_MS = 500;

describeWithServices('trading demo: caching on one node and across nodes', () => {
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await startFleet(2);
  });
  afterAll(() => fleet?.close());

  const metrics = async (node: number) =>
    (await fleet.node(node).get('/admin/cache/metrics').expect(200)).body;
  const loads = async (node: number, namespace: string): Promise<number> =>
    (await metrics(node)).namespaces[namespace].sourceLoads;
  const get = async (node: number, path: string) => (await fleet.node(node).get(path).expect(200)).body;

  it('loads once for aapl, AAPL and Aapl, on both nodes', async () => {
    const before = (await loads(1, 'instruments')) + (await loads(2, 'instruments'));
    const first = await get(1, '/instruments/aapl');
    expect(first.symbol).toBe('AAPL');
    expect(await get(1, '/instruments/AAPL')).toEqual(first);
    expect(await get(1, '/instruments/Aapl')).toEqual(first);
    expect(await get(2, '/instruments/aAPL')).toEqual(first);
    expect((await loads(1, 'instruments')) + (await loads(2, 'instruments'))).toBe(before + 1);
  });

  it('answers the figures that dashboards read', async () => {
    expect(await metrics(1)).toMatchObject({
      hitRate: expect.any(Number),
      errorRate: expect.any(Number),
      totalOperations: expect.any(Number),
      hits: expect.any(Number),
      misses: expect.any(Number),
      errors: 0,
      sourceLoads: expect.any(Number),
      averageResponseTimeMs: expect.any(Number),
      tiers: expect.any(Object),
      namespaces: expect.objectContaining({ instruments: expect.any(Object), prices: expect.any(Object) }),
    });
  });

  it('remembers an unknown symbol, so that asking again costs no load', async () => {
    await fleet.node(1).get('/instruments/GHOST').expect(404);
    const before = await loads(1, 'instruments');
    await fleet.node(1).get('/instruments/ghost').expect(404);
    expect(await loads(1, 'instruments')).toBe(before);
  });

  it('loads one list once, in whatever order its parameters come', async () => {
    await get(1, '/instruments?type=forex&limit=5');
    const before = await loads(1, 'instrument-lists');
    await get(1, '/instruments?limit=5&type=forex');
    expect(await loads(1, 'instrument-lists')).toBe(before);
  });

  it('does not remember free-text searches', async () => {
    const before = (await metrics(1)).tiers.l1.entries;
    await get(1, '/instruments?search=gold');
    expect((await metrics(1)).tiers.l1.entries).toBe(before);
  });

  it('keeps prices in the memory of each node', async () => {
    const before = (await loads(1, 'prices')) + (await loads(2, 'prices'));
    await get(1, '/prices/XAU');
    await get(1, '/prices/xau');
    await get(2, '/prices/XAU');
    expect((await loads(1, 'prices')) + (await loads(2, 'prices'))).toBe(before + 2);
  });

  it('shows a PATCH on node 1 to node 2 within the bound, every time in 50, from its memory', async () => {
    await get(2, '/instruments/AAPL');
    const served = (await metrics(2)).namespaces.instruments.l1Hits;
    const late: string[] = [];
    for (let round = 1; round <= 50; round++) {
      const name = `Apple ${round}`;
      // In L1 of node 2 before the write: otherwise there is nothing to be stale.
      await get(2, '/instruments/AAPL');
      await fleet.node(1).patch('/instruments/AAPL').send({ name }).expect(200);
      const seen = await within(BOUND_MS, async () => (await get(2, '/instruments/AAPL')).name === name);
      if (!seen) late.push(name);
      expect((await get(1, '/instruments/AAPL')).name).toBe(name);
    }
    expect(late).toEqual([]);
    expect((await metrics(2)).namespaces.instruments.l1Hits).toBeGreaterThan(served);
  });

  it('shows a balance moved on node 1 to node 2 within the bound', async () => {
    await get(2, '/accounts/5');
    const { body } = await fleet.node(1).post('/accounts/5/deposits').send({ amount: '12.34' }).expect(201);
    expect(await within(BOUND_MS, async () => (await get(2, '/accounts/5')).balance === body.balance)).toBe(
      true,
    );
  });

  it('ends the cached "not found" of node 2 when node 1 restores', async () => {
    await get(2, '/instruments/WMT');
    await fleet.node(1).delete('/instruments/WMT').expect(204);
    const status = async () => (await fleet.node(2).get('/instruments/WMT')).status;
    expect(await within(BOUND_MS, async () => (await status()) === 404)).toBe(true);
    await fleet.node(1).post('/instruments/WMT/restore').expect(200);
    expect(await within(BOUND_MS, async () => (await status()) === 200)).toBe(true);
  });

  it('shows a tick on node 1 to node 2 within the bound, long before the price expires by itself', async () => {
    await get(2, '/prices/BTC');
    const { body } = await fleet.node(1).post('/prices/btc/ticks').send({ price: '70000.5' }).expect(201);
    expect(await within(BOUND_MS, async () => (await get(2, '/prices/BTC')).price === body.price)).toBe(true);
  });

  it('loads once when 200 requests on two nodes ask for the same cold instrument', async () => {
    const before = (await loads(1, 'instruments')) + (await loads(2, 'instruments'));
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => get(1 + (index % 2), '/instruments/NVDA')),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect((await loads(1, 'instruments')) + (await loads(2, 'instruments'))).toBe(before + 1);
  });
});
