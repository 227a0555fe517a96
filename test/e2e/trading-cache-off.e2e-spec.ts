import { type Server } from 'node:http';
import { type INestApplication } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { describeWithServices } from '../support/services.js';
import { clientOf, type Fleet, startFleet, startNode, within } from './trading-fleet.js';

/** The first node caches; the second runs with STRATA_DEMO_CACHE=0 over the same database. */
describeWithServices('trading demo: a node with its cache off', () => {
  let fleet: Fleet;
  let bare: INestApplication<Server>;
  const plain = () => clientOf(bare);

  beforeAll(async () => {
    fleet = await startFleet(1);
    bare = await startNode({
      ...fleet.env,
      NODE_INDEX: '2',
      STRATA_DEMO_SEED: '0',
      STRATA_DEMO_CACHE: '0',
    });
  });
  afterAll(async () => {
    await bare?.close();
    await fleet?.close();
  });

  it('answers what the cached one answers', async () => {
    for (const path of ['/instruments/aapl', '/instruments?limit=5', '/prices/AAPL', '/accounts/1/entries'])
      expect((await plain().get(path).expect(200)).body).toEqual(
        (await fleet.node(1).get(path).expect(200)).body,
      );
    await plain().get('/instruments/NOPE').expect(404);
  });

  it('asks the database for every read', async () => {
    await plain().get('/instruments/MSFT').expect(200);
    // Past the application, so that nothing but the row can tell.
    await bare.get(DataSource).query(`UPDATE instruments SET name = 'Changed' WHERE symbol = 'MSFT'`);
    expect((await plain().get('/instruments/MSFT').expect(200)).body.name).toBe('Changed');
  });

  it('writes, ticks included, and the node that caches sees it within its bound', async () => {
    await fleet.node(1).get('/instruments/IBM').expect(200);
    await plain().patch('/instruments/IBM').send({ name: 'Written without a cache' }).expect(200);
    const seen = async () => (await fleet.node(1).get('/instruments/IBM')).body.name;
    expect(await within(500, async () => (await seen()) === 'Written without a cache')).toBe(true);
    const { headers, body } = await plain().post('/prices/IBM/ticks').send({ price: '7' }).expect(201);
    expect(body.price).toBe('7');
    expect(headers['x-strata-position']).toBeUndefined();
  });

  it('is healthy, says nothing of a cache, and has no admin routes', async () => {
    const { body } = await plain().get('/health').expect(200);
    expect(body.status).toBe('up');
    expect(Object.keys(body.details)).toEqual(['database']);
    await plain().get('/admin/cache/metrics').expect(404);
  });
});
