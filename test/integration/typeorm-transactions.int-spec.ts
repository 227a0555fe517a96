import { DataSource, type EntityManager, type QueryRunner } from 'typeorm';
import { type InvalidationResult, systemClock } from '#tiered-cache';
import { CacheSubscriber } from '../../src/typeorm/cache-subscriber.js';
import { InvalidationGate } from '../../src/typeorm/invalidation-gate.js';
import { MarkRegistry } from '../../src/typeorm/mark-registry.js';
import { describeWithPostgres, freshDatabase } from '../support/services.js';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.mjs';
import { Account, ENTITIES, Instrument, Label, RecordingCache, seed } from './typeorm.fixture.js';

const MAX_DELAY_MS = 50;

describeWithPostgres('transactions and the cache', () => {
  const cache = new RecordingCache();
  const answer = cache.answer;
  const log: string[] = [];
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let dataSource: DataSource;
  let other: DataSource;
  let subscriber: CacheSubscriber;
  let gate: InvalidationGate;

  beforeAll(async () => {
    database = await freshDatabase();
    const options = { type: 'postgres', url: database.url, entities: ENTITIES } as const;
    // A killed backend is an error event of the pool.
    dataSource = await new DataSource({
      ...options,
      synchronize: true,
      poolErrorHandler: () => {},
    }).initialize();
    other = await new DataSource(options).initialize();
    const lines = { warn: (line: string) => log.push(line), error: (line: string) => log.push(line) };
    const marks = new MarkRegistry('default', (entity, problem) => log.push(`${entity.type}: ${problem}`));
    marks.add(dataSource);
    gate = new InvalidationGate(cache, MAX_DELAY_MS, systemClock, lines);
    subscriber = new CacheSubscriber(marks, gate, systemClock, lines, null, null, []);
    dataSource.subscribers.unshift(subscriber);
  });
  afterAll(async () => {
    await subscriber?.close();
    await dataSource?.destroy();
    await other?.destroy();
    await database?.drop();
  });
  beforeEach(async () => {
    await seed(dataSource);
    cache.answer = answer;
    cache.taken();
    log.length = 0;
    Object.assign(gate.counts, { sent: 0, late: 0, unacknowledged: 0, failed: 0 });
  });

  const touch = (em: EntityManager, id: string) =>
    em.save(Account, { id, balance: (Math.random() * 1e6) | 0 });
  const owner: Record<string, string> = { a1: '#owner:ann', b1: '#owner:bob' };
  const touched = (...ids: string[]) =>
    [
      '#entity:Account',
      ...ids.flatMap((id) => [`#entity:Account:${id}`, `accounts:${id}`, owner[id]!]),
    ].sort();

  /** Waits for what happens on its own (the sweep), with a deadline. */
  async function eventually(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + 5_000;
    while (!condition() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(condition()).toBe(true);
  }

  describe('savepoints', () => {
    it('sends nothing when a savepoint is released, everything at the outermost COMMIT', async () => {
      await dataSource.transaction(async (em) => {
        await touch(em, 'a1');
        await em.transaction((inner) => touch(inner, 'b1'));
        expect(cache.calls).toEqual([]);
      });
      expect(cache.taken()).toEqual([touched('a1', 'b1')]);
    });

    it('forgets what was written since a savepoint that was rolled back, and only that', async () => {
      await dataSource.transaction(async (em) => {
        await touch(em, 'a1');
        const inner = em.transaction(async (nested) => {
          await touch(nested, 'b1');
          throw new Error('inner');
        });
        await expect(inner).rejects.toThrow('inner');
      });
      expect(cache.taken()).toEqual([touched('a1')]);
    });

    it('sends nothing when the outer transaction is rolled back after an inner one was released', async () => {
      const outer = dataSource.transaction(async (em) => {
        await em.transaction((inner) => touch(inner, 'b1'));
        throw new Error('outer');
      });
      await expect(outer).rejects.toThrow('outer');
      expect(cache.taken()).toEqual([]);
    });

    it('follows savepoints that the host makes in SQL', async () => {
      await dataSource.transaction(async (em) => {
        await em.query('SAVEPOINT Mine');
        await touch(em, 'a1');
        await em.query('ROLLBACK TO mine');
        await touch(em, 'b1');
      });
      expect(cache.taken()).toEqual([touched('b1')]);
    });
  });

  describe('several things at once', () => {
    it('Promise.all in one transaction: one batch after COMMIT', async () => {
      await dataSource.transaction(async (em) => {
        await Promise.all([touch(em, 'a1'), touch(em, 'b1'), em.update(Label, 1, { name: 'x' })]);
        expect(cache.calls).toEqual([]);
      });
      const labels = ['#entity:Label', '#entity:Label:*', 'labels:*'];
      expect(cache.taken()).toEqual([[...touched('a1', 'b1'), ...labels].sort()]);
    });

    it('Promise.all in one transaction that fails: nothing', async () => {
      const end = dataSource.transaction((em) =>
        Promise.all([touch(em, 'a1'), touch(em, 'b1'), em.query('SELECT no_such_column')]),
      );
      await expect(end).rejects.toThrow('no_such_column');
      expect(cache.taken()).toEqual([]);
    });

    it('a write beside a savepoint that is rolled back is never lost', async () => {
      await dataSource.transaction(async (em) => {
        await Promise.all([touch(em, 'a1'), em.query('SAVEPOINT s').then(() => em.query('ROLLBACK TO s'))]);
      });
      expect(cache.taken()).toEqual([touched('a1')]);
    });

    it('two transactions: the one that is rolled back takes nothing from the other', async () => {
      let release = (): void => {};
      const gateOpen = new Promise<void>((resolve) => (release = resolve));
      const first = dataSource.transaction(async (em) => {
        await touch(em, 'a1');
        await gateOpen;
      });
      const second = dataSource.transaction(async (em) => {
        await touch(em, 'b1');
        throw new Error('second');
      });
      await expect(second).rejects.toThrow('second');
      const afterSecond = cache.taken();
      release();
      await first;
      expect(afterSecond).toEqual([]);
      expect(cache.taken()).toEqual([touched('a1')]);
    });
  });

  describe('ends that TypeORM does not tell', () => {
    it('COMMIT after a swallowed SQL error is a ROLLBACK: nothing', async () => {
      await dataSource.transaction(async (em) => {
        await touch(em, 'a1');
        await em.query('SELECT no_such_column').catch(() => {});
      });
      expect(cache.taken()).toEqual([]);
    });

    it('COMMIT refused by a deferred constraint: nothing', async () => {
      await other.query('ALTER TABLE account ADD CONSTRAINT u UNIQUE (owner) DEFERRABLE INITIALLY DEFERRED');
      const end = dataSource.transaction((em) => em.save(Account, { id: 'a1', owner: 'bob' }));
      await expect(end).rejects.toThrow('duplicate key');
      await other.query('ALTER TABLE account DROP CONSTRAINT u');
      expect(cache.taken()).toEqual([]);
    });

    it('a backend killed in the transaction: invalidated anyway, by the sweep', async () => {
      const swept = subscriber.counts.swept;
      const end = dataSource.transaction(async (em) => {
        await touch(em, 'a1');
        await kill(em);
        await em.query('SELECT 1');
      });
      await expect(end).rejects.toThrow();
      await eventually(() => cache.calls.length > 0);
      expect(cache.taken()).toEqual([touched('a1')]);
      expect(subscriber.counts.swept).toBe(swept + 1);
    });

    it('a backend killed before COMMIT is answered: invalidated anyway', async () => {
      const end = dataSource.transaction(async (em) => {
        await touch(em, 'a1');
        await kill(em);
      });
      await expect(end).rejects.toThrow();
      await eventually(() => cache.calls.length > 0);
      expect(cache.taken()).toEqual([touched('a1')]);
    });

    it('a query runner released without an end: invalidated anyway', async () => {
      // A pool of its own: the connection goes back to it with the transaction open.
      const leaky = await new DataSource({
        type: 'postgres',
        url: database.url,
        entities: ENTITIES,
      }).initialize();
      try {
        leaky.subscribers.unshift(subscriber);
        const runner = leaky.createQueryRunner();
        await runner.startTransaction();
        await touch(runner.manager, 'a1');
        await runner.release();
        await eventually(() => cache.calls.length > 0);
        expect(cache.taken()).toEqual([touched('a1')]);
      } finally {
        await leaky.destroy();
      }
    });

    it("a host's subscriber that throws after COMMIT takes nothing away", async () => {
      const host = {
        afterTransactionCommit() {
          throw new Error('host');
        },
      };
      dataSource.subscribers.push(host);
      try {
        await expect(dataSource.transaction((em) => touch(em, 'a1'))).rejects.toThrow('host');
      } finally {
        (dataSource.subscribers as unknown[]).splice(dataSource.subscribers.indexOf(host), 1);
      }
      expect(cache.taken()).toEqual([touched('a1')]);
    });
  });

  describe('an answer that is lost', () => {
    let line: TcpProxy;
    let far: DataSource;
    let listening: CacheSubscriber;

    beforeAll(async () => {
      const { hostname, port } = new URL(database.url);
      line = await startProxy({ to: { host: hostname, port: Number(port) } });
      const url = new URL(database.url);
      url.hostname = '127.0.0.1';
      url.port = String(line.port);
      far = await new DataSource({
        type: 'postgres',
        url: url.href,
        entities: ENTITIES,
        poolErrorHandler: () => {},
      }).initialize();
      const lines = { warn: () => {}, error: () => {} };
      const marks = new MarkRegistry('default', () => {});
      marks.add(far);
      listening = new CacheSubscriber(marks, gate, systemClock, lines, null, null, [100, 200]);
      far.subscribers.unshift(listening);
    });
    afterEach(() => line.mend());
    afterAll(async () => {
      await listening?.close();
      await far?.destroy();
      await line?.stop();
    });

    /** What is sent from now on arrives, and is never answered; then the connection is gone. */
    async function loseAnswer(until: () => Promise<boolean>): Promise<void> {
      const deadline = Date.now() + 5_000;
      while (!(await until()) && Date.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 5));
      await line.cut();
    }
    const balance = async (id: string) =>
      (await other.query('SELECT balance FROM account WHERE id = $1', [id]))[0].balance as number;

    it('of COMMIT: it may have been done, so it is invalidated, and again', async () => {
      let lost: Promise<void> | undefined;
      const end = far.transaction(async (em) => {
        await em.save(Account, { id: 'a1', balance: 5 });
        line.halfOpen('to-server');
        lost = loseAnswer(async () => (await balance('a1')) === 5);
      });
      await expect(end).rejects.toThrow();
      await lost;
      expect(await balance('a1')).toBe(5);
      await eventually(() => cache.calls.length === 3);
      expect(cache.taken()).toEqual([touched('a1'), touched('a1'), touched('a1')]);
    });

    it('of a statement without a transaction: all rows of the tables it names', async () => {
      await far.query('SELECT 1');
      line.halfOpen('to-server');
      const lost = loseAnswer(async () => (await balance('b1')) === 6);
      await expect(far.manager.update(Account, 'b1', { balance: 6 })).rejects.toThrow();
      await lost;
      expect(await balance('b1')).toBe(6);
      await eventually(() => cache.calls.length === 3);
      const all = ['#entity:Account', '#entity:Account:*', 'accounts:*', 'statements:*'];
      expect(cache.taken()[0]).toEqual(all);
    });

    it('of one that the server refused: nothing', async () => {
      await expect(far.manager.update(Account, 'b1', { owner: null as never })).rejects.toThrow();
      expect(cache.taken()).toEqual([]);
    });
  });

  it("after a host's COMMIT in the middle of TypeORM's transaction, writes are told at once", async () => {
    await dataSource.transaction(async (em) => {
      await touch(em, 'a1');
      await em.query('COMMIT');
      expect(cache.taken()).toEqual([touched('a1')]);
      await em.insert(Account, { id: 'a1z', owner: 'ann' });
      expect(cache.taken()).toHaveLength(1);
    });
    expect(cache.taken()).toEqual([]);
  });

  it('tells where the log stands after the write', async () => {
    await withRunner(async (runner) => {
      cache.answer = async () => ({ acknowledged: true, position: 'e@1' });
      await touch(runner.manager, 'a1');
      expect(subscriber.positionOf(runner)).toBe('e@1');
      cache.answer = async () => ({ acknowledged: false, position: null });
      await touch(runner.manager, 'a1');
      expect(subscriber.positionOf(runner)).toBeNull();
    });
  });

  describe('without a transaction', () => {
    it('save({ transaction: false }) is told when it is committed', async () => {
      await dataSource.manager.save(Account, { id: 'a1', balance: 5 }, { transaction: false });
      expect(cache.taken()).toEqual([touched('a1')]);
    });

    it('a query runner used twice tells twice', async () => {
      await withRunner(async (runner) => {
        await runner.manager.insert(Account, { id: 'a1x', owner: 'x' });
        await runner.manager.insert(Account, { id: 'a1y', owner: 'x' });
      });
      expect(cache.calls).toHaveLength(2);
    });

    it('BEGIN by SQL is a transaction all the same', async () => {
      await withRunner(async (runner) => {
        await runner.query('BEGIN');
        await runner.manager.update(Instrument, 1, { volume: 1 });
        expect(cache.taken()).toEqual([]);
        await runner.query('COMMIT');
        expect(cache.taken()).toHaveLength(1);
        await runner.query('BEGIN');
        await runner.manager.update(Instrument, 1, { volume: 2 });
        await runner.query('ROLLBACK');
      });
      expect(cache.taken()).toEqual([]);
    });
  });

  describe('a cache that misbehaves', () => {
    it('is waited for: the write resolves after the invalidation was answered', async () => {
      const order: string[] = [];
      cache.answer = async () => {
        await new Promise((resolve) => setTimeout(resolve, 10));
        order.push('invalidated');
        return { acknowledged: true, position: null };
      };
      await touch(dataSource.manager, 'a1');
      order.push('saved');
      await dataSource.manager.update(Account, 'a1', { balance: 1 });
      order.push('updated');
      expect(order).toEqual(['invalidated', 'saved', 'invalidated', 'updated']);
    });

    it('is not waited for longer than the limit', async () => {
      cache.answer = () => new Promise<InvalidationResult>(() => {});
      const started = performance.now();
      await touch(dataSource.manager, 'a1');
      expect(performance.now() - started).toBeLessThan(MAX_DELAY_MS + 500);
      expect(gate.counts).toMatchObject({ sent: 1, late: 1 });
      expect(log).toEqual([expect.stringContaining('accounts:a1')]);
      expect(await other.query(`SELECT 1 FROM account WHERE id = 'a1' AND balance > 0`)).toHaveLength(1);
    });

    it.each([
      ['rejects', () => Promise.reject(new Error('broken'))],
      [
        'throws',
        () => {
          throw new Error('broken');
        },
      ],
    ])('that %s fails no write, and is cleared as the last resort', async (_how, fail) => {
      let calls = 0;
      cache.answer = () => ((calls += 1) === 1 ? fail() : answer());
      await expect(touch(dataSource.manager, 'a1')).resolves.toBeDefined();
      expect(cache.taken()).toEqual([touched('a1'), ['*']]);
      expect(gate.counts.failed).toBe(1);
      expect(log).toEqual([expect.stringContaining('broken')]);
    });
  });

  async function withRunner(work: (runner: QueryRunner) => Promise<void>): Promise<void> {
    const runner = dataSource.createQueryRunner();
    try {
      await work(runner);
    } finally {
      await runner.release();
    }
  }

  async function backend(em: EntityManager): Promise<number> {
    const [row] = await em.query('SELECT pg_backend_pid() AS pid');
    return row.pid as number;
  }

  async function kill(em: EntityManager): Promise<void> {
    await other.query('SELECT pg_terminate_backend($1)', [await backend(em)]);
  }
});
