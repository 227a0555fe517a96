import type { ModuleRef } from '@nestjs/core';
import { Client, Pool } from 'pg';
import { DataSource } from 'typeorm';
import { createRedisTier, TieredCache } from '#tiered-cache';
import { getCacheToken } from '../../src/cache.tokens.js';
import { resolveTypeOrmOptions } from '../../src/typeorm/cache-typeorm.options.js';
import { CacheTypeOrmService } from '../../src/typeorm/cache-typeorm.service.js';
import { installOutbox } from '../../src/typeorm/outbox/install.js';
import { until } from '../conformance/until.js';
import { freshDatabase, keyPrefix, redisUrl } from '../support/services.js';
import { ENTRIES, SEED, TABLE_ENTITIES, TABLE_NAMESPACES, WATCHED } from './typeorm-write-table.entities.js';
import type { Writer } from './typeorm-write-table.paths.js';

/** The staleness bound of the nodes, milliseconds. */
export const BOUND_MS = 500;
/** The longest that a relay may take, milliseconds: what is not announced is found by the next look. */
export const RELAY_MS = 1_000;
/** How long rows are left to the node that wrote them, milliseconds. */
export const LEAD_MS = 1_000;

const DDL = `
  CREATE FUNCTION touch_instrument(which int) RETURNS void LANGUAGE sql AS
    'UPDATE instrument SET volume = volume + 1 WHERE id = which';
  CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.text = 'tech!' THEN UPDATE label SET name = 'technology' WHERE id = 1; END IF; RETURN NULL; END $$;
  CREATE TRIGGER noted AFTER INSERT ON note FOR EACH ROW EXECUTE FUNCTION noted();
  CREATE FUNCTION noted_later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.text = 'deferred' THEN INSERT INTO label (name) VALUES ('new'); END IF; RETURN NULL; END $$;
  CREATE CONSTRAINT TRIGGER noted_later AFTER INSERT ON note DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION noted_later();
  CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.name = 'refused' THEN RAISE EXCEPTION 'refused'; END IF; RETURN NULL; END $$;
  CREATE CONSTRAINT TRIGGER refused AFTER UPDATE ON trader DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refused();
`;

/** A node's cache as its readers see it; `strict` shares the entries and keeps none of its own. */
export interface TableNode {
  readonly name: string;
  readonly bounded: TieredCache;
  readonly strict: TieredCache;
}

/**
 * Three nodes over one Redis and one database. The first one writes, by two data sources; with an outbox all of them
 * relay it. The readers load over a connection that no subscriber listens to.
 */
export class TableFleet {
  readonly nodes: TableNode[] = [];
  readonly log: string[] = [];
  /** How often each entry was loaded since it was last emptied. */
  readonly loads = new Map<string, number>();
  private readonly closing: (() => Promise<unknown>)[] = [];
  private constructor(
    readonly url: string,
    private readonly pool: Pool,
    readonly outbox: boolean,
  ) {}
  writer!: Writer;
  service!: CacheTypeOrmService;

  static async open(outbox: boolean): Promise<TableFleet> {
    const database = await freshDatabase();
    const fleet = new TableFleet(database.url, new Pool({ connectionString: database.url, max: 6 }), outbox);
    fleet.closing.push(
      () => database.drop(),
      () => fleet.pool.end(),
    );
    try {
      await fleet.start();
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  private async start(): Promise<void> {
    const db = await this.dataSource(true);
    await this.pool.query(DDL);
    if (this.outbox) await installOutbox(db);
    const second = await this.dataSource();
    const prefix = keyPrefix();
    for (const name of ['writer', 'second', 'third']) {
      const bounded = await this.cache(prefix, 'bounded');
      this.nodes.push({ name, bounded, strict: await this.cache(prefix, 'strict') });
      if (name === 'writer') this.service = await this.serve(bounded, db, second);
      else if (this.outbox) await this.serve(bounded, await this.dataSource());
    }
    const stranger = new Client({ connectionString: this.url });
    await stranger.connect();
    this.closing.push(() => stranger.end());
    this.writer = { em: db.manager, db, second, stranger, url: this.url };
  }

  async close(): Promise<void> {
    for (const close of this.closing.splice(0).reverse()) await close();
  }

  /** The tables as they were, every entry loaded on every node, nothing left to be relayed. */
  async reset(before = 'SELECT 1'): Promise<void> {
    const outbox = this.outbox ? 'DELETE FROM strata_outbox_applied; DELETE FROM strata_outbox;' : '';
    // Its own rows never become visible; those of the path before are waited for, if a relay has them.
    await this.pool.query(`BEGIN; ${SEED} ${before}; ${outbox} COMMIT`);
    await this.nodes[0]!.bounded.clear();
    await this.warm();
    this.loads.clear();
    this.log.length = 0;
  }

  /** Until L1 of every node answers every entry. */
  async warm(): Promise<void> {
    await until(async () => {
      for (const { bounded } of this.nodes)
        await Promise.all(
          ENTRIES.filter((entry) => this.peek(bounded, entry) === undefined).map((entry) =>
            this.read(bounded, entry),
          ),
        );
      return this.kept();
    });
  }

  /** Reads what the shared tier has, which loads what is gone from there. */
  async reread(): Promise<void> {
    const { strict } = this.nodes[1]!;
    await Promise.all(ENTRIES.map((entry) => this.read(strict, entry)));
  }

  /** Every entry is still in L1 of every node, and may be served. */
  kept(): boolean {
    return this.nodes.every(({ bounded }) =>
      ENTRIES.every((entry) => this.peek(bounded, entry) !== undefined),
    );
  }

  peek(cache: TieredCache, entry: string): string | undefined {
    const [namespace, id] = split(entry);
    return cache.namespace<string>(namespace).peek(id);
  }

  read(cache: TieredCache, entry: string): Promise<string> {
    const [namespace, id] = split(entry);
    const load = async (): Promise<string> => {
      this.loads.set(entry, (this.loads.get(entry) ?? 0) + 1);
      return (await this.truths([entry]))[entry]!;
    };
    return cache.getOrSet(namespace, id, load, { tags: WATCHED[entry]?.tags ?? [] });
  }

  /** What the database says. */
  async truths(entries: readonly string[] = ENTRIES): Promise<Record<string, string>> {
    const columns = entries.map(
      (entry, i) => `coalesce((SELECT json_agg(t) FROM (${WATCHED[entry]!.sql}) t)::text, 'none') AS c${i}`,
    );
    const { rows } = await this.pool.query<Record<string, string>>(`SELECT ${columns.join(', ')}`);
    return Object.fromEntries(entries.map((entry, i) => [entry, rows[0]![`c${i}`]!]));
  }

  /** Nothing is left to be relayed. */
  async relayed(): Promise<void> {
    if (!this.outbox) return;
    await until(async () => {
      const { rows } = await this.pool.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM strata_outbox o
         WHERE NOT EXISTS (SELECT FROM strata_outbox_applied a WHERE a.xid = o.xid AND a.id = o.id)`,
      );
      return rows[0]!.n === 0;
    });
  }

  private async dataSource(synchronize = false): Promise<DataSource> {
    const dataSource = new DataSource({
      type: 'postgres',
      url: this.url,
      entities: TABLE_ENTITIES,
      synchronize,
      poolErrorHandler: () => {},
    });
    await dataSource.initialize();
    this.closing.push(() => dataSource.destroy());
    return dataSource;
  }

  private async cache(prefix: string, consistency: 'bounded' | 'strict'): Promise<TieredCache> {
    const cache = new TieredCache({
      prefix,
      stalenessBound: BOUND_MS,
      remote: createRedisTier({ url: redisUrl(), prefix, commandTimeout: 1_000 }),
      namespaces: Object.fromEntries(
        TABLE_NAMESPACES.map((name) => [name, { ttl: '10m', hardTimeout: '10s', consistency }]),
      ),
    }).start();
    this.closing.push(() => cache.close());
    await until(() => cache.health().l1.serving);
    return cache;
  }

  private async serve(cache: TieredCache, db: DataSource, second?: DataSource): Promise<CacheTypeOrmService> {
    const provided = new Map<unknown, unknown>([
      [getCacheToken('default'), cache],
      [DataSource, db],
      ['secondDataSource', second],
    ]);
    const service = new CacheTypeOrmService(
      { get: (token: unknown) => provided.get(token) } as unknown as ModuleRef,
      resolveTypeOrmOptions({
        dataSources: second ? ['default', 'second'] : ['default'],
        // A busy machine is no reason to go on without the answer; the limit has tests of its own.
        maxDelayMs: 5_000,
        fence: { within: '5s' },
        outbox: this.outbox ? {} : false,
      }),
    );
    service.onModuleInit();
    await service.onApplicationBootstrap();
    this.closing.push(() => service.onApplicationShutdown());
    return service;
  }
}

function split(entry: string): [string, string] {
  const at = entry.indexOf(':');
  return [entry.slice(0, at), entry.slice(at + 1)];
}
