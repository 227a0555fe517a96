import type { InvalidationSelector } from '#tiered-cache';
import type { BusStore, Seen } from './bus-store.js';
import type { OutboxConnection } from './outbox-connection.js';
import { type OutboxRelay, unseenFor } from './relay.js';
import type { RowsSelector } from './rows-selector.js';

export interface OutboxPage {
  readonly change: InvalidationSelector | null;
  readonly cursor: string;
  readonly lost: boolean;
}

/** The outbox of one data source as second bus: see SecondBus of the engine, which asks. */
export class OutboxBus {
  constructor(
    private readonly cacheName: string,
    /** Of its own: the relay's may be in the middle of a batch. */
    private readonly connection: Pick<OutboxConnection, 'sql' | 'drop'>,
    private readonly store: BusStore,
    private readonly relay: Pick<OutboxRelay, 'checkpoint' | 'frontier' | 'settle' | 'wake'>,
    private readonly meaning: RowsSelector,
    private readonly writer: string,
    private readonly epochOf: (position: string | null) => string | null,
    private readonly retentionMs: number,
    private readonly monotonic: () => number,
  ) {}

  /** Everything is seen from there on that the relay had not finished then. */
  checkpoint(before: number): string | null {
    const found = this.relay.checkpoint(before);
    if (found === null) return null;
    const { xid, server } = found;
    return JSON.stringify({ snapshot: `${xid}:${xid}:`, server, at: before });
  }

  async poll(from: string | null): Promise<OutboxPage> {
    const since = from === null ? null : (JSON.parse(from) as Seen & { at: number });
    const at = this.monotonic();
    const look = await this.asking((sql) => this.store.look(sql, since?.snapshot ?? null));
    const { snapshot, server, rows } = look;
    const cursor = JSON.stringify({ snapshot, server, at });
    const moved = since !== null && since.server !== server;
    // Rows may have been cleaned up before they were seen here.
    const slept = since !== null && at - since.at >= unseenFor(this.retentionMs);
    if (rows === null || moved || slept) return { change: null, cursor, lost: true };
    return { change: rows.length === 0 ? null : this.meaning.of(rows), cursor, lost: false };
  }

  async settled(at: string, epoch: string): Promise<boolean> {
    const frontier = this.relay.frontier(epoch);
    if (frontier === null) {
      this.relay.wake();
      return false;
    }
    const { snapshot } = JSON.parse(at) as Seen;
    const settled = await this.asking((sql) =>
      this.store.settled(sql, frontier.consumer, frontier.cursor, snapshot),
    );
    if (!settled) this.relay.wake();
    return settled;
  }

  /** @returns to be called once the shared tier has answered, too */
  async record(selector: InvalidationSelector): Promise<(position: string | null) => void> {
    const xid = await this.asking((sql) => this.store.write(sql, this.cacheName, selector, this.writer));
    return (position) => {
      const epoch = this.epochOf(position);
      if (epoch !== null) this.relay.settle(xid, selector, epoch);
    };
  }

  async stop(): Promise<void> {
    await this.connection.drop();
  }

  private async asking<T>(
    question: (sql: Awaited<ReturnType<OutboxConnection['sql']>>) => Promise<T>,
  ): Promise<T> {
    try {
      return await question(await this.connection.sql());
    } catch (error) {
      // Nobody knows what state it is in.
      await this.connection.drop();
      throw error;
    }
  }
}
