import { Client } from 'pg';
import { describeWithServices } from '../support/services.js';
import { type Fleet, startFleet, within } from './trading-fleet.js';

const BOUND_MS = 500;
const NODES = [1, 2, 3];

/** Namespaces that live longer than a test: what is loaded again there was ended, and did not just expire. */
const WATCHED = ['instruments', 'instrument-lists', 'accounts', 'account-entries'];

describeWithServices('trading demo: every write to the database is noticed on three nodes', () => {
  let fleet: Fleet;
  /** Somebody else's program: no cache, no TypeORM. */
  let stranger: Client;

  beforeAll(async () => {
    fleet = await startFleet(3);
    stranger = new Client({ connectionString: fleet.databaseUrl });
    await stranger.connect();
  });
  afterAll(async () => {
    await stranger?.end();
    await fleet?.close();
  });

  const get = async (node: number, path: string) => (await fleet.node(node).get(path).expect(200)).body;
  const status = async (node: number, path: string) => (await fleet.node(node).get(path)).status;

  /** In the memory of every node. */
  const cached = (paths: readonly string[]) =>
    Promise.all(NODES.flatMap((node) => paths.map((path) => get(node, path))));
  const everywhere = async (probe: (node: number) => Promise<boolean>) =>
    (await Promise.all(NODES.map((node) => within(BOUND_MS, () => probe(node))))).every(Boolean);

  async function loads(): Promise<Record<string, number>> {
    const all = await Promise.all(NODES.map((node) => get(node, '/admin/cache/metrics')));
    return Object.fromEntries(
      WATCHED.map((name) => [
        name,
        all.reduce((sum: number, { namespaces }) => sum + namespaces[name].sourceLoads, 0),
      ]),
    );
  }

  /** How many entries of `paths` the write has ended: each is loaded once more, by whichever node is asked first. */
  async function endedBy(paths: readonly string[], write: () => Promise<void>) {
    await cached(paths);
    await write();
    const before = await loads();
    await cached(paths);
    const after = await loads();
    return Object.fromEntries(WATCHED.map((name) => [name, after[name]! - before[name]!]));
  }

  /** Everything is relayed, and every node has had the bound to hear of it: what it holds now it holds for good. */
  async function settled(): Promise<void> {
    const open = async () => {
      const { rows } = await stranger.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM strata_outbox o WHERE NOT EXISTS
           (SELECT FROM strata_outbox_applied a WHERE a.xid = o.xid AND a.id = o.id)`,
      );
      return rows[0]?.count;
    };
    expect(await within(5_000, async () => (await open()) === 0)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, BOUND_MS));
  }

  it('says in health that nothing is unseen', async () => {
    for (const node of NODES)
      expect(
        await within(5_000, async () => {
          const { databaseWrites } = await get(node, '/health');
          return (
            databaseWrites.unseen.length === 0 &&
            databaseWrites.problem === null &&
            databaseWrites.backlog === 0
          );
        }),
      ).toBe(true);
  });

  it('deletes and restores an instrument for all nodes, lists included', async () => {
    const list = '/instruments?type=commodity';
    const symbols = async (node: number) => (await get(node, list)).items.map((item: any) => item.symbol);
    await cached(['/instruments/COFFEE', list]);
    await fleet.node(2).delete('/instruments/coffee').expect(204);
    expect(await everywhere(async (node) => (await status(node, '/instruments/COFFEE')) === 404)).toBe(true);
    expect(await everywhere(async (node) => !(await symbols(node)).includes('COFFEE'))).toBe(true);
    await fleet.node(1).delete('/instruments/COFFEE').expect(404);

    await fleet.node(3).post('/instruments/coffee/restore').expect(200);
    expect(await everywhere(async (node) => (await status(node, '/instruments/COFFEE')) === 200)).toBe(true);
    expect(await everywhere(async (node) => (await symbols(node)).includes('COFFEE'))).toBe(true);
    await fleet.node(1).post('/instruments/COFFEE/restore').expect(409);
  });

  it('shows a deposit by SQL, with its entry, on all nodes, and nothing of a refused one', async () => {
    await cached(['/accounts/7', '/accounts/7/entries']);
    const { body } = await fleet.node(1).post('/accounts/7/deposits').send({ amount: '12.34' }).expect(201);
    const seen = async (node: number) => {
      const [latest] = await get(node, '/accounts/7/entries');
      const { balance } = await get(node, '/accounts/7');
      return balance === body.balance && latest?.balanceAfter === balance && latest.kind === 'deposit';
    };
    expect(await everywhere(seen)).toBe(true);
    await fleet.node(1).post('/accounts/7/withdrawals').send({ amount: '999999999' }).expect(422);
    expect(await get(1, '/accounts/7')).toEqual(body);
    expect(await get(1, '/accounts/7/entries')).toHaveLength(1);
  });

  it('leaves the entries of other accounts alone', async () => {
    const paths = [8, 9, 10].flatMap((id) => [`/accounts/${id}`, `/accounts/${id}/entries`]);
    const ended = await endedBy(paths, async () => {
      await fleet.node(2).post('/accounts/9/deposits').send({ amount: '1' }).expect(201);
      await settled();
    });
    expect(ended).toEqual({ instruments: 0, 'instrument-lists': 0, accounts: 1, 'account-entries': 1 });
  });

  it('changes all prices of a type at once, and ends what was made of those instruments, nothing else', async () => {
    const { items } = await get(1, '/instruments?type=forex');
    const others = ['AAPL', 'BTC', 'XAU', 'DJI'];
    const paths = [
      ...[...items.map((item: any) => item.symbol), ...others].map((symbol) => `/instruments/${symbol}`),
      '/instruments',
      '/instruments?type=forex',
      '/instruments?type=crypto',
      '/instruments?type=stock&limit=5',
      '/accounts/11',
    ];
    const before = await get(3, '/instruments/EURUSD');
    const ended = await endedBy(paths, async () => {
      const { body } = await fleet
        .node(1)
        .post('/instruments/reprice')
        .send({ type: 'forex', factor: '2' })
        .expect(200);
      expect(body).toEqual({ type: 'forex', factor: '2', changed: items.length });
      await settled();
    });
    expect(ended).toEqual({
      instruments: items.length,
      'instrument-lists': 2,
      accounts: 0,
      'account-entries': 0,
    });
    for (const node of NODES)
      expect(Number((await get(node, '/instruments/EURUSD')).referencePrice)).toBeCloseTo(
        Number(before.referencePrice) * 2,
        8,
      );
  });

  it('evicts for one row that somebody else updates only the entries that contain it', async () => {
    const { items } = await get(1, '/instruments');
    const paths = [
      ...items.map((item: any) => `/instruments/${item.symbol}`),
      '/instruments',
      '/instruments?sort=volume24h&order=desc',
      ...['stock', 'index', 'crypto', 'forex', 'commodity'].map((type) => `/instruments?type=${type}`),
      ...[1, 2, 3, 4].flatMap((id) => [`/accounts/${id}`, `/accounts/${id}/entries`]),
    ];
    const contents = await Promise.all(paths.map((path) => get(1, path)));
    const containing = paths.filter((_path, index) => JSON.stringify(contents[index]).includes('"AAPL"'));
    expect(containing).toHaveLength(4); // itself, the two lists of all types, the stocks

    const ended = await endedBy(paths, async () => {
      await stranger.query("UPDATE instruments SET name = 'Apple by hand' WHERE symbol = 'AAPL'");
      await settled();
    });
    expect(ended).toEqual({ instruments: 1, 'instrument-lists': 3, accounts: 0, 'account-entries': 0 });
    for (const node of NODES) expect((await get(node, '/instruments/AAPL')).name).toBe('Apple by hand');
  });

  it('ends nothing for what somebody else rolls back', async () => {
    const paths = ['/instruments/IBM', '/instruments?type=stock', '/accounts/12'];
    const ended = await endedBy(paths, async () => {
      await stranger.query('BEGIN');
      await stranger.query("UPDATE instruments SET name = 'never' WHERE symbol = 'IBM'");
      await stranger.query('UPDATE accounts SET balance = balance + 1 WHERE id = 12');
      await stranger.query('ROLLBACK');
      await settled();
    });
    expect(ended).toEqual({ instruments: 0, 'instrument-lists': 0, accounts: 0, 'account-entries': 0 });
  });
});

describeWithServices('trading demo: two nodes without Redis', () => {
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await startFleet(2, { REDIS_URL: '' });
  });
  afterAll(() => fleet?.close());

  it('hear of each other through the database', async () => {
    const name = async (node: number) =>
      (await fleet.node(node).get('/instruments/AAPL').expect(200)).body.name;
    await Promise.all([name(1), name(2)]);
    await fleet.node(1).patch('/instruments/AAPL').send({ name: 'Apple without Redis' }).expect(200);
    expect(await name(1)).toBe('Apple without Redis');
    // A second of it is left to the writer, whose word does not reach this node without Redis.
    expect(await within(1_000 + BOUND_MS, async () => (await name(2)) === 'Apple without Redis')).toBe(true);
  });
});
