import { DataSource } from 'typeorm';
import { startRedis } from '../../apps/services/index.mjs';
import { createRedisTier, systemClock, TieredCache } from '#tiered-cache';
import { CacheSubscriber } from '../../src/typeorm/cache-subscriber.js';
import { resolveTypeOrmOptions } from '../../src/typeorm/cache-typeorm.options.js';
import { CommitFences } from '../../src/typeorm/commit-fences.js';
import { InvalidationGate } from '../../src/typeorm/invalidation-gate.js';
import { MarkRegistry } from '../../src/typeorm/mark-registry.js';
import { until } from '../conformance/until.js';
import { describeWithServices, freshDatabase, keyPrefix } from '../support/services.js';
import { Account, ENTITIES, NAMESPACES, seed } from './typeorm.fixture.js';

const SAVES = 100;
/** What timers of a busy machine are late, milliseconds. */
const SLACK_MS = 50;

/** Adds up how long TypeORM waits for the subscriber. */
class Timed extends CacheSubscriber {
  waited = 0;
  override beforeQuery(event: Parameters<CacheSubscriber['beforeQuery']>[0]): Promise<void> | void {
    return this.time(super.beforeQuery(event));
  }
  override afterQuery(event: Parameters<CacheSubscriber['afterQuery']>[0]): Promise<void> | void {
    return this.time(super.afterQuery(event));
  }
  override afterUpdate(event: Parameters<CacheSubscriber['afterUpdate']>[0]): Promise<void> | void {
    return this.time(super.afterUpdate(event));
  }
  private time(work: Promise<void> | void): Promise<void> | void {
    if (!work) return;
    const began = performance.now();
    return work.then(() => void (this.waited += performance.now() - began));
  }
}

describeWithServices('what a write waits for the cache, at most', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let redis: Awaited<ReturnType<typeof startRedis>>;
  let dataSource: DataSource;
  let cache: TieredCache;
  let subscriber: Timed;
  let limit: number;

  beforeEach(async () => {
    database = await freshDatabase();
    redis = await startRedis();
    dataSource = await new DataSource({
      type: 'postgres',
      url: database.url,
      entities: ENTITIES,
      synchronize: true,
    }).initialize();
    await seed(dataSource);
    const prefix = keyPrefix();
    cache = new TieredCache({
      prefix,
      remote: createRedisTier({ url: redis.url, prefix }),
      namespaces: Object.fromEntries(NAMESPACES.map((name) => [name, { ttl: '1m' }])),
    }).start();
    await until(() => cache.health().l1.serving);
    const options = resolveTypeOrmOptions({});
    limit = options.maxDelayMs;
    const log = { warn: () => {}, error: () => {} };
    const marks = new MarkRegistry('default', () => {});
    marks.add(dataSource);
    subscriber = new Timed(
      marks,
      new InvalidationGate(cache, options.maxDelayMs, systemClock, log),
      systemClock,
      log,
      new CommitFences(cache, options.fence!),
    );
    dataSource.subscribers.unshift(subscriber);
  });
  afterEach(async () => {
    redis.kill('SIGCONT');
    await subscriber.close();
    await cache.close();
    await dataSource.destroy();
    await redis.stop();
    await database.drop();
  });

  /** What each write has waited, ms, sorted. */
  async function measure(write: (n: number) => Promise<unknown>): Promise<number[]> {
    const waited: number[] = [];
    for (let n = 1; n <= SAVES; n += 1) {
      subscriber.waited = 0;
      await write(n);
      waited.push(subscriber.waited);
    }
    return waited.sort((a, b) => a - b);
  }

  const faults: [string, () => void][] = [
    ['hangs', () => redis.kill('SIGSTOP')],
    ['is killed', () => redis.kill('SIGKILL')],
  ];
  const writes: [string, (n: number) => Promise<unknown>][] = [
    ['save', (n) => dataSource.manager.save(Account, { id: 'a1', balance: n })],
    ['update', (n) => dataSource.manager.update(Account, 'a1', { balance: n })],
  ];
  const cases = faults.flatMap(([how, fault]) =>
    writes.map(([name, write]) => ({ how, name, fault, write })),
  );

  it.each(cases)(
    'Redis $how during many times $name: none fails, p99 is the limit',
    async ({ how, name, fault, write }) => {
      fault();
      const waited = await measure(write);
      const [p50, p99, most] = [0.5, 0.99, 1].map((share) => waited[Math.ceil(share * SAVES) - 1]!);
      if (process.env['STRATA_FIGURES'])
        console.log(
          `Redis ${how}, ${name}: waited ms p50 ${p50!.toFixed(1)}, p99 ${p99!.toFixed(1)}, most ${most!.toFixed(1)}`,
        );
      expect(p99).toBeLessThanOrEqual(limit + SLACK_MS);
      // The fence and the invalidation together, and not each.
      expect(most).toBeLessThanOrEqual(limit + 2 * SLACK_MS);
      expect(await dataSource.manager.findOneBy(Account, { id: 'a1' })).toMatchObject({ balance: SAVES });
    },
  );
});
