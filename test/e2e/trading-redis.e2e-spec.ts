import { type Server } from 'node:http';
import { type INestApplication } from '@nestjs/common';
import { type DatabaseHandle, type DaemonHandle, startRedis } from '../../apps/services/index.mjs';
import { describeWithPostgres, describeWithServices, freshDatabase } from '../support/services.js';
import { clientOf, startNode, within } from './trading-fleet.js';

const PATHS = [
  '/instruments/AAPL',
  '/instruments?type=index',
  '/prices/IBM',
  '/accounts/1',
  '/instruments/MSFT',
];

describeWithServices('trading demo: Redis goes away and comes back', () => {
  let database: DatabaseHandle;
  let redis: DaemonHandle;
  let app: INestApplication<Server>;
  const http = () => clientOf(app);
  const health = async () => (await http().get('/health').expect(200)).body.status;

  beforeAll(async () => {
    [database, redis] = await Promise.all([freshDatabase(), startRedis()]);
    app = await startNode({
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      CACHE_WARMING_ENABLED: '0',
      STRATA_DEMO_SEED: '1',
    });
  });
  afterAll(async () => {
    await app?.close();
    await redis?.stop();
    await database?.drop();
  });

  it('fails no request, says degraded, and is up again by itself', async () => {
    expect(await health()).toBe('up');
    for (const path of PATHS) await http().get(path).expect(200);

    redis.kill();
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(PATHS.map((path) => http().get(path)));
      expect(answers.map(({ status }) => status)).toEqual(PATHS.map(() => 200));
    }
    expect(await within(5_000, async () => (await health()) === 'degraded')).toBe(true);
    await http().patch('/instruments/AAPL').send({ name: 'Without Redis' }).expect(200);
    expect((await http().get('/instruments/AAPL').expect(200)).body.name).toBe('Without Redis');

    await redis.restart();
    expect(await within(10_000, async () => (await health()) === 'up')).toBe(true);
    expect((await http().get('/instruments/AAPL').expect(200)).body.name).toBe('Without Redis');
    const loads = async () => (await http().get('/admin/cache/metrics').expect(200)).body.sourceLoads;
    // What the outbox holds is applied to the new data set first, and may end an entry once more.
    const hits = async () => {
      await http().get('/instruments/AMZN').expect(200);
      const before = await loads();
      await http().get('/instruments/amzn').expect(200);
      return (await loads()) === before;
    };
    expect(await within(2_000, hits)).toBe(true);
  });
});

describeWithPostgres('trading demo: embedded, without Redis', () => {
  let database: DatabaseHandle;
  let app: INestApplication<Server>;
  const http = () => clientOf(app);

  beforeAll(async () => {
    database = await freshDatabase();
    app = await startNode({ DATABASE_URL: database.url, CACHE_WARMING_ENABLED: '0', STRATA_DEMO_SEED: '1' });
  });
  afterAll(async () => {
    await app?.close();
    await database?.drop();
  });

  it('is up, caches in its own memory, and invalidates', async () => {
    expect((await http().get('/health').expect(200)).body.status).toBe('up');
    await http().get('/instruments/aapl').expect(200);
    const loads = async () => (await http().get('/admin/cache/metrics').expect(200)).body.sourceLoads;
    const before = await loads();
    await http().get('/instruments/AAPL').expect(200);
    expect(await loads()).toBe(before);
    await http().patch('/instruments/AAPL').send({ name: 'Embedded' }).expect(200);
    expect((await http().get('/instruments/AAPL').expect(200)).body.name).toBe('Embedded');
  });
});
