import { type Server } from 'node:http';
import { type INestApplication } from '@nestjs/common';
import { type Test } from 'supertest';
import { describeWithServices } from '../support/services.js';
import { clientOf, type Fleet, startFleet, startNode } from './trading-fleet.js';

const TOKEN = 'a-token-of-the-tests';
const JSON_TYPE = 'application/json';

type Client = ReturnType<typeof clientOf>;
type Send = (client: Client) => Test;

const admin = (test: Test): Test => test.set('Authorization', `Bearer ${TOKEN}`);

/** Two nodes over one database and one Redis: what one answers, the other has to answer. */
describeWithServices('trading demo: Fastify and Express answer alike', () => {
  let fleet: Fleet;
  let express: INestApplication<Server>;
  let before: string | undefined;

  beforeAll(async () => {
    before = process.env['CACHE_ADMIN_TOKEN'];
    process.env['CACHE_ADMIN_TOKEN'] = TOKEN;
    fleet = await startFleet(1, { HTTP_ADAPTER: 'fastify' });
    express = await startNode({
      ...fleet.env,
      NODE_INDEX: '2',
      STRATA_DEMO_SEED: '0',
      HTTP_ADAPTER: 'express',
    });
  });
  afterAll(async () => {
    await express?.close();
    await fleet?.close();
    if (before === undefined) delete process.env['CACHE_ADMIN_TOKEN'];
    else process.env['CACHE_ADMIN_TOKEN'] = before;
  });

  async function both(send: Send) {
    const [ours, theirs] = [await send(fleet.node(1)), await send(clientOf(express))];
    const seen = ({ status, text, headers }: typeof ours) => ({
      status,
      text,
      type: headers['content-type']?.toLowerCase().replace(/\s/g, ''),
      caching: headers['cache-control'],
      challenge: headers['www-authenticate'],
    });
    return { fastify: seen(ours), express: seen(theirs) };
  }

  it.each<[string, number, Send]>([
    ['an instrument', 200, (client) => client.get('/instruments/aapl')],
    ['a list', 200, (client) => client.get('/instruments?type=crypto&limit=3&sort=volume24h&order=desc')],
    ['a price', 200, (client) => client.get('/prices/AAPL')],
    ['entries', 200, (client) => client.get('/accounts/1/entries')],
    ['a slash at the end', 200, (client) => client.get('/instruments/AAPL/')],
    ['a path in capitals', 200, (client) => client.get('/Instruments/aapl')],
    ['an escaped symbol', 404, (client) => client.get('/instruments/%5EGSPC')],
    ['an unknown route', 404, (client) => client.get('/spoons?x=1')],
    ['an unknown method', 404, (client) => client.put('/instruments/AAPL')],
    ['not found', 404, (client) => client.get('/instruments/NOPE')],
    ['an impossible symbol', 400, (client) => client.get('/instruments/a%20b')],
    ['an endless symbol', 400, (client) => client.get(`/instruments/${'A'.repeat(4_000)}`)],
    ['a wrong query', 400, (client) => client.get('/instruments?limit=0&colour=red')],
    ['a repeated parameter', 400, (client) => client.get('/instruments?type=crypto&type=forex')],
    ['a wrong body', 400, (client) => client.patch('/instruments/AAPL').send({ nmae: 'Apple' })],
    ['a body that is a list', 400, (client) => client.patch('/instruments/AAPL').send([1])],
    ['an overdraft', 422, (client) => client.post('/accounts/1/withdrawals').send({ amount: '999999999' })],
    ['a symbol that is taken', 409, (client) => client.patch('/instruments/IBM').send({ symbol: 'msft' })],
    ['the admin routes without a token', 401, (client) => client.get('/admin/cache/metrics')],
    [
      'an invalidation of nothing known',
      400,
      (client) => admin(client.post('/admin/cache/invalidate')).send({ namespaces: ['spoons'] }),
    ],
    [
      'an invalidation with a wrong field',
      400,
      (client) => admin(client.post('/admin/cache/invalidate')).send({ symbool: 'AAPL' }),
    ],
    ['an invalidation of a list', 400, (client) => admin(client.post('/admin/cache/invalidate')).send([])],
    ['an unknown strategy', 400, (client) => admin(client.post('/admin/cache/warming/trigger')).send({ strategy: 'x' })], // prettier-ignore
  ])('%s: %i, and the same body', async (_name, status, send) => {
    const { fastify, express: other } = await both(send);
    expect(fastify).toEqual(other);
    expect(fastify.status).toBe(status);
  });

  it.each<[string, number, Send]>([
    ['malformed JSON', 400, (client) => client.patch('/instruments/AAPL').type(JSON_TYPE).send('{"name":')],
    ['a bad percent escape', 400, (client) => client.get('/instruments/%E0%A4%A')],
    [
      'a body of 200 KB',
      413,
      (client) => client.patch('/instruments/AAPL').send({ name: 'x'.repeat(200_000) }),
    ],
    ['a HEAD request', 200, (client) => client.head('/instruments/AAPL')],
    ['health', 200, (client) => client.get('/health')],
    ['the health of the cache', 200, (client) => admin(client.get('/admin/cache/health'))],
    ['the namespaces of the cache', 200, (client) => admin(client.get('/admin/cache/namespaces'))],
    ['the metrics of the cache', 200, (client) => admin(client.get('/admin/cache/metrics'))],
  ])('%s: %i, with words or figures of their own', async (_name, status, send) => {
    const { fastify, express: other } = await both(send);
    expect({ ...fastify, text: '' }).toEqual({ ...other, text: '' });
    expect(fastify.status).toBe(status);
    expect(shapeOf(fastify.text)).toEqual(shapeOf(other.text));
  });

  it('a write through either is seen on both', async () => {
    for (const [writer, name] of [
      [fleet.node(1), 'by fastify'],
      [clientOf(express), 'by express'],
    ] as const) {
      await writer.patch('/instruments/GOOG').send({ name }).expect(200);
      const end = performance.now() + 5_000;
      for (const reader of [fleet.node(1), clientOf(express)]) {
        let seen = '';
        while (seen !== name && performance.now() < end)
          seen = (await reader.get('/instruments/GOOG').expect(200)).body.name;
        expect(seen).toBe(name);
      }
    }
  });
});

/** The names of the fields. */
function shapeOf(text: string | undefined): string[] {
  return text ? Object.keys(JSON.parse(text) as object).sort() : [];
}
