import type { ModuleRef } from '@nestjs/core';
import { Pool } from 'pg';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { createRedisTier, TieredCache } from '#tiered-cache';
import { CachedEntity } from '../../src/typeorm/cached-entity.decorator.js';
import { resolveTypeOrmOptions } from '../../src/typeorm/cache-typeorm.options.js';
import { CacheTypeOrmService } from '../../src/typeorm/cache-typeorm.service.js';
import { rowTags } from '../../src/typeorm/entity-tag.js';
import { installOutbox } from '../../src/typeorm/outbox/install.js';
import { until } from '../conformance/until.js';
import { Writers } from '../kill/writers.js';
import { describeWithServices, freshDatabase, keyPrefix, redisUrl } from '../support/services.js';

/** `STRATA_KILLS=100 npm test -- typeorm-kill` for the long version. */
const KILLS = Number(process.env['STRATA_KILLS'] ?? 10);
/** Writers that start, wait or die at the same time. */
const AT_ONCE = 4;
const BOUND_MS = 500;
/** The default of `relayInterval`, and of `writerLead`: for so long rows are left to the node that wrote them. */
const RELAY_MS = 1_000;
/** What a busy machine may add; nothing in the long version, which is run on a quiet one. */
const SLACK_MS = process.env['STRATA_KILLS'] ? 0 : 2_000;

@Entity()
@CachedEntity<Item>({ keys: { items: (row) => row.id } })
class Item {
  @PrimaryColumn() id!: number;
  @Column() v!: number;
}

describeWithServices('a process killed between COMMIT and its invalidation', () => {
  const closing: (() => Promise<unknown>)[] = [];
  const nodes: TieredCache[] = [];
  const prefix = keyPrefix();
  let url: string;
  let pool: Pool;
  let writers: Writers;

  beforeAll(async () => {
    const database = await freshDatabase();
    url = database.url;
    pool = new Pool({ connectionString: url, max: 8 });
    closing.push(
      () => database.drop(),
      () => pool.end(),
    );
    writers = await Writers.build();
    closing.push(() => writers.close());
    for (let n = 0; n < 2; n += 1) {
      const dataSource = await new DataSource({
        type: 'postgres',
        url,
        entities: [Item],
        synchronize: n === 0,
      }).initialize();
      closing.push(() => dataSource.destroy());
      if (n === 0) await installOutbox(dataSource);
      nodes.push(await node(dataSource));
    }
    await pool.query('INSERT INTO item (id, v) SELECT i, 0 FROM generate_series(1, $1) i', [2 * KILLS]);
    await until(
      async () =>
        Number(
          (
            await pool.query(
              'SELECT count(*) FROM strata_outbox o WHERE NOT EXISTS (SELECT FROM strata_outbox_applied a WHERE a.xid = o.xid AND a.id = o.id)',
            )
          ).rows[0].count,
        ) === 0,
    );
  }, 60_000);
  afterAll(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  /** As an application has it: its cache, its relay. */
  async function node(dataSource: DataSource): Promise<TieredCache> {
    const cache = new TieredCache({
      prefix,
      stalenessBound: BOUND_MS,
      remote: createRedisTier({ url: redisUrl(), prefix, commandTimeout: 1_000 }),
      namespaces: { items: { ttl: '10m' }, views: { ttl: '10m' } },
    }).start();
    closing.push(() => cache.close());
    await until(() => cache.health().l1.serving);
    const service = new CacheTypeOrmService(
      { get: (token: unknown) => (token === DataSource ? dataSource : cache) } as unknown as ModuleRef,
      resolveTypeOrmOptions({ outbox: {} }),
    );
    service.onModuleInit();
    await service.onApplicationBootstrap();
    closing.push(() => service.onApplicationShutdown());
    return cache;
  }

  const entries = (id: number) =>
    nodes.flatMap((cache) => [
      { cache, namespace: 'items', id },
      { cache, namespace: 'views', id },
    ]);

  function read({ cache, namespace, id }: ReturnType<typeof entries>[number]): Promise<number> {
    const load = async (): Promise<number> =>
      (await pool.query<{ v: number }>('SELECT v FROM item WHERE id = $1', [id])).rows[0]!.v;
    return cache.getOrSet(namespace, String(id), load, {
      tags: namespace === 'views' ? rowTags('Item', id) : [],
    });
  }

  /** How long after `since` a read was new, ms. A read begun at the end of the time or later must be. */
  async function newWithin(
    entry: ReturnType<typeof entries>[number],
    since: number,
    withinMs: number,
  ): Promise<number> {
    for (;;) {
      const began = performance.now();
      if ((await read(entry)) === 1) return performance.now() - since;
      if (began - since >= withinMs)
        throw new Error(
          `${entry.namespace}:${entry.id} still old ${Math.round(began - since)} ms after the kill`,
        );
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  it.each([
    { how: 'with fences', fence: true, first: 1 },
    { how: 'without fences', fence: false, first: KILLS + 1 },
  ])(
    `$how, ${KILLS} times: every entry is right on the other nodes within bound and relay`,
    async ({ fence, first }) => {
      const took: number[] = [];
      let next = first;
      const worker = async (): Promise<void> => {
        while (next < first + KILLS) {
          const id = next;
          next += 1;
          const writer = await writers.start({ databaseUrl: url, redisUrl: redisUrl(), prefix, fence });
          const all = entries(id);
          await until(async () => {
            for (const entry of all) expect(await read(entry)).toBe(0);
            return all.every(({ cache, namespace }) => cache.namespace(namespace).peek(String(id)) === 0);
          });
          const dead = await writer.write(id);
          took.push(
            ...(await Promise.all(
              all.map((entry) => newWithin(entry, dead, RELAY_MS + BOUND_MS + SLACK_MS)),
            )),
          );
        }
      };
      const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
      expect(ends.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []))).toEqual([]);
      expect(took).toHaveLength(KILLS * 4);
      const { rows } = await pool.query(
        'SELECT count(*)::int AS n FROM item WHERE v = 1 AND id BETWEEN $1 AND $2',
        [first, first + KILLS - 1],
      );
      expect(rows[0].n).toBe(KILLS);
      took.sort((a, b) => a - b);
      if (process.env['STRATA_KILLS'])
        console.log(
          `${fence ? 'with' : 'without'} fences: ${KILLS} kills, right after ms: median ${Math.round(took[took.length >> 1]!)}, most ${Math.round(took.at(-1)!)}`,
        );
    },
    60_000 + KILLS * 6_000,
  );
});
