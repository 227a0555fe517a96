import { randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { type Clock, InvalidOptionsError, type InvalidationSelector, type TieredCache } from '#tiered-cache';
import type { GateLog } from '../invalidation-gate.js';
import type { MarkRegistry } from '../mark-registry.js';
import { BusStore } from './bus-store.js';
import { checkOutbox, type OutboxFinding } from './check.js';
import { installOutbox } from './install.js';
import type { ColumnType } from './installed.js';
import { NodeConnections } from './node-connections.js';
import { OutboxConnection, poolOf, typeParsersOf } from './outbox-connection.js';
import { OutboxBus } from './outbox-bus.js';
import type { OutboxTriggerOptions, ResolvedOutboxOptions } from './outbox.options.js';
import { type OutboxNames } from './outbox-names.js';
import { planTables, resolveNames } from './plans.js';
import { OutboxRelay, type RelayCache, type RelayStats } from './relay.js';
import { RelayStore } from './relay-store.js';
import { RowDecoder } from './row-decoder.js';
import { RowsSelector } from './rows-selector.js';
import { RowInvalidations } from './row-invalidations.js';
import { assertPostgres, reading } from './sql-runner.js';
import { trackedTables } from './tracked-tables.js';

/** Between two comparisons of triggers and entities. */
const CHECK_MS = 300_000;

/** Later than that an answer of the second bus is no use. */
const BUS_TIMEOUT_MS = 2_000;

/** Of caches without a shared tier: what one has applied, no other has, be it in the same process. */
const alone = new WeakMap<object, string>();

/** Transactions that are being committed at once; above, old ones are forgotten. */
const MOST_UNDER_WAY = 1_000;

export interface OutboxState extends RelayStats {
  /** Writes that are not seen; null: not looked for yet, or the database did not answer. */
  findings: readonly OutboxFinding[] | null;
}

/** The outbox of one data source, for one cache: installed or checked at start, relayed until stopped. */
export class Outbox {
  readonly bus: OutboxBus;
  private readonly relayed: OutboxRelay;
  private readonly node: NodeConnections;
  private findings: readonly OutboxFinding[] | null = null;
  /** By the last check that was answered. */
  private seesAll = false;
  /** What the log has said already. */
  private said = new Set<string>();
  private cancelCheck: (() => void) | null = null;
  /** Transactions with the time they were about to be committed. */
  private readonly underWay = new Map<string, number>();
  private stopped = false;

  private constructor(
    private readonly dataSource: DataSource,
    private readonly options: ResolvedOutboxOptions,
    private readonly clock: Clock,
    private readonly log: GateLog,
    private readonly checked: () => void,
    parts: { relay: OutboxRelay; node: NodeConnections; bus: OutboxBus },
  ) {
    this.bus = parts.bus;
    this.relayed = parts.relay;
    this.node = parts.node;
  }

  /** @throws InvalidOptionsError; with 'auto' also what PostgreSQL says to the installation */
  static async open(
    dataSource: DataSource,
    cache: TieredCache,
    marks: MarkRegistry,
    options: ResolvedOutboxOptions,
    clock: Clock,
    log: GateLog,
    /** Called after each comparison of triggers and entities. */
    checked: () => void = () => {},
  ): Promise<Outbox> {
    assertPostgres(dataSource);
    const pool = poolOf(dataSource);
    if (options.install === 'auto') {
      assertNotProduction();
      await installOutbox(dataSource, triggerOptions(options));
    }
    const { names, types } = await read(dataSource, options);
    const invalidations = new RowInvalidations(
      marks,
      trackedTables(dataSource),
      new RowDecoder(types, typeParsersOf(dataSource)),
      (problem) => log.error(problem),
    );
    const meaning = new RowsSelector(cache.name, (row) => invalidations.of(row));
    const node = new NodeConnections(pool);
    const connection = new OutboxConnection(pool, names.channel, () => outbox.relayed.wake());
    const relay = new OutboxRelay(
      relayCache(cache),
      connection,
      new RelayStore(names, options.writerLeadMs),
      meaning,
      options,
      clock,
      log,
      () => void outbox.recheck(),
    );
    const bus = new OutboxBus(
      cache.name,
      new OutboxConnection(pool, null, () => {}, BUS_TIMEOUT_MS),
      new BusStore(names),
      relay,
      meaning,
      node.id,
      (position) => epochOfPosition(cache, position),
      options.retentionMs,
      () => clock.monotonic(),
    );
    const outbox = new Outbox(dataSource, options, clock, log, checked, { relay, node, bus });
    await outbox.node.start();
    await outbox.recheck();
    relay.start();
    return outbox;
  }

  /** Compares triggers and entities again, and says in the log what cannot be seen. Never rejects. */
  async check(): Promise<readonly OutboxFinding[] | null> {
    try {
      this.findings = await checkOutbox(this.dataSource, triggerOptions(this.options));
      this.seesAll = this.findings.length === 0;
      const lines = this.findings.map(describeFinding);
      for (const line of lines) if (!this.said.has(line)) this.log.warn(`outbox: ${line}`);
      this.said = new Set(lines);
    } catch (error) {
      this.findings = null;
      this.log.error(
        `outbox: could not be checked: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    return this.findings;
  }

  state(): OutboxState {
    return { ...this.relayed.stats, findings: this.findings };
  }

  /** Does the outbox record every write that concerns the cache? Unknown counts as no. */
  get complete(): boolean {
    return this.seesAll;
  }

  /** The shared tier may have come back. */
  wake(): void {
    this.relayed.wake();
  }

  /** A transaction of this node's is about to be committed; its rows are settled. */
  began(xid: string): void {
    const now = this.clock.monotonic();
    if (this.underWay.size >= MOST_UNDER_WAY) this.forgetOld(now);
    this.underWay.set(xid, now);
  }

  /** Rows of this node's that no transaction under way has written wait for nobody: they are to be relayed now. */
  look(): void {
    this.forgetOld(this.clock.monotonic());
    this.relayed.lookAtOwn({ writer: this.node.id, except: [...this.underWay.keys()] });
  }

  /** See OutboxRelay.settle. */
  settle(xid: string, covered: InvalidationSelector, epoch: string): void {
    this.relayed.settle(xid, covered, epoch);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.cancelCheck?.();
    this.node.stop();
    await this.relayed.stop();
    await this.bus.stop();
  }

  /** What has not been settled in that time is relayed anyhow. */
  private forgetOld(now: number): void {
    for (const [xid, since] of this.underWay)
      if (now - since > this.options.writerLeadMs) this.underWay.delete(xid);
  }

  /** Now and from time to time: partitions are added, triggers are disabled. */
  private async recheck(): Promise<void> {
    if (this.options.install === 'off' || this.stopped) return;
    this.cancelCheck?.();
    await this.check();
    this.checked();
    if (!this.stopped) this.cancelCheck = this.clock.setTimer(CHECK_MS, () => void this.recheck());
  }
}

/** One line: who, where, what. */
export function describeFinding({ entities, table, problem }: OutboxFinding): string {
  const who = entities.length > 0 ? `writes to ${entities.join(', ')}` : 'writes';
  return `${who}${table === null ? '' : ` (table ${table})`} by others than TypeORM cannot be seen: ${problem}`;
}

/** The data set that the cache's entries are in: of the shared tier, or of this process alone. */
export function epochOf(cache: Pick<TieredCache, 'epoch' | 'health'>): string | null {
  if (cache.health().remote.configured) return cache.epoch;
  const epoch = alone.get(cache) ?? `process:${randomUUID()}`;
  alone.set(cache, epoch);
  return epoch;
}

/** The same, as a position of its log says. */
export function epochOfPosition(
  cache: Pick<TieredCache, 'epoch' | 'health'>,
  position: string | null,
): string | null {
  return position === null ? epochOf(cache) : position.slice(0, position.lastIndexOf('@'));
}

function relayCache(cache: TieredCache): RelayCache {
  return {
    name: cache.name,
    group: `${cache.name}/${cache.prefix}`,
    epoch: () => epochOf(cache),
    invalidate: (selector, how) => cache.invalidate(selector, how),
  };
}

async function read(
  dataSource: DataSource,
  options: ResolvedOutboxOptions,
): Promise<{ names: OutboxNames; types: Map<string, Map<string, ColumnType>> }> {
  return reading(dataSource, async (sql) => {
    const names = await resolveNames(sql, dataSource, options);
    const tables = await planTables(sql, dataSource, options);
    const types = tables.map(
      ({ tracked, columns }) =>
        [tracked.path, new Map(columns.map((column) => [column.name, column]))] as const,
    );
    return { names, types: new Map(types) };
  });
}

function triggerOptions(options: ResolvedOutboxOptions): OutboxTriggerOptions {
  const { table, schema, columns, maxRows, notify } = options;
  return { table, schema, columns, maxRows, notify };
}

function assertNotProduction(): void {
  if (process.env['NODE_ENV'] === 'production')
    throw new InvalidOptionsError(
      'outbox.install',
      'auto',
      "'check' or 'off' where NODE_ENV is production: install by a migration (outboxMigration), so that the application needs no rights to create triggers",
    );
}
