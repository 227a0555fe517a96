import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { INestApplication, LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { type DaemonHandle, startRedis } from '../../apps/services/index.mjs';
import { CacheModule, CacheService, getCacheToken } from '../../src/index.js';
import type { TieredCache } from '#tiered-cache';
import { CachedEntity, CacheTypeOrmModule, CacheTypeOrmService } from '../../src/typeorm/index.js';
import { describeWithServices, freshDatabase, keyPrefix } from '../support/services.js';

/** The figures: STRATA_OUTAGE_SECONDS=60 STRATA_OUTAGE_WRITES=1000. */
const OUTAGE_MS = Number(process.env['STRATA_OUTAGE_SECONDS'] ?? 3) * 1_000;
const WRITES_PER_SECOND = Number(process.env['STRATA_OUTAGE_WRITES'] ?? 200);
/** Written by another program. */
const ROWS = 1_000;
/** Written by the nodes, through TypeORM, each its share. */
const OWN_ROWS = 30;
/** Written by nobody. */
const QUIET_ROWS = 50;
const NODES = 3;
const BOUND_MS = 500;

const silent: LoggerService = {
  log: () => {},
  debug: () => {},
  warn: () => {},
  error: () => {},
  fatal: () => {},
};

@Entity()
@CachedEntity<Price>({ keys: { prices: (row) => row.id } })
class Price {
  @PrimaryColumn({ type: 'int' }) id!: number;
  @Column({ type: 'int' }) version!: number;
}

interface Node {
  app: INestApplication;
  cache: CacheService;
  engine: TieredCache;
  writes: CacheTypeOrmService;
  dataSource: DataSource;
}

interface Read {
  node: number;
  id: number;
  version: number;
  startedAt: bigint;
}

describeWithServices('writes while Redis is away', () => {
  let server: DaemonHandle;
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  const nodes: Node[] = [];
  /** What runs until it is stopped. */
  const running: (() => unknown)[] = [];

  beforeEach(async () => {
    server = await startRedis();
    database = await freshDatabase();
    const prefix = keyPrefix();
    for (let i = 0; i < NODES; i++) nodes.push(await boot(prefix, i === 0));
  });
  afterEach(async () => {
    await Promise.allSettled(running.splice(0).map(async (stop) => stop()));
    for (const { app } of nodes.splice(0)) await app.close();
    await server?.stop();
    await database?.drop();
  });

  async function boot(prefix: string, first: boolean): Promise<Node> {
    const builder = Test.createTestingModule({
      imports: [
        CacheModule.forRoot({
          isGlobal: true,
          prefix,
          redis: { url: server.url },
          stalenessBound: BOUND_MS,
          namespaces: { prices: { ttl: '1h', onRemoteLoss: 'second-bus' } },
        }),
        TypeOrmModule.forRoot({
          type: 'postgres',
          url: database.url,
          entities: [Price],
          synchronize: first,
          retryAttempts: 1,
          extra: { max: 8 },
        }),
        CacheTypeOrmModule.forRoot({ outbox: { install: 'auto' } }),
      ],
    });
    const app = (await builder.setLogger(silent).compile()).createNestApplication();
    app.useLogger(silent);
    const dataSource = app.get(DataSource);
    if (first)
      await dataSource.query(
        `INSERT INTO price SELECT i, 1 FROM generate_series(0, ${ROWS + OWN_ROWS + QUIET_ROWS - 1}) AS i`,
      );
    await app.init();
    return {
      app,
      dataSource,
      cache: app.get(CacheService),
      engine: app.get<TieredCache>(getCacheToken()),
      writes: app.get(CacheTypeOrmService),
    };
  }

  async function within(ms: number, what: () => boolean, name: string): Promise<number> {
    const start = performance.now();
    while (!what()) {
      if (performance.now() - start > ms) throw new Error(`not within ${ms} ms: ${name}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return performance.now() - start;
  }

  /** Reads at random on every node until stopped. */
  function readers(): { reads: Read[]; quietLoads: () => number; stop: () => Promise<void> } {
    const reads: Read[] = [];
    let quietLoads = 0;
    let stopped = false;
    const loops = nodes.map(async ({ cache, dataSource }, node) => {
      const repository = dataSource.getRepository(Price);
      while (!stopped) {
        // Some are read much more often than others.
        const ids = Array.from({ length: 5 }, () => Math.floor(Math.random() ** 4 * (ROWS + OWN_ROWS)));
        ids.push(ROWS + OWN_ROWS + Math.floor(Math.random() * QUIET_ROWS));
        await Promise.all(
          ids.map(async (id) => {
            const startedAt = process.hrtime.bigint();
            const version = await cache.getOrSet('prices', String(id), async () => {
              if (id >= ROWS + OWN_ROWS) quietLoads++;
              return (await repository.findOneByOrFail({ id })).version;
            });
            reads.push({ node, id, version, startedAt });
          }),
        );
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    });
    const stop = async (): Promise<void> => {
      stopped = true;
      await Promise.all(loops);
    };
    running.push(stop);
    return {
      reads,
      quietLoads: () => quietLoads,
      stop,
    };
  }

  function writer() {
    const file = fileURLToPath(new URL('./second-bus.writer.mjs', import.meta.url));
    const child = fork(file, [database.url, String(WRITES_PER_SECOND), String(ROWS)], { execArgv: [] });
    running.push(() => child.kill('SIGKILL'));
    const commits = new Map<number, { version: number; at: bigint }[]>();
    let result: { failed: string[]; ms: number } | undefined;
    child.on('message', (message: { done: [number, number, string][]; failed?: string[]; ms?: number }) => {
      for (const [id, version, at] of message.done) {
        const list = commits.get(id) ?? [];
        list.push({ version, at: BigInt(at) });
        commits.set(id, list);
      }
      if (message.failed !== undefined) result = { failed: message.failed, ms: message.ms! };
    });
    return {
      commits,
      count: () => [...commits.values()].reduce((sum, list) => sum + list.length, 0),
      stop: async () => {
        child.send('stop');
        await within(10_000, () => result !== undefined, 'the writer ends');
        return result!;
      },
    };
  }

  /** Every node saves rows of its own. */
  function savers(commits: ReturnType<typeof writer>['commits']) {
    const failed: string[] = [];
    let stopped = false;
    let longestMs = 0;
    const loops = nodes.map(async ({ dataSource }, node) => {
      const repository = dataSource.getRepository(Price);
      for (let version = 2; !stopped; version++) {
        const id = ROWS + ((node + NODES * version) % OWN_ROWS);
        const start = performance.now();
        try {
          // Not `update()`, which does not say which row it changes, and so ends all entries.
          await repository.save({ id, version });
          const list = commits.get(id) ?? [];
          list.push({ version, at: process.hrtime.bigint() });
          commits.set(id, list);
        } catch (error) {
          failed.push(String(error));
        }
        longestMs = Math.max(longestMs, performance.now() - start);
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    });
    const stop = async () => {
      stopped = true;
      await Promise.all(loops);
      return { failed, longestMs };
    };
    running.push(stop);
    return { stop };
  }

  /** What share of the time, in percent, L1 of all nodes could serve. */
  function watchServing(): () => string {
    let all = 0;
    let good = 0;
    const timer = setInterval(() => {
      all++;
      if (nodes.every(({ engine }) => engine.health().l1.serving)) good++;
    }, 50);
    running.push(() => clearInterval(timer));
    return () => {
      clearInterval(timer);
      return ((100 * good) / all).toFixed(1);
    };
  }

  /** Reads that began more than the bound after a newer version was committed; by how many ms the oldest. */
  function stale(reads: readonly Read[], commits: ReturnType<typeof writer>['commits']) {
    const bound = BigInt(BOUND_MS) * 1_000_000n;
    let worstMs = 0;
    let beyond = 0;
    for (const { id, version, startedAt } of reads) {
      const newer = commits.get(id)?.find((commit) => commit.version > version);
      if (newer === undefined || newer.at >= startedAt) continue;
      worstMs = Math.max(worstMs, Number((startedAt - newer.at) / 1_000n) / 1_000);
      if (startedAt - newer.at > bound) beyond++;
    }
    return { beyond, worstMs };
  }

  it.each([
    ['hangs, and comes back with all that it had', 'SIGSTOP'],
    ['dies, and comes back empty', 'SIGKILL'],
  ] as const)(
    'when it %s: no write fails, no read is older than the bound, everything is replayed',
    async (_name, signal) => {
      const reading = readers();
      const writing = writer();
      const saving = savers(writing.commits);
      // Warm, and with a little traffic before.
      await within(20_000, () => writing.count() > 2 * WRITES_PER_SECOND, 'writes');
      await within(20_000, () => reading.quietLoads() >= QUIET_ROWS, 'reads');
      const before = { reads: reading.reads.length, loads: reading.quietLoads() };
      server.kill(signal);
      const away = performance.now();
      const serving = watchServing();
      await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
      const served = serving();
      const during = {
        reads: reading.reads.length - before.reads,
        loads: reading.quietLoads() - before.loads,
      };
      for (const { engine } of nodes)
        expect(engine.health()).toMatchObject({ state: 'degraded', secondBus: { problem: null } });
      await within(2_000, () => nodes.every(({ engine }) => engine.health().l1.serving), 'L1 serves');
      if (signal === 'SIGSTOP') server.kill('SIGCONT');
      else await server.restart();
      const outageMs = performance.now() - away;
      const trustedMs = await within(
        20_000,
        () => nodes.every(({ engine }) => engine.health().secondBus?.sharedTrusted === true),
        'the shared tier is believed again',
      );
      const result = await writing.stop();
      const saved = await saving.stop();
      const drainedMs = await within(
        20_000,
        () => nodes.every(({ writes }) => writes.outbox().backlog === 0),
        'the backlog is gone',
      );
      // What is read after that comes from every tier.
      const hits = nodes.map(({ engine }) => engine.stats().tiers.l2.hits);
      await within(
        5_000,
        () => nodes.some(({ engine }, i) => engine.stats().tiers.l2.hits > hits[i]!),
        'hits in Redis',
      );
      await reading.stop();
      const found = stale(reading.reads, writing.commits);
      process.stderr.write(
        `redis ${signal} for ${(outageMs / 1000).toFixed(1)} s: ${writing.count()} writes ` +
          `(${Math.round((writing.count() * 1000) / result.ms)}/s), ${result.failed.length + saved.failed.length} failed, the slowest save ${saved.longestMs.toFixed(0)} ms; ${reading.reads.length} reads, ` +
          `${during.reads} during the outage with ${during.loads} loads of rows that nobody wrote, L1 of all serving ${served} % of the time; stalest ${found.worstMs.toFixed(0)} ms, ` +
          `beyond the bound ${found.beyond}; believed again after ${trustedMs.toFixed(0)} ms, drained ${drainedMs.toFixed(0)} ms after the last write\n`,
      );
      expect([...result.failed, ...saved.failed]).toEqual([]);
      expect(found.beyond).toBe(0);
      // L1 went on: what nobody wrote was not loaded again (but for a node that had it from Redis, or not at all).
      expect(during.loads).toBeLessThan(0.1 * during.reads);
      expect(trustedMs).toBeLessThan(10_000);
      expect(drainedMs).toBeLessThan(10_000);
      for (const { engine } of nodes)
        expect(engine.health()).toMatchObject({ pendingInvalidations: 0, state: 'up' });
    },
    OUTAGE_MS + 90_000,
  );
});
