import { randomUUID } from 'node:crypto';
import type { PgClient, PgPool, VerifyClient } from './outbox-connection.js';
import { NODE_SETTING } from './outbox-tables.js';

/**
 * Marks the connections of this node's pool, so that triggers can tell its writes from those of strangers: its own are
 * left to the subscriber for a moment, strangers' are relayed at once. Only timing hangs on it: a connection that could
 * not be marked has its writes invalidated twice.
 *
 * New connections go through the pool's `verify`, once in their life and before the host has them; a statement sent in
 * the event 'connect' would overlap with the host's first one, which pg is about to forbid.
 */
export class NodeConnections {
  /** What triggers write down as the writer. */
  readonly id = randomUUID().slice(0, 8);
  private readonly statement = `SET ${NODE_SETTING} = '${this.id}'`;
  private readonly hosts: VerifyClient | undefined;
  private stopped = false;

  constructor(private readonly pool: PgPool) {
    this.hosts = pool.options.verify;
  }

  /** Marks those that are idle now, and all that come. */
  async start(): Promise<void> {
    this.pool.options.verify = this.verify;
    const idle = Array.from({ length: this.pool.idleCount }, async () => {
      const client = await this.pool.connect();
      await this.mark(client);
      client.release();
    });
    await Promise.allSettled(idle);
  }

  stop(): void {
    this.stopped = true;
    // Somebody may have put another one around ours, which then calls it for good.
    if (this.pool.options.verify === this.verify) this.pool.options.verify = this.hosts;
  }

  private readonly verify: VerifyClient = (client, done) => {
    const next = (): void => (this.hosts ? this.hosts(client, done) : done());
    if (this.stopped) next();
    else void this.mark(client).then(next);
  };

  private async mark(client: PgClient): Promise<void> {
    // A connection that is lost already says so to the host.
    await client.query(this.statement).catch(() => {});
  }
}
