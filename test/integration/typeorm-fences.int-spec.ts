import { DataSource, type EntityManager } from 'typeorm';
import { startRedis } from '../../apps/services/index.mjs';
import {
  createRedisTier,
  type NamespaceOptions,
  systemClock,
  TieredCache,
} from '../../libs/tiered-cache/src/index.js';
import { CacheSubscriber } from '../../src/typeorm/cache-subscriber.js';
import { resolveTypeOrmOptions } from '../../src/typeorm/cache-typeorm.options.js';
import { CommitFences, type FenceTimes } from '../../src/typeorm/commit-fences.js';
import { InvalidationGate } from '../../src/typeorm/invalidation-gate.js';
import { MarkRegistry } from '../../src/typeorm/mark-registry.js';
import { until } from '../conformance/until.js';
import { deferred } from '../support/fleet.js';
import { describeWithServices, freshDatabase, keyPrefix, redisUrl } from '../support/services.js';
import { Account, ENTITIES, NAMESPACES, seed } from './typeorm.fixture.js';

const BOUND_MS = 500;
const DEFAULT_TIMES: FenceTimes = { forMs: 10_000, withinMs: 2_000 };

/** What the writer's process sends. `dead`: nothing any more, as if it had ended; nobody is told. */
class Sending {
  dead = false;
  invalidated = 0;
  readonly fenced: string[][] = [];
  /** Between the fence and COMMIT. */
  afterFence: () => Promise<void> = async () => {};

  constructor(readonly cache: TieredCache) {}

  readonly invalidate: TieredCache['invalidate'] = (selector) => {
    if (this.dead) return new Promise(() => {});
    this.invalidated += 1;
    return this.cache.invalidate(selector);
  };

  readonly fence: TieredCache['fence'] = async (keys, options) => {
    this.fenced.push(keys.map(({ namespace, id }) => `${namespace}:${id}`).sort());
    const fence = await this.cache.fence(keys, options);
    const invalidate = fence.invalidate.bind(fence);
    fence.invalidate = (selector) => {
      if (this.dead) return new Promise(() => {});
      this.invalidated += 1;
      return invalidate(selector);
    };
    await this.afterFence();
    return fence;
  };
}

describeWithServices('fences before COMMIT', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let dataSource: DataSource;
  let other: DataSource;
  let marks: MarkRegistry;
  let prefix: string;
  let subscriber: CacheSubscriber;
  const open: TieredCache[] = [];
  const log = { warn: () => {}, error: () => {} };

  beforeAll(async () => {
    database = await freshDatabase();
    const options = {
      type: 'postgres',
      url: database.url,
      entities: ENTITIES,
      poolErrorHandler: () => {},
    } as const;
    dataSource = await new DataSource({ ...options, synchronize: true }).initialize();
    other = await new DataSource(options).initialize();
    marks = new MarkRegistry('default', () => {});
    marks.add(dataSource);
  });
  afterAll(async () => {
    await dataSource?.destroy();
    await other?.destroy();
    await database?.drop();
  });
  beforeEach(async () => {
    prefix = keyPrefix();
    await seed(dataSource);
  });
  afterEach(async () => {
    (dataSource.subscribers as unknown[]).length = 0;
    await subscriber.close();
    await Promise.all(open.splice(0).map((cache) => cache.close()));
  });

  async function node(accounts: NamespaceOptions = {}, url = redisUrl()): Promise<TieredCache> {
    const cache = new TieredCache({
      prefix,
      stalenessBound: BOUND_MS,
      remote: createRedisTier({ url, prefix, commandTimeout: url === redisUrl() ? 1_000 : 250 }),
      namespaces: Object.fromEntries(
        NAMESPACES.map((name) => [name, { ttl: '1m', ...(name === 'accounts' ? accounts : {}) }]),
      ),
    }).start();
    open.push(cache);
    await until(() => cache.health().l1.serving);
    return cache;
  }

  /** A node whose data source has the subscriber; `times` null: without fences. */
  async function writer({
    times = DEFAULT_TIMES,
    maxDelayMs = 2_000,
    url = redisUrl(),
  }: { times?: FenceTimes | null; maxDelayMs?: number; url?: string } = {}): Promise<{
    sending: Sending;
    fences: CommitFences | null;
    cache: TieredCache;
  }> {
    const cache = await node({}, url);
    const sending = new Sending(cache);
    const fences = times && new CommitFences(sending, times);
    const gate = new InvalidationGate(sending, maxDelayMs, systemClock, log);
    subscriber = new CacheSubscriber(marks, gate, systemClock, log, fences);
    dataSource.subscribers.unshift(subscriber);
    return { sending, fences, cache };
  }

  const touch = (em: EntityManager, id: string, balance: number) => em.save(Account, { id, balance });

  const balance = async (id: string): Promise<number> =>
    (await other.getRepository(Account).findOneByOrFail({ id })).balance;

  const read = (cache: TieredCache, id = 'a1') => cache.getOrSet('accounts', id, () => balance(id));

  /** One node's load is the other's hit: the shared tier keeps the entry. */
  async function isShared(one: TieredCache, two: TieredCache, id = 'a1'): Promise<boolean> {
    const seen = await read(one, id);
    let loads = 0;
    const again = await two.getOrSet('accounts', id, () => {
      loads += 1;
      return balance(id);
    });
    expect(again).toBe(seen);
    return loads === 0;
  }

  /** A load of a reader that has read the database and answers only when it is let go. */
  function slowRead(cache: TieredCache) {
    const hasRead = deferred<void>();
    const goOn = deferred<void>();
    const value = cache.getOrSet('accounts', 'a1', async () => {
      const old = await balance('a1');
      hasRead.resolve();
      await goOn.promise;
      return old;
    });
    return { value, hasRead: hasRead.promise, letGo: () => goOn.resolve() };
  }

  describe('a writer that dies right after COMMIT, before it has invalidated', () => {
    it('a load that began before COMMIT never puts the old value into the shared tier', async () => {
      const { sending } = await writer({ maxDelayMs: 50 });
      const [reader, strict] = [await node(), await node({ consistency: 'strict' })];
      let slow!: ReturnType<typeof slowRead>;
      await dataSource.transaction(async (em) => {
        await touch(em, 'a1', 7);
        slow = slowRead(reader);
        await slow.hasRead;
        sending.dead = true;
      });
      slow.letGo();
      expect(await slow.value).toBe(0);
      expect(await read(strict)).toBe(7);
      await until(async () => (await read(reader)) === 7, BOUND_MS);
    });

    it('a load that begins while COMMIT is under way stores nothing either', async () => {
      const { sending } = await writer({ maxDelayMs: 50 });
      const [reader, strict] = [await node(), await node({ consistency: 'strict' })];
      let meanwhile: number | undefined;
      sending.dead = true;
      sending.afterFence = async () => void (meanwhile = await read(reader));
      await dataSource.transaction((em) => touch(em, 'a1', 7));
      expect(meanwhile).toBe(0);
      expect(await read(strict)).toBe(7);
    });

    it('strict reads of another node are new at once, bounded ones within the bound', async () => {
      const { sending } = await writer({ maxDelayMs: 50 });
      const [bounded, strict] = [await node(), await node({ consistency: 'strict' })];
      for (const id of ['r1', 'r2', 'r3', 'r4', 'r5']) {
        await other.query(`INSERT INTO account (id, owner) VALUES ($1, 'ron')`, [id]);
        await until(() => isShared(strict, bounded, id));
        expect(bounded.namespace('accounts').peek(id)).toBe(0);
        sending.dead = false;
        await dataSource.transaction(async (em) => {
          await touch(em, id, 7);
          sending.dead = true;
        });
        expect(await read(strict, id)).toBe(7);
        await until(async () => (await read(bounded, id)) === 7, BOUND_MS);
      }
    });
  });

  describe('a transaction that is not committed', () => {
    it('a COMMIT that will be answered with ROLLBACK is not fenced: the entry stays', async () => {
      const { sending } = await writer();
      const [one, two] = [await node(), await node()];
      await until(() => isShared(one, two));
      await dataSource.transaction(async (em) => {
        await touch(em, 'a1', 7);
        await em.query('SELECT no_such_column').catch(() => {});
      });
      expect(sending.fenced).toEqual([]);
      expect(sending.invalidated).toBe(0);
      expect(await isShared(two, await node())).toBe(true);
    });

    it('a deferred constraint refuses COMMIT: the fence is lifted, long before its time', async () => {
      await other.query('ALTER TABLE account ADD CONSTRAINT u UNIQUE (owner) DEFERRABLE INITIALLY DEFERRED');
      try {
        const { fences, sending } = await writer({ times: { forMs: 600_000, withinMs: 2_000 } });
        const [one, two] = [await node(), await node()];
        await dataSource
          .transaction(async (em) => {
            await touch(em, 'a1', 7);
            await em.save(Account, { id: 'a1', owner: 'bob' });
          })
          .catch(() => {});
        expect(fences!.counts).toMatchObject({ fencesRaised: 1, fencesNotStanding: 0 });
        await until(() => isShared(one, two), 2_000);
        expect(await read(one)).toBe(0);
        expect(sending.invalidated).toBe(0);
      } finally {
        await other.query('ALTER TABLE account DROP CONSTRAINT u');
      }
    });

    it('an error of the work: no COMMIT, no fence', async () => {
      const { sending } = await writer();
      const work = dataSource.transaction(async (em) => {
        await touch(em, 'a1', 7);
        throw new Error('work');
      });
      await expect(work).rejects.toThrow('work');
      expect(sending.fenced).toEqual([]);
    });

    it('nobody knows the end: invalidated, and the fence stays for its time and no longer', async () => {
      const { sending } = await writer({ times: { forMs: 1_500, withinMs: 1_000 } });
      const [one, two] = [await node(), await node()];
      await until(() => isShared(one, two));
      sending.afterFence = async () => {
        await other.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()`,
        );
      };
      await expect(dataSource.transaction((em) => touch(em, 'a1', 7))).rejects.toThrow();
      await until(() => sending.invalidated > 0);
      expect(await isShared(one, two)).toBe(false);
      await until(() => isShared(one, two), 5_000);
    });
  });

  describe('a transaction that is committed', () => {
    it('its invalidation takes the fence away, so that the next load is stored', async () => {
      await writer({ times: { forMs: 600_000, withinMs: 2_000 } });
      const [one, two] = [await node(), await node()];
      await dataSource.transaction((em) => touch(em, 'a1', 7));
      expect(await isShared(one, two)).toBe(true);
      expect(await read(two)).toBe(7);
    });

    it('savepoints: fenced once, at the outermost COMMIT, without what was rolled back', async () => {
      const { sending } = await writer();
      await dataSource.transaction(async (em) => {
        await em.transaction((inner) => touch(inner, 'a1', 7));
        const failing = em.transaction(async (inner) => {
          await inner.save(Account, { id: 'c1', owner: 'cid' });
          throw new Error('inner');
        });
        await expect(failing).rejects.toThrow('inner');
        await em.transaction((inner) => touch(inner, 'b1', 8));
        expect(sending.fenced).toEqual([]);
      });
      expect(sending.fenced).toEqual([['accounts:a1', 'accounts:b1']]);
    });

    it("a host's own BEGIN and COMMIT are fenced too", async () => {
      const { sending } = await writer();
      const runner = dataSource.createQueryRunner();
      try {
        await runner.query('BEGIN');
        await touch(runner.manager, 'a1', 7);
        await runner.query('COMMIT');
      } finally {
        await runner.release();
      }
      expect(sending.fenced).toEqual([['accounts:a1']]);
    });

    it('without fences none is sent, and the writer invalidates as ever', async () => {
      expect(resolveTypeOrmOptions({ fence: false }).fence).toBeNull();
      const { sending, cache } = await writer({ times: null });
      const [one, two] = [await node(), await node()];
      await until(() => isShared(one, two));
      await dataSource.transaction((em) => touch(em, 'a1', 7));
      expect(sending.fenced).toEqual([]);
      expect(await read(cache)).toBe(7);
      await until(async () => (await read(one)) === 7, BOUND_MS);
    });
  });

  describe('without fences', () => {
    /** A load that has read before COMMIT and ends after it. */
    async function loadAcrossCommit(sending: Sending, reader: TieredCache, dies: boolean): Promise<void> {
      let slow!: ReturnType<typeof slowRead>;
      await dataSource.transaction(async (em) => {
        await touch(em, 'a1', 7);
        slow = slowRead(reader);
        await slow.hasRead;
        sending.dead = dies;
      });
      slow.letGo();
      expect(await slow.value).toBe(0);
    }

    it('the lease alone keeps such a load out, once the writer has invalidated', async () => {
      const { sending } = await writer({ times: null });
      const [reader, strict] = [await node(), await node({ consistency: 'strict' })];
      await loadAcrossCommit(sending, reader, false);
      expect(sending.fenced).toEqual([]);
      expect(await read(strict)).toBe(7);
      expect(await read(reader)).toBe(7);
    });

    it('a writer that dies before that leaves the old value, up to its TTL', async () => {
      const { sending } = await writer({ times: null, maxDelayMs: 50 });
      const [reader, strict] = [await node(), await node({ consistency: 'strict' })];
      await loadAcrossCommit(sending, reader, true);
      expect(await read(strict)).toBe(0);
      expect(await balance('a1')).toBe(7);
    });
  });

  it('a Redis that hangs delays COMMIT by the limit and no more; afterwards nothing is left fenced', async () => {
    const redis = await startRedis();
    try {
      const withinMs = 150;
      const { fences, cache } = await writer({
        times: { forMs: 600_000, withinMs },
        maxDelayMs: 1,
        url: redis.url,
      });
      const two = await node({}, redis.url);
      redis.kill('SIGSTOP');
      const started = performance.now();
      await dataSource.transaction((em) => touch(em, 'a1', 7));
      const took = performance.now() - started;
      redis.kill('SIGCONT');
      expect(took).toBeGreaterThanOrEqual(withinMs - 5);
      expect(took).toBeLessThan(withinMs + 400);
      expect(fences!.counts).toMatchObject({ fencesRaised: 0, fencesNotStanding: 1 });
      expect(await balance('a1')).toBe(7);
      await until(() => cache.health().state === 'up' && cache.health().pendingInvalidations === 0);
      await until(() => isShared(two, cache), 5_000);
      expect(await read(cache)).toBe(7);
    } finally {
      redis.kill('SIGCONT');
      await Promise.all(open.splice(0).map((cache) => cache.close()));
      await redis.stop();
    }
  });
});
