import { DataSource } from 'typeorm';
import { HTTP_ADAPTERS, type HttpAdapterName } from '../../apps/trading/src/config/trading.config.js';
import { describeWithServices } from '../support/services.js';
import { type Fleet, startFleet, within } from './trading-fleet.js';

const BOUND_MS = 500;

for (const adapter of HTTP_ADAPTERS)
  describeWithServices(`trading demo on ${adapter}: routes`, () => routes(adapter));

function routes(adapter: HttpAdapterName): void {
  let fleet: Fleet;
  const http = () => fleet.node(1);

  beforeAll(async () => {
    fleet = await startFleet(1, { HTTP_ADAPTER: adapter });
  });
  afterAll(() => fleet?.close());

  describe('GET /instruments', () => {
    it('lists at least 60 instruments with the documented fields', async () => {
      const { body } = await http().get('/instruments').expect(200);
      expect(body.total).toBeGreaterThanOrEqual(60);
      expect(body.items).toHaveLength(body.total);
      for (const item of body.items) {
        expect(item).toMatchObject({
          symbol: expect.stringMatching(/^[A-Z0-9.]+$/),
          name: expect.any(String),
          type: expect.any(String),
          currency: 'USD',
          volume24h: expect.stringMatching(/^\d+\.\d\d$/),
          isActive: expect.any(Boolean),
          origin: expect.stringMatching(/^(vega-datasets|generated)$/),
        });
      }
    });

    it('filters, sorts and pages', async () => {
      const query = 'type=crypto&isActive=true&sort=volume24h&order=desc';
      const all = (await http().get(`/instruments?${query}`).expect(200)).body;
      expect(new Set(all.items.map((item: any) => `${item.type} ${item.isActive}`))).toEqual(
        new Set(['crypto true']),
      );
      const volumes = all.items.map((item: any) => Number(item.volume24h));
      expect(volumes).toEqual([...volumes].sort((a, b) => b - a));
      const page = (await http().get(`/instruments?${query}&limit=2&offset=1`).expect(200)).body;
      expect(page).toEqual({ items: all.items.slice(1, 3), total: all.total, limit: 2, offset: 1 });
    });

    it('searches symbol and name in any case, and takes % literally', async () => {
      const { body } = await http().get('/instruments?search=aPpLe').expect(200);
      expect(body.items.map((item: any) => item.symbol)).toEqual(['AAPL']);
      expect((await http().get('/instruments?search=%25').expect(200)).body.total).toBe(0);
    });

    it.each([
      ['limit=0', 'limit'],
      ['limit=501', 'limit'],
      ['offset=-1', 'offset'],
      ['type=spoon', 'type'],
      ['type=crypto&type=forex', 'type'],
      ['isActive=perhaps', 'isActive'],
      ['colour=red', 'colour'],
    ])('refuses %s', async (query, field) => {
      const { body } = await http().get(`/instruments?${query}`).expect(400);
      expect(body.errors).toEqual([{ field, messages: [expect.stringContaining(field)] }]);
    });
  });

  describe('errors', () => {
    it('are problem+json', async () => {
      const response = await http().get('/instruments/NOPE?x=1').expect(404);
      expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(response.body).toEqual({
        type: 'about:blank',
        title: 'Not Found',
        status: 404,
        detail: 'There is no instrument NOPE.',
        instance: '/instruments/NOPE',
      });
    });

    it.each([
      ['an unknown route', 404, () => http().get('/spoons')],
      ['an impossible symbol', 400, () => http().get('/instruments/a%20b')],
      ['a bad percent escape', 400, () => http().get('/instruments/%E0%A4%A')],
      [
        'malformed JSON',
        400,
        () => http().patch('/instruments/AAPL').set('Content-Type', 'application/json').send('{"name":'),
      ],
      ['an unknown price', 404, () => http().get('/prices/NOPE')],
      ['a tick of an unknown instrument', 404, () => http().post('/prices/NOPE/ticks').send({ price: '1' })],
      ['an unknown account', 404, () => http().get('/accounts/999999')],
      ['entries of an unknown account', 404, () => http().get('/accounts/999999/entries')],
      [
        'a deposit to an unknown account',
        404,
        () => http().post('/accounts/999999/deposits').send({ amount: '1' }),
      ],
      ['an account that is no number', 400, () => http().get('/accounts/abc')],
      ['an account id out of range', 400, () => http().get('/accounts/99999999999999')],
      ['deleting what is not there', 404, () => http().delete('/instruments/NOPE')],
      ['restoring what never was', 404, () => http().post('/instruments/NOPE/restore')],
      ['changing what is not there', 404, () => http().patch('/instruments/NOPE').send({ name: 'x' })],
      ['a symbol that is taken', 409, () => http().patch('/instruments/IBM').send({ symbol: 'msft' })],
    ])('%s: %i', async (_name, status, send) => {
      const response = await send().expect(status);
      expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(response.body).toMatchObject({ status, title: expect.any(String), detail: expect.any(String) });
    });

    it.each([
      ['patch', '/instruments/AAPL', { name: '' }, 'name'],
      ['patch', '/instruments/AAPL', { name: null }, 'name'],
      ['patch', '/instruments/AAPL', { nmae: 'Apple' }, 'nmae'],
      ['patch', '/instruments/AAPL', { volume24h: '1.234' }, 'volume24h'],
      ['post', '/instruments', { symbol: 'NEW', type: 'stock', currency: 'USD' }, 'name'],
      ['post', '/instruments/reprice', { type: 'spoon', factor: '2' }, 'type'],
      ['post', '/instruments/reprice', { type: 'forex', factor: '0' }, 'factor'],
      ['post', '/instruments/reprice', { type: 'forex' }, 'factor'],
      ['post', '/prices/AAPL/ticks', { price: '0' }, 'price'],
      ['post', '/prices/AAPL/ticks', { price: '1', at: '2999-01-01T00:00:00Z' }, 'at'],
      ['post', '/accounts/1/deposits', {}, 'amount'],
      ['post', '/accounts/1/deposits', { amount: '-5' }, 'amount'],
      ['post', '/accounts/1/withdrawals', { amount: '0.001' }, 'amount'],
      ['post', '/accounts/1/withdrawals', { amount: '0.00' }, 'amount'],
    ] as const)('%s %s with %j names the field', async (method, path, body, field) => {
      const response = await http()[method](path).send(body).expect(400);
      expect(response.body.errors.map((error: any) => error.field)).toContain(field);
    });
  });

  describe('instruments', () => {
    it('answers the changed instrument and every later read agrees', async () => {
      await http().get('/instruments/AMZN').expect(200);
      const { body } = await http().patch('/instruments/amzn').send({ name: 'Amazon' }).expect(200);
      expect(body).toMatchObject({ symbol: 'AMZN', name: 'Amazon', type: 'stock' });
      expect((await http().get('/instruments/AMZN').expect(200)).body).toEqual(body);
    });

    it('leaves what a PATCH does not mention alone', async () => {
      const before = (await http().get('/instruments/GOOG').expect(200)).body;
      const { body } = await http().patch('/instruments/GOOG').send({ isActive: false }).expect(200);
      expect(body).toEqual({ ...before, isActive: false, updatedAt: body.updatedAt });
    });

    it('shows a change in lists that were cached before it', async () => {
      const names = async () => {
        const { body } = await http().get('/instruments?type=crypto').expect(200);
        return body.items.map((item: any) => item.name);
      };
      expect(await names()).toContain('Solana');
      await http().patch('/instruments/SOL').send({ name: 'Solana renamed' }).expect(200);
      expect(await names()).toContain('Solana renamed');
    });

    it('ends the old key and the new when a symbol is renamed', async () => {
      await http().get('/instruments/DOGE').expect(200);
      await http().get('/prices/DOGE').expect(200);
      await http().get('/instruments/SHIB').expect(404);
      await http().get('/prices/SHIB').expect(404);
      await http().patch('/instruments/DOGE').send({ symbol: 'shib' }).expect(200);
      await http().get('/instruments/DOGE').expect(404);
      await http().get('/prices/DOGE').expect(404);
      expect((await http().get('/instruments/SHIB').expect(200)).body.name).toBe('Dogecoin');
      expect((await http().get('/prices/SHIB').expect(200)).body.symbol).toBe('SHIB');
    });

    it('is gone after DELETE, and back after a restore, in spite of the cached "not found"', async () => {
      const before = (await http().get('/instruments/KO').expect(200)).body;
      await http().delete('/instruments/ko').expect(204);
      await http().get('/instruments/KO').expect(404);
      await http().get('/prices/KO').expect(404);
      await http().delete('/instruments/KO').expect(404);
      const { body } = await http().post('/instruments/KO/restore').expect(200);
      expect(body).toEqual({ ...before, updatedAt: body.updatedAt });
      expect((await http().get('/instruments/KO').expect(200)).body).toEqual(body);
      await http().get('/prices/KO').expect(200);
      const again = await http().post('/instruments/KO/restore').expect(409);
      expect(again.body.detail).toBe('KO is not deleted.');
    });

    it('ends a cached "not found" by an insert', async () => {
      await http().get('/instruments/newco').expect(404);
      const input = { symbol: 'NewCo', name: 'New Company', type: 'stock', currency: 'usd' };
      const { body } = await http().post('/instruments').send(input).expect(201);
      expect(body).toMatchObject({ symbol: 'NEWCO', currency: 'USD', volume24h: '0.00', origin: 'api' });
      expect((await http().get('/instruments/newco').expect(200)).body).toEqual(body);
      await http().post('/instruments').send(input).expect(409);
      await http().delete('/instruments/NEWCO').expect(204);
      const taken = await http().post('/instruments').send(input).expect(409);
      expect(taken.body.detail).toContain('restore');
    });
  });

  describe('prices', () => {
    it('are the real last closes of the data set', async () => {
      const { body } = await http().get('/prices/aapl').expect(200);
      expect(body).toEqual({
        symbol: 'AAPL',
        price: '223.02',
        currency: 'USD',
        at: '2010-03-01T00:00:00.000Z',
        origin: 'vega-datasets',
      });
      expect((await http().get('/prices/SPX').expect(200)).body).toMatchObject({
        price: '2874.560059',
        at: '2020-04-17T21:00:00.000Z',
      });
    });

    it('show a tick on the next read, digits unchanged', async () => {
      await http().get('/prices/MSFT').expect(200);
      const tick = await http()
        .post('/prices/msft/ticks')
        .send({ price: '123456789012.12345678' })
        .expect(201);
      expect(tick.body).toMatchObject({ symbol: 'MSFT', price: '123456789012.12345678', origin: 'api' });
      expect((await http().get('/prices/MSFT').expect(200)).body).toEqual(tick.body);
    });

    it('are not changed by a tick older than the latest', async () => {
      const before = (await http().get('/prices/ETH').expect(200)).body;
      const old = { price: 1, at: '2001-01-01T00:00:00Z' };
      expect((await http().post('/prices/ETH/ticks').send(old).expect(201)).body).toEqual(before);
      expect((await http().get('/prices/ETH').expect(200)).body).toEqual(before);
    });
  });

  describe('accounts', () => {
    const balance = async (id: number) => (await http().get(`/accounts/${id}`).expect(200)).body.balance;
    const cents = (text: string) => BigInt(text.replace('.', ''));

    it('has the right balance within the bound of a deposit, and on the read after a withdrawal', async () => {
      const before = cents(await balance(1));
      const deposit = await http().post('/accounts/1/deposits').send({ amount: '0.10' }).expect(201);
      expect(cents(deposit.body.balance)).toBe(before + 10n);
      expect(await within(BOUND_MS, async () => (await balance(1)) === deposit.body.balance)).toBe(true);
      await http().post('/accounts/1/withdrawals').send({ amount: 0.3 }).expect(201);
      expect(cents(await balance(1))).toBe(before - 20n);
    });

    it('refuses an overdraft and leaves the cached balance right', async () => {
      const before = await balance(2);
      const { body } = await http().post('/accounts/2/withdrawals').send({ amount: '999999999' }).expect(422);
      expect(body).toMatchObject({
        status: 422,
        detail: 'The balance of account 2 does not cover 999999999.',
      });
      expect(await balance(2)).toBe(before);
      await http().post('/accounts/2/withdrawals').send({ amount: before }).expect(201);
      expect(await balance(2)).toBe('0.00');
    });

    it('lets the row lock decide when many withdraw at once', async () => {
      const before = cents(await balance(3));
      await http()
        .post('/accounts/3/withdrawals')
        .send({ amount: decimal(before - 500n) })
        .expect(201);
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => http().post('/accounts/3/withdrawals').send({ amount: '1' })),
      );
      expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([
        201, 201, 201, 201, 201, 422, 422, 422, 422, 422,
      ]);
      expect(await balance(3)).toBe('0.00');
    });

    it('answers 422 when a balance would leave its range, and still knows the balance', async () => {
      const most = '999999999999999999.99';
      await balance(4);
      await fleet.nodes[0]!.get(DataSource).query('UPDATE accounts SET balance = $1 WHERE id = 4', [most]);
      await http().post('/accounts/4/deposits').send({ amount: '0.01' }).expect(422);
      expect(await within(BOUND_MS, async () => (await balance(4)) === most)).toBe(true);
    });
  });
}

function decimal(cents: bigint): string {
  const digits = cents.toString().padStart(3, '0');
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
