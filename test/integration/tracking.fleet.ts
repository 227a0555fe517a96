import type { ModuleRef } from '@nestjs/core';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { createRedisTier, type GetOrSetOptions, TieredCache } from '#tiered-cache';
import { getCacheToken } from '../../src/cache.tokens.js';
import { resolveTypeOrmOptions } from '../../src/typeorm/cache-typeorm.options.js';
import { CacheTypeOrmService } from '../../src/typeorm/cache-typeorm.service.js';
import { installOutbox } from '../../src/typeorm/outbox/install.js';
import { until } from '../conformance/until.js';
import { freshDatabase, keyPrefix, redisUrl } from '../support/services.js';
import { Trader, TRACKING_ENTITIES } from './tracking.entities.js';

/** Longer than a busy machine ever stops: what is asked of the shared tier by a node whose clock has run out is not stored. */
export const BOUND_MS = 1_000;

const SEED = `
  TRUNCATE sector, stock, topic, trader, holding, memo, stock_topics_topic RESTART IDENTITY CASCADE;
  INSERT INTO sector (code, title) VALUES ('tech', 'Technology'), ('cars', 'Cars');
  INSERT INTO stock (symbol, price, "sectorCode") VALUES ('AAPL', 10, 'tech'), ('TSLA', 20, 'cars'), ('MSFT', 30, 'tech'), ('NONE', 40, NULL);
  INSERT INTO topic (name) VALUES ('ai'), ('energy');
  INSERT INTO stock_topics_topic VALUES (1, 1), (2, 2);
  INSERT INTO trader (id, name) VALUES (1, 'ann'), (2, 'bob'), (3, 'cyd');
  INSERT INTO holding ("traderId", "stockId", quantity, note) VALUES (1, 1, 5, 'x'), (1, 2, 6, 'y'), (2, 1, 7, 'x');
  INSERT INTO memo (text) VALUES ('memo');`;

export interface TrackingNode {
  cache: TieredCache;
  strict: TieredCache;
  db: DataSource;
}

/** Two nodes over one Redis and one database, each with data source and module of its own. */
export class TrackingFleet {
  readonly nodes: TrackingNode[] = [];
  loads = 0;
  readonly refused: string[] = [];
  stranger!: Client;
  private readonly closing: (() => Promise<unknown>)[] = [];

  static async open(outbox = false): Promise<TrackingFleet> {
    const fleet = new TrackingFleet();
    const database = await freshDatabase();
    fleet.closing.push(() => database.drop());
    const prefix = keyPrefix();
    try {
      for (const name of ['one', 'two']) {
        const db = new DataSource({
          type: 'postgres',
          url: database.url,
          entities: TRACKING_ENTITIES,
          synchronize: name === 'one',
          poolErrorHandler: () => {},
        });
        await db.initialize();
        fleet.closing.push(() => db.destroy());
        if (outbox && name === 'one') await installOutbox(db);
        const cache = await fleet.cache(prefix, 'bounded');
        const strict = await fleet.cache(prefix, 'strict');
        await fleet.serve(cache, db, outbox);
        await fleet.serve(strict, db, false);
        fleet.nodes.push({ cache, strict, db });
      }
      fleet.stranger = new Client({ connectionString: database.url });
      await fleet.stranger.connect();
      fleet.closing.push(() => fleet.stranger.end());
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  async close(): Promise<void> {
    for (const close of this.closing.splice(0).reverse()) await close();
  }

  async reset(): Promise<void> {
    await this.stranger.query(SEED);
    for (const { cache, strict } of this.nodes) {
      await cache.clear();
      await strict.clear();
    }
    // Until every node has heard of it: a load that it overtakes is not stored.
    await until(async () => {
      for (const strict of [false, true])
        for (const node of [0, 1]) {
          const id = `ready ${this.loads}`;
          await this.read(id, (db) => db.manager.countBy(Trader, { id: 1 }), { node, strict });
          if (!(await this.has(id, strict))) return false;
        }
      return true;
    });
    this.loads = 0;
    this.refused.length = 0;
  }

  /** Reads through the cache of a node, tracked. */
  read<T>(
    id: string,
    load: (db: DataSource) => Promise<T> | T,
    {
      node = 0,
      strict = false,
      options = {},
    }: { node?: number; strict?: boolean; options?: GetOrSetOptions<T> } = {},
  ): Promise<T> {
    const { cache, strict: strictly, db } = this.nodes[node]!;
    const loader = (): Promise<T> | T => {
      this.loads++;
      return load(db);
    };
    return (strict ? strictly : cache).getOrSet('tracked', id, loader, { track: true, ...options });
  }

  /** Is the entry in the shared tier, and may it be served? */
  has(id: string, strict = false): Promise<boolean> {
    const { cache, strict: strictly } = this.nodes[1]!;
    return (strict ? strictly : cache).namespace('tracked').has(id);
  }

  private async cache(prefix: string, consistency: 'bounded' | 'strict'): Promise<TieredCache> {
    const own = `${prefix}${consistency}`;
    const cache = new TieredCache({
      prefix: own,
      stalenessBound: BOUND_MS,
      remote: createRedisTier({ url: redisUrl(), prefix: own, commandTimeout: 2_000 }),
      namespaces: { tracked: { ttl: '10m', consistency }, parts: { ttl: '10m', consistency } },
    }).start();
    cache.on('not-stored', ({ error }) => this.refused.push(String(error)));
    this.closing.push(() => cache.close());
    await until(() => cache.health().l1.serving);
    return cache;
  }

  private async serve(cache: TieredCache, db: DataSource, outbox: boolean): Promise<void> {
    const provided = new Map<unknown, unknown>([
      [getCacheToken('default'), cache],
      [DataSource, db],
    ]);
    const service = new CacheTypeOrmService(
      { get: (token: unknown) => provided.get(token) } as unknown as ModuleRef,
      resolveTypeOrmOptions({ maxDelayMs: 5_000, fence: { within: '5s' }, outbox: outbox ? {} : false }),
    );
    service.onModuleInit();
    await service.onApplicationBootstrap();
    this.closing.push(() => service.onApplicationShutdown());
  }
}
