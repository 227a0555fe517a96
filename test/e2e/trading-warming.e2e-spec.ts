import { SchedulerRegistry } from '@nestjs/schedule';
import { DataSource } from 'typeorm';
import { describeWithServices } from '../support/services.js';
import { type Fleet, startFleet, within } from './trading-fleet.js';

describeWithServices('trading demo: warming and administration', () => {
  let fleet: Fleet;
  const http = () => fleet.node(1);
  const metrics = async () => (await http().get('/admin/cache/metrics').expect(200)).body;

  beforeAll(async () => {
    fleet = await startFleet(1, { CACHE_WARMING_ENABLED: '1' });
    const warmed = async () => {
      const { body } = await http().get('/admin/cache/warming/metrics').expect(200);
      return body.strategies[0]?.runs === 1;
    };
    expect(await within(5_000, warmed)).toBe(true);
  });
  afterAll(() => fleet?.close());

  it('has the 50 most traded active instruments in the cache after the start, and no other', async () => {
    const rows = await fleet.nodes[0]!.get(DataSource).query<{ symbol: string }[]>(
      'SELECT symbol FROM instruments WHERE is_active ORDER BY volume_24h DESC',
    );
    const before = await metrics();
    expect(before.namespaces.instruments.sourceLoads).toBe(50);
    for (const { symbol } of rows.slice(0, 50)) await http().get(`/instruments/${symbol}`).expect(200);
    expect((await metrics()).namespaces.instruments.sourceLoads).toBe(50);
    await http().get(`/instruments/${rows[50]!.symbol}`).expect(200);
    expect((await metrics()).namespaces.instruments.sourceLoads).toBe(51);
  });

  it('reports the run and the job that repeats it', async () => {
    const { body } = await http().get('/admin/cache/warming/metrics').expect(200);
    expect(body).toMatchObject({
      enabled: true,
      strategies: [{ strategy: 'instrument-cache', success: 1, failures: 0, itemsProcessed: 50 }],
    });
    expect(fleet.nodes[0]!.get(SchedulerRegistry).getCronJob('warm-instrument-cache').isActive).toBe(true);
  });

  it('loads anew when triggered', async () => {
    const loads = async () => (await metrics()).namespaces.instruments.sourceLoads;
    const before = await loads();
    await http().post('/admin/cache/warming/trigger').send({ strategy: 'instrument-cache' }).expect(200);
    expect(await loads()).toBe(before + 50);
  });

  it('shows what was written past the application once its symbol is invalidated, warmed entries too', async () => {
    const dataSource = fleet.nodes[0]!.get(DataSource);
    const [row] = await dataSource.query<{ symbol: string }[]>(
      'SELECT symbol FROM instruments WHERE is_active ORDER BY volume_24h DESC LIMIT 1',
    );
    const symbol = row!.symbol;
    const name = async () => (await http().get(`/instruments/${symbol}`).expect(200)).body.name;
    const before = await name();
    await dataSource.query(`UPDATE instruments SET name = 'By hand' WHERE symbol = $1`, [symbol]);
    expect(await name()).toBe(before);
    await http().post('/admin/cache/invalidate').send({ symbol }).expect(200);
    expect(await name()).toBe('By hand');
  });
});
