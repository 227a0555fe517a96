import type { DataSource } from 'typeorm';
import { InvalidOptionsError } from '#tiered-cache';
import type { Sql } from './sql-runner.js';
import type { TypeParsers } from './row-decoder.js';

/** What is used of a client of pg; a structural type, as pg is the host's dependency. */
export interface PgClient {
  connect(): Promise<unknown>;
  query(statement: string, parameters?: unknown[]): Promise<{ rows: unknown[] }>;
  end(): Promise<void>;
  on(event: 'notification', listener: () => void): unknown;
  on(event: 'error' | 'end', listener: (error?: Error) => void): unknown;
}

export type VerifyClient = (client: PgClient, done: (error?: Error) => void) => void;

export interface PgPool {
  /** `verify`: called with each new connection, before anybody gets it. */
  readonly options: { verify?: VerifyClient | undefined };
  readonly Client: new (options: object) => PgClient;
  readonly idleCount: number;
  connect(): Promise<PgClient & { release(): void }>;
}

interface PgDriver {
  readonly master?: PgPool;
  readonly postgres?: { types?: { getTypeParser(oid: number, format: 'text'): (text: string) => unknown } };
}

/**
 * Every statement here is about the newest rows of a table that grows and shrinks fast, whose statistics are never right:
 * compiling them took a second each time, where they run for a millisecond; and the index is what is wanted.
 */
const PLANS = 'SET jit = off; SET enable_seqscan = off';

/** Longer than any statement of the relay takes. */
const QUERY_TIMEOUT_MS = 30_000;

/** The pool to the primary. @throws InvalidOptionsError for a driver that is not pg. */
export function poolOf(dataSource: DataSource): PgPool {
  const { master } = dataSource.driver as unknown as PgDriver;
  if (!master || typeof master.Client !== 'function')
    throw new InvalidOptionsError(
      'outbox',
      dataSource.options.type,
      'an initialised data source that uses the driver pg',
    );
  return master;
}

export function typeParsersOf(dataSource: DataSource): TypeParsers {
  const { postgres } = dataSource.driver as unknown as PgDriver;
  return (oid) => postgres?.types?.getTypeParser(oid, 'text') ?? ((text) => text);
}

/**
 * A connection of the relay's own, to the primary: it listens, and must never wait for a free one of the host's pool,
 * nor take one away.
 */
export class OutboxConnection {
  private client: PgClient | null = null;

  constructor(
    private readonly pool: PgPool,
    private readonly channel: string | null,
    private readonly onNotify: () => void,
    private readonly queryTimeoutMs = QUERY_TIMEOUT_MS,
  ) {}

  /** Connects when there is no connection, or it was lost. */
  async sql(): Promise<Sql> {
    const client = this.client ?? (await this.open());
    return async <Row>(statement: string, parameters?: readonly unknown[]) =>
      (await client.query(statement, parameters as unknown[])).rows as Row[];
  }

  /** After an error: nobody knows what state the connection is in. */
  async drop(): Promise<void> {
    const { client } = this;
    this.client = null;
    // It may be broken; then there is nothing to end.
    await client?.end().catch(() => {});
  }

  private async open(): Promise<PgClient> {
    const { options, Client } = this.pool;
    const own = {
      ...options,
      // Hidden from enumeration by the pool.
      password: (options as { password?: unknown }).password,
      application_name: 'nestjs-strata outbox',
      connectionTimeoutMillis: Math.min(5_000, this.queryTimeoutMs),
      query_timeout: this.queryTimeoutMs,
      keepAlive: true,
    };
    const client = new Client(own);
    const lost = (): void => {
      if (this.client === client) this.client = null;
    };
    // Without a listener a lost connection would end the process.
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', this.onNotify);
    try {
      await client.connect();
      await client.query(PLANS);
      if (this.channel !== null) await client.query(`LISTEN "${this.channel}"`);
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    this.client = client;
    return client;
  }
}
