import { type Server } from 'node:http';
import { type INestApplication } from '@nestjs/common';
import { describeWithServices, redisUrl } from '../support/services.js';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.mjs';
import { clientOf, type Fleet, startFleet, startNode } from './trading-fleet.js';

const HEADER = 'x-strata-position';

/** Everything between node 2 and Redis takes this long, each way: it hears of a write after the next request. */
const DELAY_MS = 100;

describeWithServices('trading demo: reading one’s own write on another node', () => {
  let fleet: Fleet;
  let proxy: TcpProxy;
  let far: INestApplication<Server>;

  beforeAll(async () => {
    fleet = await startFleet(1);
    const redis = new URL(redisUrl());
    proxy = await startProxy({ to: { host: redis.hostname, port: Number(redis.port) } });
    redis.hostname = '127.0.0.1';
    redis.port = String(proxy.port);
    far = await startNode({
      ...fleet.env,
      NODE_INDEX: '2',
      STRATA_DEMO_SEED: '0',
      REDIS_URL: redis.href,
    });
    proxy.delay(DELAY_MS);
  });
  afterAll(async () => {
    await far?.close();
    await proxy?.stop();
    await fleet?.close();
  });

  const price = async (symbol: string, position?: string): Promise<string> => {
    const asked = clientOf(far).get(`/prices/${symbol}`);
    if (position !== undefined) asked.set(HEADER, position);
    return (await asked.expect(200)).body.price;
  };
  const tick = async (symbol: string, amount: string): Promise<string> => {
    const { headers, body } = await fleet
      .node(1)
      .post(`/prices/${symbol}/ticks`)
      .send({ price: amount })
      .expect(201);
    expect(body).toMatchObject({ symbol, price: amount });
    return headers[HEADER] as string;
  };

  it('answers the position of a price update, and with it never an older price, ten times in ten', async () => {
    let older = 0;
    for (let round = 1; round <= 10; round++) {
      const before = await price('AAPL');
      const position = await tick('AAPL', String(200 + round));
      expect(position).toMatch(/^[\w,]+@[\w:,-]+$/);
      if ((await price('AAPL')) === before) older += 1;
      expect(await price('AAPL', position)).toBe(String(200 + round));
    }
    // Without it there was something to be older.
    expect(older).toBeGreaterThan(0);
  });

  it('what is no position costs a load, and is no error', async () => {
    for (const text of ['nonsense', 'a@b', '@', '', `${'0'.repeat(40)}@1-1`, 'x'.repeat(8_000)])
      await price('MSFT', text);
  });
});
