import { randomUUID } from 'node:crypto';
import type { PgClient, PgPool } from './outbox-connection.js';
import { NODE_SETTING } from './outbox-tables.js';

/**
 * Marks the connections of this node's pool, so that triggers can tell its writes from those of strangers: its own are
 * left to the subscriber for a moment, strangers' are relayed at once. Only timing hangs on it: a connection that could
 * not be marked has its writes invalidated twice.
 */
export class NodeConnections {
  private readonly statement = `SET ${NODE_SETTING} = '${randomUUID().slice(0, 8)}'`;

  constructor(private readonly pool: PgPool) {}

  /** Marks those that are idle now, and all that come. */
  async start(): Promise<void> {
    this.pool.on('connect', this.mark);
    const idle = Array.from({ length: this.pool.idleCount }, async () => {
      const client = await this.pool.connect();
      this.mark(client);
      client.release();
    });
    await Promise.allSettled(idle);
  }

  stop(): void {
    this.pool.removeListener('connect', this.mark);
  }

  private readonly mark = (client: PgClient): void => {
    // Sent before whatever the host sends on it. A connection that is lost already says so to the host.
    client.query(this.statement).catch(() => {});
  };
}
