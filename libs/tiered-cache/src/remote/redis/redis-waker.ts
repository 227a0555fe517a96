import type { Redis } from 'ioredis';
import type { LogPosition } from '../remote-tier.js';
import { isTimeout } from './redis-errors.js';
import type { RedisConnection } from './redis-connection.js';

/** How long one XREAD blocks; bounded, so that a dead connection is noticed. */
export const BLOCK_MS = 1_500;
/** After a wake, time for the poll it causes; without it every record of a burst would wake on its own. */
const SETTLE_MS = 15;
const RETRY_MS = 250;

/**
 * Waits in XREAD on a connection of its own and says when something was appended. It only wakes: what is in the
 * log, and whether any of it is missing, is for polls to find out.
 */
export class RedisWaker {
  /** Where to wait from: the newest record known; before the first poll, whatever comes next. */
  private position: LogPosition = '$';
  private running = false;
  private stopped = false;
  private pause: { resume: () => void; timer: NodeJS.Timeout } | undefined;

  constructor(
    private readonly connection: RedisConnection,
    private readonly key: string,
    private readonly wake: () => void,
  ) {}

  /** A poll has read up to here. */
  polledTo(position: LogPosition): void {
    this.position = position;
  }

  /** Starts, once; called whenever the connection is ready. */
  start(): void {
    if (this.running || this.stopped) return;
    this.running = true;
    void this.loop();
  }

  stop(): void {
    this.stopped = true;
    if (!this.pause) return;
    clearTimeout(this.pause.timer);
    this.pause.resume();
  }

  private async loop(): Promise<void> {
    while (!this.stopped && this.connection.status === 'ready') {
      try {
        const newest = await this.connection.run((client) => this.wait(client));
        if (newest === null) continue;
        this.position = newest;
        this.wake();
        await this.rest(SETTLE_MS);
      } catch (error) {
        // Lost, hung, or refused: polls go on at their own pace, and this tries again; on a fresh socket if it hung.
        if (this.stopped) break;
        if (error instanceof Error && isTimeout(error.cause)) this.connection.reconnect();
        await this.rest(RETRY_MS);
      }
    }
    this.running = false;
  }

  private async wait(client: Redis): Promise<LogPosition | null> {
    const answer = await client.xread('COUNT', 1, 'BLOCK', BLOCK_MS, 'STREAMS', this.key, this.position);
    return answer?.[0]?.[1].at(-1)?.[0] ?? null;
  }

  private rest(ms: number): Promise<void> {
    return new Promise((resume) => {
      this.pause = { resume, timer: setTimeout(resume, ms) };
    });
  }
}
