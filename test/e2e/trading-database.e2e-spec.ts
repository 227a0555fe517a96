import { type Server } from 'node:http';
import { type INestApplication } from '@nestjs/common';
import { type PostgresHandle, startPostgres } from '../../apps/services/index.mjs';
import { describeWithServices, keyPrefix, redisUrl } from '../support/services.js';
import { clientOf, startNode, within } from './trading-fleet.js';

describeWithServices('trading demo: the database goes away and comes back', () => {
  let postgres: PostgresHandle;
  let app: INestApplication<Server>;
  const http = () => clientOf(app);
  const env = () => ({
    DATABASE_URL: postgres.url,
    REDIS_URL: redisUrl(),
    CACHE_PREFIX: keyPrefix().replace(/:$/, ''),
    CACHE_WARMING_ENABLED: '0',
  });

  beforeAll(async () => {
    postgres = await startPostgres();
    app = await startNode({ ...env(), STRATA_DEMO_SEED: '1' });
  });
  afterAll(async () => {
    await app?.close();
    await postgres?.stop();
  });

  it('serves what the cache holds, answers 503 problem+json for the rest, and recovers by itself', async () => {
    await http().get('/instruments/AAPL').expect(200);
    await http().get('/health').expect(200);
    postgres.kill();
    try {
      expect(await within(5_000, async () => (await http().get('/health')).status === 503)).toBe(true);

      await http().get('/instruments/AAPL').expect(200);
      for (const send of [
        () => http().get('/instruments/IBM'),
        () => http().get('/instruments?type=index'),
        () => http().patch('/instruments/AAPL').send({ name: 'x' }),
        () => http().post('/accounts/1/deposits').send({ amount: '1' }),
      ]) {
        const response = await send().expect(503);
        expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
        expect(response.headers['retry-after']).toBe('1');
        expect(response.body).toMatchObject({ status: 503, title: 'Service Unavailable' });
        expect(JSON.stringify(response.body)).not.toContain('postgres');
      }
    } finally {
      await postgres.restart();
    }
    expect(await within(5_000, async () => (await http().get('/instruments/IBM')).status === 200)).toBe(true);
    await http().post('/accounts/1/deposits').send({ amount: '1' }).expect(201);
    expect(await within(5_000, async () => (await http().get('/health')).status === 200)).toBe(true);
  });

  it('answers 503 on a node that came before the schema, until another node has made it', async () => {
    const database = await postgres.createDatabase();
    const later = { ...env(), DATABASE_URL: database.url };
    const early = await startNode(later);
    const seeding: INestApplication<Server>[] = [];
    try {
      await clientOf(early).get('/instruments/AAPL').expect(503);
      seeding.push(await startNode({ ...later, STRATA_DEMO_SEED: '1' }));
      await clientOf(early).get('/instruments/AAPL').expect(200);
    } finally {
      await Promise.all([early, ...seeding].map((node) => node.close()));
      await database.drop();
    }
  });

  it('seeds the same data again, once, when two nodes prepare one empty database at once', async () => {
    const databases = await Promise.all([postgres.createDatabase(), postgres.createDatabase()]);
    const nodes: INestApplication<Server>[] = [];
    const rows = async (node: INestApplication<Server> | undefined) => {
      const page = (await clientOf(node).get('/instruments?limit=500').expect(200)).body;
      return page.items.map((row: object) => ({ ...row, updatedAt: null }));
    };
    try {
      const [first, second] = databases.map(({ url }) => ({
        ...env(),
        DATABASE_URL: url,
        STRATA_DEMO_SEED: '1',
      }));
      nodes.push(...(await Promise.all([startNode(first!), startNode(first!), startNode(second!)])));
      const seeded = await rows(nodes[0]);
      expect(seeded.length).toBeGreaterThanOrEqual(60);
      expect(await rows(nodes[1])).toEqual(seeded);
      expect(await rows(nodes[2])).toEqual(seeded);
    } finally {
      await Promise.all(nodes.map((node) => node.close()));
      await Promise.all(databases.map((database) => database.drop()));
    }
  });
});
