import type {
  AfterQueryEvent,
  BeforeQueryEvent,
  DataSource,
  EntitySubscriberInterface,
  QueryRunner,
} from 'typeorm';
import type { TieredCache, TrackedReads } from '#tiered-cache';
import type { MarkRegistry } from '../mark-registry.js';
import { statementOf } from '../statement.js';
import { type QueryDependencies, QueryReader } from './query-dependencies.js';

/** Statements that read nothing and change nothing that is read. */
const HARMLESS = new Set(['begin', 'commit', 'rollback', 'savepoint', 'rollback-to', 'release']);

interface Begun {
  /** The load that began the transaction. */
  readonly load: TrackedReads;
}

/**
 * Tells the tracked load that a statement belongs to what it depends on. TypeORM waits for `beforeQuery` before it sends
 * a statement, so what follows from its text is in hand before the database is asked; the rows come with `afterQuery`.
 *
 * By the statements rather than by entities: those are told of only where listeners are called, and lists that are
 * empty, counts and sums have none.
 */
export class TrackingSubscriber implements EntitySubscriberInterface {
  private readers = new WeakMap<DataSource, QueryReader>();
  private readonly sent = new WeakMap<TrackedReads, Map<string, QueryDependencies>>();
  private readonly transactions = new WeakMap<QueryRunner, Begun>();

  constructor(
    private readonly cache: TieredCache,
    private readonly marks: MarkRegistry,
  ) {}

  beforeQuery({ queryRunner, query, parameters, dataSource }: BeforeQueryEvent): Promise<void> | void {
    const load = this.cache.trackedLoad;
    if (load === null) return;
    const { kind } = statementOf(query);
    if (kind === 'begin') this.transactions.set(queryRunner, { load });
    else if (kind === 'commit' || kind === 'rollback') this.transactions.delete(queryRunner);
    if (HARMLESS.has(kind) || /^\s*set\s/i.test(query)) return;
    const begun = this.transactions.get(queryRunner);
    const within = queryRunner.isTransactionActive || begun !== undefined;
    if (within && begun?.load !== load) {
      load.refuse('it reads on the connection of a transaction that was open before');
      return;
    }
    if (dataSource.options.type !== 'postgres') {
      load.refuse(`SQL of ${dataSource.options.type} is not understood`);
      return;
    }
    const values = (parameters ?? []) as readonly unknown[];
    const found = this.reader(dataSource).read(query, values);
    if (typeof found === 'string') {
      load.refuse(`${found}: ${query.slice(0, 200)}`);
      return;
    }
    const statements = this.sent.get(load) ?? new Map<string, QueryDependencies>();
    this.sent.set(load, statements.set(keyOf(query, values), found));
    // A transaction may read from a snapshot that is older than this moment.
    return load.reads(found.tags, { fresh: !within });
  }

  afterQuery({ query, parameters, success, rawResults }: AfterQueryEvent): void {
    const load = this.cache.trackedLoad;
    if (load === null || !success) return;
    const found = this.sent.get(load)?.get(keyOf(query, (parameters ?? []) as readonly unknown[]));
    const rows = (rawResults as { rows?: unknown } | undefined)?.rows;
    if (found && Array.isArray(rows)) load.found(found.rowTags(rows as Record<string, unknown>[]));
  }

  /** Metadata may be new (initialize() after attach()). */
  renew(): void {
    this.readers = new WeakMap();
  }

  private reader(dataSource: DataSource): QueryReader {
    let reader = this.readers.get(dataSource);
    if (!reader) {
      reader = new QueryReader(dataSource, this.marks);
      this.readers.set(dataSource, reader);
    }
    return reader;
  }
}

function keyOf(query: string, values: readonly unknown[]): string {
  return values.length === 0
    ? query
    : `${query}\n${values.map((value) => `${typeof value}:${String(value)}`).join('\u0000')}`;
}
