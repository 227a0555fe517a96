import {
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { DataSource, EntityManager, type QueryRunner } from 'typeorm';
import { InvalidOptionsError, systemClock, type TieredCache } from '#tiered-cache';
import { getCacheToken } from '../cache.tokens.js';
import { CacheSubscriber } from './cache-subscriber.js';
import type { OutboxReport, WriteCounts, WritesPort } from '../features.js';
import { CommitFences } from './commit-fences.js';
import type { ResolvedTypeOrmOptions } from './cache-typeorm.options.js';
import { InvalidationGate } from './invalidation-gate.js';
import { MarkRegistry } from './mark-registry.js';
import { Outboxes, WITHOUT_OUTBOX } from './outbox/outboxes.js';
import { bindQueryCache } from './query-result-cache/strata-query-result-cache.js';
import { registerEntities } from './register-entities.js';
import { Tracking } from './tracking/tracking.js';
import { followTransactions, setMaxDelay } from './transactions/run-in-transaction.js';

/** Counted since the application's start. */
export type CacheTypeOrmStats = WriteCounts;

/** What a cache's subscribers have in common; a data source gets one subscriber per cache. */
interface Attached {
  readonly cache: TieredCache;
  readonly dataSource: DataSource;
  readonly subscriber: CacheSubscriber;
  /** Takes back what `wrapTransactions` did. */
  readonly unwrap: (() => void) | undefined;
}

// Which caches a data source already has a subscriber for, whichever module asked.
const attachedTo = new WeakMap<DataSource, Attached[]>();

/** Ties the cache to the data sources for the life of the application. */
export class CacheTypeOrmService
  implements WritesPort, OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown
{
  private readonly logger = new Logger('Strata');
  private readonly attached: Attached[] = [];
  private readonly marks: MarkRegistry;
  private cache: TieredCache | undefined;
  /** Data sources whose outbox is this module's. */
  private readonly relayed = new Set<DataSource>();
  private started = false;
  private gate: InvalidationGate | undefined;
  private tracking: Tracking | undefined;
  private fences: CommitFences | null = null;
  private outboxes: Outboxes | null = null;

  constructor(
    private readonly moduleRef: ModuleRef,
    private readonly options: ResolvedTypeOrmOptions,
  ) {
    const faults = new Set<string>();
    this.marks = new MarkRegistry(options.cache, (entity, problem, error) => {
      const line = `@CachedEntity on ${entity.target.name}: ${problem}${error === undefined ? '' : ` (${reason(error)})`}`;
      // Every write would say it again.
      if (faults.has(line) || faults.size >= 100) return;
      faults.add(line);
      this.logger.error(`${line}; such rows count as unknown`);
    });
  }

  onModuleInit(): void {
    this.cache = this.resolve<TieredCache>(getCacheToken(this.options.cache), () =>
      wrong(
        'cache',
        this.options.cache,
        'a cache of this application: import CacheModule.forRoot with that name',
      ),
    );
    this.gate = new InvalidationGate(this.cache, this.options.maxDelayMs, systemClock, this.logger);
    this.tracking = new Tracking(this.cache, this.marks);
    if (this.options.fence) this.fences = new CommitFences(this.cache, this.options.fence);
    if (this.options.outbox)
      this.outboxes = new Outboxes(this.cache, this.marks, this.options.outbox, systemClock, this.logger);
    for (const name of this.options.dataSources) this.attach(this.dataSource(name));
  }

  /** Now all namespaces are declared, and data sources that were initialised late have their metadata. */
  async onApplicationBootstrap(): Promise<void> {
    for (const name of this.options.dataSources) {
      const dataSource = this.dataSource(name);
      this.attach(dataSource);
      if (!dataSource.isInitialized)
        this.logger.warn(
          `data source "${name}" is not initialised: call CacheTypeOrmService.attach(dataSource) after initialize(), ` +
            'which drops subscribers that were registered before',
        );
    }
    for (const entity of this.marks.all) {
      entity.validateNamespaces(this.cache?.namespaces ?? []);
      if (entity.namespaces === null)
        this.logger.warn(
          `@CachedEntity on ${entity.target.name}: a write that does not say which row it touched clears every ` +
            'namespace of the cache; name the namespaces that hold its entries (option "namespaces")',
        );
    }
    if (this.marks.all.length === 0)
      this.logger.warn(
        `no entity of ${this.options.dataSources.join(', ')} is marked with @CachedEntity for the cache "${this.options.cache}"`,
      );
    this.started = true;
    await Promise.all([...this.relayed].map((dataSource) => this.openOutbox(dataSource)));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.outboxes?.stop();
    this.tracking?.stop();
    for (const { dataSource, subscriber, unwrap } of this.attached.splice(0)) {
      unwrap?.();
      remove(dataSource.subscribers, subscriber);
      const all = attachedTo.get(dataSource) ?? [];
      attachedTo.set(
        dataSource,
        all.filter((one) => one.subscriber !== subscriber),
      );
      await subscriber.close();
    }
  }

  /**
   * Listens to the writes of a data source; done by itself for those named in the options. Once per data source
   * and cache, however often it is called. The host's own `subscribers` option is not touched.
   * @throws InvalidOptionsError when an entity is marked with wrong options.
   */
  attach(dataSource: DataSource): void {
    const { cache, gate } = this;
    if (!cache || !gate) throw wrong('attach', dataSource, 'a call after the module is initialised');
    this.marks.add(dataSource);
    registerEntities(cache, dataSource);
    bindQueryCache(dataSource, cache, this.marks);
    const all = attachedTo.get(dataSource) ?? [];
    let one = all.find((other) => other.cache === cache);
    if (!one) {
      setMaxDelay(dataSource, this.options.maxDelayMs);
      one = {
        cache,
        dataSource,
        unwrap: this.options.wrapTransactions ? followTransactions(dataSource) : undefined,
        subscriber: new CacheSubscriber(
          this.marks,
          gate,
          systemClock,
          this.logger,
          this.fences,
          this.outboxes,
        ),
      };
      attachedTo.set(dataSource, [...all, one]);
      this.attached.push(one);
    } else if (!this.started && !this.attached.includes(one))
      this.logger.warn(
        `a second CacheTypeOrmModule for the cache "${this.options.cache}" and the same data source: ` +
          'the limits of the first count, and its outbox if it has one',
      );
    if (this.attached.includes(one)) this.tracking?.watch(dataSource);
    if (this.outboxes && one.subscriber.relayedBy(this.outboxes)) this.relayed.add(dataSource);
    // First in the list: a host's subscriber that throws ends the round, and the write is committed all the same.
    // initialize() makes a new list, so that the subscriber may be missing from it.
    if (!dataSource.subscribers.includes(one.subscriber)) dataSource.subscribers.unshift(one.subscriber);
    if (this.started && this.relayed.has(dataSource))
      this.openOutbox(dataSource).catch((error: unknown) => this.logger.error(`outbox: ${reason(error)}`));
  }

  /**
   * Where the invalidation log stands after the last committed write of this entity manager or query runner, for
   * `minPosition` of a read elsewhere; null if the shared tier has not answered it (yet), or there is none.
   *
   * ```ts
   * await dataSource.transaction(async (em) => { manager = em; ... });
   * reply.header('x-position', cacheTypeOrm.positionOf(manager));
   * ```
   */
  positionOf(of: EntityManager | QueryRunner): string | null {
    const queryRunner = of instanceof EntityManager ? of.queryRunner : of;
    if (!queryRunner) return null;
    const all = attachedTo.get(queryRunner.dataSource) ?? [];
    const one = all.find((other) => other.cache === this.cache);
    return one?.subscriber.positionOf(queryRunner) ?? null;
  }

  /** Counted since the application's start. */
  stats(): CacheTypeOrmStats {
    const stats = {
      sent: 0,
      late: 0,
      unacknowledged: 0,
      failed: 0,
      ...this.gate?.counts,
      rolledBack: 0,
      swept: 0,
      fencesRaised: 0,
      fencesNotStanding: 0,
      keysNotFenced: 0,
      ...this.fences?.counts,
    };
    for (const { subscriber } of this.attached) {
      stats.rolledBack += subscriber.counts.rolledBack;
      stats.swept += subscriber.counts.swept;
    }
    return stats;
  }

  /** How the outbox is doing, and which writes cannot be seen. */
  outbox(): OutboxReport {
    return (
      this.outboxes?.report() ?? {
        enabled: false,
        relayed: 0,
        own: 0,
        failed: 0,
        backlog: null,
        lagMs: null,
        problem: null,
        unseen: [WITHOUT_OUTBOX],
      }
    );
  }

  /** Before initialize() there is no connection: attach() comes again. */
  private async openOutbox(dataSource: DataSource): Promise<void> {
    if (dataSource.isInitialized) await this.outboxes?.add(dataSource);
  }

  private dataSource(name: string): DataSource {
    // The tokens of @nestjs/typeorm's getDataSourceToken(name), without needing that package.
    const token = name === 'default' ? DataSource : `${name}DataSource`;
    const found = this.resolve<DataSource>(token, () =>
      wrong(
        'dataSources',
        name,
        `a data source of this application: TypeOrmModule.forRoot({ name: '${name}', ... }), or a provider under ` +
          (typeof token === 'string' ? `'${token}'` : 'the class DataSource of typeorm'),
      ),
    );
    if (!Array.isArray(found.subscribers)) throw wrong('dataSources', name, 'a TypeORM DataSource');
    return found;
  }

  private resolve<T>(token: string | symbol | Function | object, missing: () => Error): T {
    try {
      // Not strict: neither the cache nor the data source need be global.
      return this.moduleRef.get<T, T>(token as string, { strict: false });
    } catch {
      // Nest's only error here is that the token is unknown; ours says what to do.
      throw missing();
    }
  }
}

function wrong(option: string, value: unknown, allowed: string): InvalidOptionsError {
  return new InvalidOptionsError(`CacheTypeOrmModule.forRoot ${option}`, value, allowed);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : JSON.stringify(error);
}

function remove<T>(list: readonly T[], item: T): void {
  const index = list.indexOf(item);
  // TypeORM types the list as read-only; it is the array it walks at every event.
  if (index >= 0) (list as T[]).splice(index, 1);
}
