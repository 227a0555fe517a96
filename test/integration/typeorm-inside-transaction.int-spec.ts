import { Redis } from 'ioredis';
import { Column, DataSource, Entity, type EntityManager, PrimaryColumn, Repository } from 'typeorm';
import { ambient } from '../../libs/tiered-cache/src/ambient.js';
import { createRedisTier, systemClock, TieredCache } from '../../libs/tiered-cache/src/index.js';
import { CacheSubscriber } from '../../src/typeorm/cache-subscriber.js';
import { InvalidationGate } from '../../src/typeorm/invalidation-gate.js';
import { MarkRegistry } from '../../src/typeorm/mark-registry.js';
import { outsideTransaction } from '../../src/typeorm/transactions/ambient-context.js';
import { runInTransaction } from '../../src/typeorm/transactions/run-in-transaction.js';
import { until } from '../conformance/until.js';
import { deferred } from '../support/fleet.js';
import { describeWithServices, freshDatabase, keyPrefix, redisUrl } from '../support/services.js';
import { Account, ENTITIES, Label, NAMESPACES, Position, seed } from './typeorm.fixture.js';

const POOL = 10;

/** Known to the second data source only. */
@Entity()
class Setting {
  @PrimaryColumn() name!: string;
  @Column() value!: number;
}

/** As Nest's documentation has them: a manager of their own, made long before the transaction. */
class AccountRepository extends Repository<Account> {
  constructor(dataSource: DataSource) {
    super(Account, dataSource.createEntityManager());
  }
}

/** One process: a data source with the subscriber, and a cache. */
class Node {
  readonly accounts: Repository<Account>;
  loads = 0;

  constructor(
    readonly cache: TieredCache,
    readonly dataSource: DataSource,
    readonly subscriber: CacheSubscriber,
  ) {
    this.accounts = dataSource.getRepository(Account);
  }

  /** By an injected repository, as a service does it. */
  readonly load = async ({ id }: { id: string }): Promise<number> => {
    this.loads += 1;
    return (await this.accounts.findOneByOrFail({ id })).balance;
  };

  balance(id = 'a1'): Promise<number> {
    return this.cache.getOrSet('accounts', id, this.load, { tags: ['all'] });
  }

  peek(id = 'a1'): unknown {
    return this.cache.namespace('accounts').peek(id);
  }
}

class Rollback extends Error {}

describeWithServices('inside a transaction', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let redis: Redis;
  let prefix: string;
  let dataSources: DataSource[];
  let settings: DataSource;
  let here: Node;
  let there: Node;

  beforeAll(async () => {
    database = await freshDatabase();
    redis = new Redis(redisUrl());
    const options = {
      type: 'postgres',
      url: database.url,
      extra: { max: POOL },
      poolErrorHandler: () => {},
    } as const;
    dataSources = [
      await new DataSource({ ...options, entities: ENTITIES, synchronize: true }).initialize(),
      await new DataSource({ ...options, entities: ENTITIES }).initialize(),
    ];
    settings = await new DataSource({ ...options, entities: [Setting], synchronize: true }).initialize();
  });
  afterAll(async () => {
    await Promise.all([...(dataSources ?? []), settings].map((one) => one?.destroy()));
    redis?.disconnect();
    await database?.drop();
  });
  beforeEach(async () => {
    prefix = keyPrefix();
    await seed(dataSources[0]!);
    await settings.query('DELETE FROM setting');
    [here, there] = (await Promise.all(dataSources.map(node))) as [Node, Node];
  });
  afterEach(async () => {
    for (const { dataSource, subscriber, cache } of [here, there]) {
      (dataSource.subscribers as unknown[]).length = 0;
      await subscriber.close();
      await cache.close();
    }
    // Whatever happened: nobody asks any more.
    expect(ambient).toBe(undefined);
  });

  async function node(dataSource: DataSource): Promise<Node> {
    const cache = new TieredCache({
      prefix,
      remote: createRedisTier({ url: redisUrl(), prefix }),
      namespaces: Object.fromEntries(NAMESPACES.map((name) => [name, { ttl: '1m' as const }])),
    }).start();
    const log = { warn: () => {}, error: () => {} };
    const marks = new MarkRegistry('default', () => {});
    marks.add(dataSource);
    const gate = new InvalidationGate(cache, 2_000, systemClock, log);
    const subscriber = new CacheSubscriber(marks, gate, systemClock, log);
    dataSource.subscribers.unshift(subscriber);
    await until(() => cache.health().l1.serving);
    return new Node(cache, dataSource, subscriber);
  }

  const write = (em: EntityManager, balance: number, id = 'a1') => em.save(Account, { id, balance });

  /** Entries in the shared tier, by namespace and id. */
  const stored = async (): Promise<string[]> =>
    (await redis.keys(`*${prefix.replace(':', '')}*`))
      .filter((key) => key.endsWith(':v'))
      .map((key) => key.replace(/^.*:(\w+:\w+)\}:v$/, '$1'));

  async function rolledBack(work: (em: EntityManager) => Promise<unknown>): Promise<void> {
    const run = runInTransaction(here.dataSource, async (em) => {
      await work(em);
      throw new Rollback();
    });
    await expect(run).rejects.toThrow(Rollback);
  }

  async function connection(manager: Pick<EntityManager, 'query'>): Promise<number> {
    const [row] = (await manager.query('SELECT pg_backend_pid() AS pid')) as [{ pid: number }];
    return row.pid;
  }

  describe('reads', () => {
    it('see what the transaction has written; everybody else the old value until COMMIT, and then the new one', async () => {
      expect([await here.balance(), await there.balance()]).toEqual([0, 0]);
      await runInTransaction(here.dataSource, async (em) => {
        expect(await here.balance()).toBe(0);
        await write(em, 7);
        expect(await here.balance()).toBe(7);
        await write(em, 8);
        expect(await here.balance()).toBe(8);
        expect(await outsideTransaction(() => here.balance())).toBe(0);
        expect(await outsideTransaction(() => there.balance())).toBe(0);
      });
      expect(await here.balance()).toBe(8);
      await until(async () => (await there.balance()) === 8);
    });

    it('fill no tier, before the first write and after it', async () => {
      await rolledBack(async (em) => {
        expect(await here.balance('b1')).toBe(0);
        await write(em, 7);
        expect(await here.balance()).toBe(7);
        const many = await here.cache
          .namespace<number>('accounts')
          .getOrSetMany(['a1', 'b1'], async (ids) => {
            const rows = await here.accounts.findBy(ids.map((id) => ({ id })));
            return new Map(rows.map(({ id, balance }) => [id, balance]));
          });
        expect(Object.fromEntries(many)).toEqual({ a1: 7, b1: 0 });
      });
      expect([here.peek(), here.peek('b1'), there.peek()]).toEqual([undefined, undefined, undefined]);
      expect(await stored()).toEqual([]);
      expect([await here.balance(), await there.balance()]).toEqual([0, 0]);
      expect(await stored()).toEqual(['accounts:a1']);
    });

    it('fill no tier when the transaction is committed either', async () => {
      await runInTransaction(here.dataSource, async (em) => {
        await write(em, 7);
        await here.balance();
      });
      expect([here.peek(), await stored()]).toEqual([undefined, []]);
    });

    it('are answered by the cache until the first write', async () => {
      await here.balance();
      const loads = here.loads;
      await runInTransaction(here.dataSource, async () => {
        expect(await here.balance()).toBe(0);
        expect(here.peek()).toBe(0);
        expect(await here.cache.get('accounts', 'a1')).toBe(0);
      });
      expect(here.loads).toBe(loads);
      // The other node's L1 is empty: from the shared tier, without a load.
      await runInTransaction(there.dataSource, async () => expect(await there.balance()).toBe(0));
      expect(there.loads).toBe(0);
    });

    it('find nothing in the cache after it', async () => {
      const accounts = here.cache.namespace<number>('accounts');
      await here.balance();
      await rolledBack(async (em) => {
        await write(em, 7, 'b1');
        expect(accounts.peek('a1')).toBe(undefined);
        expect(await accounts.get('a1')).toBe(undefined);
        expect((await accounts.getMany(['a1', 'b1'])).size).toBe(0);
        expect([await accounts.has('a1'), await accounts.ttl('a1')]).toEqual([false, null]);
        const { loads } = here;
        expect(await here.balance()).toBe(0);
        expect(here.loads).toBe(loads + 1);
      });
      expect(accounts.peek('a1')).toBe(0);
    });

    it.each([
      ['UPDATE in SQL', (em: EntityManager) => em.query(`UPDATE account SET balance = 7 WHERE id = 'a1'`)],
      [
        'a CTE',
        (em: EntityManager) =>
          em.query(`WITH w AS (UPDATE account SET balance = 7 RETURNING id) SELECT * FROM w`),
      ],
      [
        'a QueryBuilder',
        (em: EntityManager) => em.createQueryBuilder().update(Account).set({ balance: 7 }).execute(),
      ],
      ['increment', (em: EntityManager) => em.increment(Account, { id: 'a1' }, 'balance', 7)],
      ['an injected repository', () => here.accounts.update({ id: 'a1' }, { balance: 7 })],
    ])('count %s as a write', async (_name, change) => {
      await here.balance();
      await rolledBack(async (em) => {
        await change(em);
        expect(await here.balance()).toBe(7);
      });
      expect(await here.balance()).toBe(0);
    });

    it('go to the database once rows are locked', async () => {
      await here.balance();
      await runInTransaction(here.dataSource, async (em) => {
        await em.findOneOrFail(Account, { where: { id: 'a1' }, lock: { mode: 'pessimistic_write' } });
        expect(here.peek()).toBe(undefined);
      });
    });

    it.each(['REPEATABLE READ', 'SERIALIZABLE'] as const)(
      'bypass the cache from the start: %s',
      async (level) => {
        await here.balance();
        const { loads } = here;
        await runInTransaction(here.dataSource, level, async (em) => {
          expect(await here.balance()).toBe(0);
          const [row] = (await em.query('SHOW transaction_isolation')) as [{ transaction_isolation: string }];
          expect(row.transaction_isolation).toBe(level.toLowerCase());
        });
        expect(here.loads).toBe(loads + 1);
      },
    );

    it('are joined by nobody, and join nobody', async () => {
      const gate = deferred<void>();
      const begun = deferred<void>();
      const slow = (tag: string) => async (): Promise<string> => {
        begun.resolve();
        await gate.promise;
        return tag;
      };
      const read = (loader: () => Promise<string>) => here.cache.getOrSet('accounts', 'a1', loader);
      const inside = rolledBack(async () => {
        expect(await read(slow('inside'))).toBe('inside');
      });
      await begun.promise;
      expect(await read(async () => 'outside')).toBe('outside');
      gate.resolve();
      await inside;
      expect(here.peek()).toBe('outside');

      await here.cache.delete('accounts', 'a1');
      const held = deferred<string>();
      const outside = read(() => held.promise);
      await runInTransaction(here.dataSource, async () => {
        expect(await read(async () => 'mine')).toBe('mine');
      });
      held.resolve('outside');
      expect(await outside).toBe('outside');
    });

    it("hand out a loader's error unchanged, once, and no stale value", async () => {
      const error = new Error('no');
      await rolledBack(async () => {
        const read = here.cache.getOrSet('accounts', 'a1', () => Promise.reject(error), { grace: '1h' });
        await expect(read).rejects.toBe(error);
      });
    });
  });

  describe('connections', () => {
    it('repositories and managers that were injected, custom ones too, take part', async () => {
      const custom = new AccountRepository(here.dataSource);
      const extended = here.accounts.extend({
        rich() {
          return this.countBy({ balance: 7 });
        },
      });
      await rolledBack(async (em) => {
        await here.accounts.update({ id: 'a1' }, { balance: 7 });
        const pid = await connection(em);
        expect(await connection(here.dataSource.manager)).toBe(pid);
        expect(await connection(here.accounts)).toBe(pid);
        expect((await custom.findOneByOrFail({ id: 'a1' })).balance).toBe(7);
        expect(await extended.rich()).toBe(1);
        expect(await here.accounts.createQueryBuilder('a').where('a.balance = 7').getCount()).toBe(1);
        const builder = here.dataSource.manager.createQueryBuilder().from(Account, 'a').select('a.balance');
        expect(await builder.where(`a.id = 'a1'`).getRawOne()).toEqual({ a_balance: 7 });
        await here.dataSource.getRepository(Position).save({ accountId: 'a1', symbol: 'TSLA', quantity: 1 });
        expect(await em.countBy(Position, { accountId: 'a1' })).toBe(2);
        await here.accounts.remove(await here.accounts.findOneByOrFail({ id: 'b1' }));
        expect(await em.existsBy(Account, { id: 'b1' })).toBe(false);
        // Ways out, as documented.
        expect(await connection(here.dataSource)).not.toBe(pid);
        expect(await outsideTransaction(() => connection(here.dataSource.manager))).not.toBe(pid);
      });
      expect(await custom.findOneByOrFail({ id: 'a1' })).toMatchObject({ balance: 0 });
      expect(await here.accounts.countBy({ id: 'b1' })).toBe(1);
      expect(await here.dataSource.getRepository(Position).count()).toBe(1);
    });

    it('a repository that is first asked for inside outlives the transaction', async () => {
      const fresh = await new DataSource({
        type: 'postgres',
        url: database.url,
        entities: ENTITIES,
      }).initialize();
      try {
        let labels!: Repository<Label>;
        await runInTransaction(fresh, async (em) => {
          labels = fresh.getRepository(Label);
          expect(await connection(labels)).toBe(await connection(em));
        });
        expect(await labels.createQueryBuilder('l').getCount()).toBe(2);
        expect(fresh.getRepository(Label)).toBe(labels);
      } finally {
        await fresh.destroy();
      }
    });

    it('nor is what it evicts then lost in another transaction that is open', async () => {
      const released = deferred<void>();
      const late = deferred<unknown>();
      await here.balance();
      await runInTransaction(here.dataSource, async () => {
        void released.promise
          .then(() => here.cache.delete('accounts', 'a1'))
          .then(
            (all) => late.resolve(all),
            (error: unknown) => late.reject(error),
          );
      });
      await outsideTransaction(() =>
        runInTransaction(here.dataSource, async () => {
          released.resolve();
          expect(await late.promise).toMatchObject({ acknowledged: true });
        }),
      );
      expect(here.peek()).toBe(undefined);
    });

    it('other data sources do not', async () => {
      await rolledBack(async (em) => {
        await write(em, 7);
        await settings.getRepository(Setting).save({ name: 'x', value: 1 });
        expect((await there.accounts.findOneByOrFail({ id: 'a1' })).balance).toBe(0);
      });
      expect(await settings.getRepository(Setting).count()).toBe(1);
    });

    it('a promise that nobody awaited reads like anybody while COMMIT is under way', async () => {
      const committing = deferred<void>();
      const done = deferred<unknown>();
      const subscriber = {
        beforeTransactionCommit: async () => {
          committing.resolve();
          await done.promise;
        },
      };
      (here.dataSource.subscribers as unknown[]).push(subscriber);
      await runInTransaction(here.dataSource, async (em) => {
        await write(em, 7);
        void committing.promise
          .then(async () => [
            here.dataSource.manager.queryRunner,
            await here.balance(),
            here.peek(),
            // But what it evicts is about the transaction, as far as anybody knows.
            await here.cache.delete('accounts', 'a1'),
            here.peek(),
          ])
          .then(
            (all) => done.resolve(all),
            (error: unknown) => done.reject(error),
          );
      });
      expect(await done.promise).toEqual([undefined, 0, 0, { acknowledged: false, position: null }, 0]);
      await until(() => here.peek() === undefined);
      expect(await here.balance()).toBe(7);
    });

    it('a promise that nobody awaited reads like anybody after the end', async () => {
      const released = deferred<void>();
      const late = deferred<unknown>();
      let own = 0;
      await runInTransaction(here.dataSource, async (em) => {
        await write(em, 7);
        own = await connection(em);
        void released.promise
          .then(async () => [
            await here.balance(),
            here.dataSource.manager.queryRunner,
            await here.accounts.count(),
            await runInTransaction(here.dataSource, async (again) => again.queryRunner !== em.queryRunner),
          ])
          .then(
            (all) => late.resolve(all),
            (error: unknown) => late.reject(error),
          );
      });
      expect(own).toBeGreaterThan(0);
      released.resolve();
      expect(await late.promise).toEqual([7, undefined, 2, true]);
      // It was stored: nothing of the transaction clings to it.
      expect(here.peek()).toBe(7);
    });
  });

  describe('invalidations and values', () => {
    it.each([
      ['delete', () => here.cache.delete('accounts', 'a1')],
      ['namespace.delete', () => here.cache.namespace('accounts').delete(['a1'])],
      ['deleteByTag', () => here.cache.deleteByTag('all')],
      ['clear', () => here.cache.namespace('accounts').clear()],
      ['invalidate', () => here.cache.invalidate({ namespaces: ['accounts'] })],
      ['a pattern', () => here.cache.invalidate({ patterns: ['accounts:a*'] })],
      ['set', () => here.cache.set('accounts', 'a1', 99)],
      ['setMany', () => here.cache.namespace('accounts').setMany([['a1', 99]])],
    ])('%s waits for COMMIT, and is forgotten with ROLLBACK', async (_name, evict) => {
      await here.balance();
      await there.balance();
      await rolledBack(async () => {
        expect(await evict()).toEqual({ acknowledged: false, position: null });
        expect([here.peek(), there.peek()]).toEqual([0, 0]);
      });
      expect([here.peek(), there.peek(), await stored()]).toEqual([0, 0, ['accounts:a1']]);

      await runInTransaction(here.dataSource, async (em) => {
        // Nobody's event: only the invalidation by hand ends the entries.
        await em.query(`UPDATE account SET balance = 7 WHERE id = 'a1'`);
        await evict();
        expect(outsideTransaction(() => [here.peek(), there.peek()])).toEqual([0, 0]);
      });
      await until(() => here.peek() === undefined);
      expect(await here.balance()).toBe(7);
      await until(async () => (await there.balance()) === 7);
    });

    it('what is wrong with them is said at once', async () => {
      await rolledBack(async () => {
        await expect(here.cache.delete('nonesuch', 'a1')).rejects.toThrow('nonesuch');
        await expect(here.cache.delete('accounts', '')).rejects.toThrow('Key');
        await expect(here.cache.set('accounts', 'a1', 1, { ttl: -1 })).rejects.toThrow();
        await expect(here.cache.set('accounts', 'a1', 1, { tags: ['#x'] })).rejects.toThrow();
        await expect(here.cache.invalidate({ tags: [''] })).rejects.toThrow();
      });
    });

    it('a savepoint that is rolled back takes its own along', async () => {
      await here.balance();
      await here.balance('b1');
      await runInTransaction(here.dataSource, async (em) => {
        await here.cache.delete('accounts', 'b1');
        const inner = runInTransaction(here.dataSource, async () => {
          await here.cache.delete('accounts', 'a1');
          throw new Rollback();
        });
        await expect(inner).rejects.toThrow(Rollback);
        await em.query('SAVEPOINT mine');
        await here.cache.delete('accounts', 'a1');
        await em.query('ROLLBACK TO mine');
      });
      expect([here.peek(), here.peek('b1')]).toEqual([0, undefined]);
    });

    it('a COMMIT that the server answers with ROLLBACK ends nothing', async () => {
      await here.balance();
      await runInTransaction(here.dataSource, async (em) => {
        await write(em, 7);
        await here.cache.delete('accounts', 'a1');
        await em.query('SELECT nonesuch').catch(() => {});
      });
      expect([here.peek(), await here.balance()]).toEqual([0, 0]);
    });

    it('a COMMIT that nobody answers ends them', async () => {
      await here.balance();
      const run = runInTransaction(here.dataSource, async (em) => {
        await em.query(`UPDATE account SET balance = 7 WHERE id = 'a1'`);
        await here.cache.delete('accounts', 'a1');
        await there.dataSource.query('SELECT pg_terminate_backend($1)', [await connection(em)]);
      });
      await expect(run).rejects.toThrow();
      await until(() => here.peek() === undefined);
    });

    it('a write on a connection of its own ends entries at once, whatever becomes of the transaction', async () => {
      await here.balance('b1');
      await rolledBack(async () => {
        await outsideTransaction(() => here.accounts.save({ id: 'b1', balance: 5 }));
        expect(await outsideTransaction(() => here.balance('b1'))).toBe(5);
        const runner = here.dataSource.createQueryRunner();
        await runner.manager.save(Account, { id: 'b1', balance: 6 });
        await runner.release();
        expect(await outsideTransaction(() => here.balance('b1'))).toBe(6);
      });
      expect(await here.balance('b1')).toBe(6);
    });
  });

  describe('nesting', () => {
    it('another runInTransaction, and dataSource.transaction, are savepoints of it', async () => {
      await runInTransaction(here.dataSource, async (em) => {
        const pid = await connection(em);
        await write(em, 7);
        await runInTransaction(here.dataSource, async (inner) => {
          expect(await connection(inner)).toBe(pid);
          expect(await here.balance()).toBe(7);
        });
        const failed = here.dataSource.transaction(async (inner) => {
          expect(await connection(inner)).toBe(pid);
          await write(inner, 8);
          expect(await here.balance()).toBe(8);
          throw new Rollback();
        });
        await expect(failed).rejects.toThrow(Rollback);
        expect(await here.balance()).toBe(7);
      });
      expect(await here.balance()).toBe(7);
    });

    it('transactions of two data sources: each reads its own, and either COMMIT ends what was evicted', async () => {
      await here.balance();
      await rolledBack(async () => {
        await runInTransaction(settings, async (em) => {
          await em.save(Setting, { name: 'limit', value: 3 });
          expect(await here.accounts.count()).toBe(2);
          const limit = await here.cache.getOrSet('labels', 'limit', async () => {
            const found = await settings.getRepository(Setting).findOneByOrFail({ name: 'limit' });
            return found.value;
          });
          expect(limit).toBe(3);
          await here.cache.delete('accounts', 'a1');
          expect(await outsideTransaction(() => here.balance())).toBe(0);
          expect(outsideTransaction(() => here.peek())).toBe(0);
        });
        expect(outsideTransaction(() => here.peek())).toBe(undefined);
        expect(await outsideTransaction(() => here.balance())).toBe(0);
        await runInTransaction(settings, async () => {}); // Nothing waits: nothing ends.
        expect(outsideTransaction(() => here.peek())).toBe(0);
      });
      expect(await settings.getRepository(Setting).count()).toBe(1);
    });

    it('what was evicted inside is ended by the COMMIT of either, whichever is rolled back', async () => {
      await here.balance();
      await runInTransaction(here.dataSource, async (em) => {
        await em.query(`UPDATE account SET balance = 7 WHERE id = 'a1'`);
        const inner = runInTransaction(settings, async () => {
          expect(await here.balance()).toBe(7);
          await here.cache.delete('accounts', 'a1');
          throw new Rollback();
        });
        await expect(inner).rejects.toThrow(Rollback);
        expect(outsideTransaction(() => here.peek())).toBe(0);
      });
      await until(() => here.peek() === undefined);
    });

    it("an inner data source's writes are invalidated at its own COMMIT, not at the outer one's", async () => {
      await there.balance();
      await here.balance();
      const outer = runInTransaction(settings, async () => {
        await runInTransaction(here.dataSource, (em) => write(em, 7));
        expect(await outsideTransaction(() => here.balance())).toBe(7);
        throw new Rollback();
      });
      await expect(outer).rejects.toThrow(Rollback);
      await until(async () => (await there.balance()) === 7);
    });
  });

  describe('errors', () => {
    it('reach the caller unchanged', async () => {
      const error = new Error('mine');
      await expect(
        runInTransaction(here.dataSource, async () => {
          throw error;
        }),
      ).rejects.toBe(error);
      await expect(
        runInTransaction(here.dataSource, (em) => em.query('SELECT nonesuch')),
      ).rejects.toMatchObject({ name: 'QueryFailedError', driverError: { code: '42703' } });
      expect(await runInTransaction(here.dataSource, async () => 5)).toBe(5);
    });

    it('TypeORM says what is wrong with the arguments', async () => {
      const call = runInTransaction as (...args: unknown[]) => Promise<unknown>;
      await expect(call(here.dataSource, 'SERIALIZABLE')).rejects.toThrow('callback');
      await expect(call(here.dataSource, 'SNAPSHOT', async () => {})).rejects.toThrow('SNAPSHOT');
      await expect(call({}, async () => {})).rejects.toMatchObject({ code: 'STRATA_INVALID_OPTIONS' });
    });
  });

  it('50 transactions and readers at once, on a pool of 10: no dead lock, nothing uncommitted is seen or left', async () => {
    const ids = ['a1', 'b1'];
    const committed = new Map(ids.map((id) => [id, new Set([0])]));
    const attempted = new Map(ids.map((id) => [id, new Set([0])]));
    let reading = true;
    const seen: { id: string; value: number }[] = [];
    const readers = [here, there].flatMap((one) =>
      ids.map(async (id) => {
        while (reading) {
          seen.push({ id, value: await one.balance(id) });
          await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    );
    const transactions = Array.from({ length: 50 }, async (_, i) => {
      const one = i % 2 === 0 ? here : there;
      const id = ids[i % 4 < 2 ? 0 : 1]!;
      const value = i + 1;
      const run = runInTransaction(one.dataSource, async (em) => {
        await one.balance(id); // May be a miss: loaded on this connection, or 10 of them would wait for an 11th.
        await one.balance('b1');
        await write(em, value, id);
        attempted.get(id)!.add(value);
        expect(await one.balance(id)).toBe(value);
        await Promise.all([one.balance('a1'), one.balance('b1')]);
        expect(await one.balance(id)).toBe(value);
        if (i % 5 === 0) throw new Rollback();
        committed.get(id)!.add(value);
      });
      await run.catch((error: unknown) => {
        if (!(error instanceof Rollback)) throw error;
      });
    });
    await Promise.all(transactions);
    reading = false;
    await Promise.all(readers);
    expect(seen.filter(({ id, value }) => !committed.get(id)!.has(value))).toEqual([]);
    const rows = await here.accounts.find({ order: { id: 'ASC' } });
    for (const { id, balance } of rows)
      for (const one of [here, there]) await until(async () => (await one.balance(id)) === balance);
  }, 60_000);
});
