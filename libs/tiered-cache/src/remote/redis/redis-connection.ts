import type { Redis, RedisOptions } from 'ioredis';
import { RemoteUnavailableError } from '../../errors.js';
import { CommandDeadlines, settle } from './command-deadlines.js';
import { backoff, protocolSettings, type ResolvedRedisOptions } from './redis-options.js';
import { isTimeout, timedOut, unavailable, withoutCommand } from './redis-errors.js';
import { registerScripts } from './redis-scripts.js';

export interface ConnectionEvents {
  ready(): void;
  down(reason: string): void;
}

/** One connection that is never given up: it reconnects by itself until closed, and refuses commands meanwhile. */
export class RedisConnection {
  /** host:port. */
  endpoint: string;
  private client: Redis | undefined;
  private closed = false;
  private lastError: string | undefined;
  private retry: NodeJS.Timeout | undefined;
  /** When the first of the commands in a row that timed out was sent; undefined while answers come. */
  private silentSince: number | undefined;
  private readonly deadlines: CommandDeadlines;

  constructor(
    readonly name: string,
    private readonly options: ResolvedRedisOptions,
    private readonly commandTimeoutMs: number,
    private readonly events: ConnectionEvents,
  ) {
    this.endpoint = options.endpoint;
    this.deadlines = new CommandDeadlines(commandTimeoutMs);
  }

  open(make: (settings: RedisOptions) => Redis): void {
    if (this.closed) return;
    const protocol = protocolSettings(this.options, this.commandTimeoutMs);
    const connectionName = `strata:${this.options.prefix}:${this.name}`;
    const client = (this.options.client ?? make)({
      ...this.options.connection,
      ...protocol,
      connectionName,
      lazyConnect: true,
    });
    // A client of the host's making keeps its address and credentials; the rest is read at every use.
    Object.assign(client.options, protocol);
    this.client = client;
    if (this.options.client) {
      const { path, host = 'localhost', port = 6379 } = client.options;
      this.endpoint = path ?? `${host}:${port}`;
    }
    registerScripts(client);
    client.on('error', (error: unknown) => {
      this.lastError = withoutCommand(error).message;
    });
    client.on('ready', () => this.becameReady(client));
    client.on('close', () => {
      client.options.commandTimeout = protocol.commandTimeout;
      this.lost();
    });
    client.on('end', () => this.connectLater());
    if (client.status === 'ready') this.becameReady(client);
    else if (client.status === 'wait' || client.status === 'end') this.connect(client);
  }

  /** ioredis's own word: connecting, connect, ready, reconnecting, close, end. */
  get status(): string {
    return this.client?.status ?? 'wait';
  }

  /**
   * Sends one thing, now or never.
   * @throws RemoteUnavailableError at once when not connected, after the command timeout when nothing comes back.
   */
  run<T>(send: (client: Redis) => Promise<T>): Promise<T> {
    const { client } = this;
    if (client?.status !== 'ready') return Promise.reject(this.notReady());
    return new Promise<T>((resolve, reject) => {
      const pending = this.deadlines.add(() => reject(this.failure(timedOut())));
      const failed = (error: unknown): void => {
        settle(pending);
        reject(this.failure(error));
      };
      try {
        send(client).then((answer) => {
          settle(pending);
          this.silentSince = undefined;
          resolve(answer);
        }, failed);
      } catch (error) {
        failed(error);
      }
    });
  }

  /** Sends several in one write: each one's answer, or the RemoteUnavailableError in its place. */
  async runAll(
    send: (client: Redis) => Promise<[Error | null, unknown][]>,
    count: number,
  ): Promise<unknown[]> {
    const { client } = this;
    if (client?.status !== 'ready') return Array.from({ length: count }, () => this.notReady());
    const results = await this.timed(() => send(client)).catch((error: unknown) => {
      if (!isTimeout(error)) throw error;
      return Array.from({ length: count }, (): [Error, unknown] => [error as Error, undefined]);
    });
    if (results.some(([error]) => !error)) this.silentSince = undefined;
    else this.noteFailure(results[0]?.[0]);
    return results.map(([error, answer]) => (error ? unavailable(error, this.endpoint) : answer));
  }

  /** Drops the socket and connects anew. */
  reconnect(): void {
    if (!this.closed && this.client) disconnect(this.client, true);
  }

  /** For good. Commands in flight reject. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.deadlines.clear();
    clearTimeout(this.retry);
    const { client } = this;
    if (!client) return;
    const open = ['connecting', 'connect', 'ready'].includes(client.status);
    const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
    disconnect(client);
    // Bounded: a client between two attempts has no socket whose end it could report.
    if (open) await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 100))]);
  }

  private timed<T>(send: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const pending = this.deadlines.add(() => reject(timedOut()));
      const settled = <A>(then: (answer: A) => void) => {
        return (answer: A) => {
          settle(pending);
          then(answer);
        };
      };
      send().then(settled(resolve), settled(reject));
    });
  }

  private failure(error: unknown): RemoteUnavailableError {
    this.noteFailure(error);
    return unavailable(error, this.endpoint);
  }

  /**
   * A connection whose other end has vanished (power cut, dropped packets) looks alive until TCP gives up, a quarter of
   * an hour later. Several timeouts in a row with no answer between them: try a new one.
   */
  private noteFailure(error: unknown): void {
    if (!isTimeout(error)) return;
    const now = performance.now();
    this.silentSince ??= now - this.commandTimeoutMs;
    if (now - this.silentSince < Math.max(1_000, 4 * this.commandTimeoutMs)) return;
    this.silentSince = undefined;
    this.lastError = `no answer within ${this.commandTimeoutMs} ms, several times in a row`;
    this.reconnect();
  }

  private connect(client: Redis): void {
    // The reason arrives as 'error' and 'close' events too.
    client.connect().catch(() => undefined);
  }

  private becameReady(client: Redis): void {
    // The client would set a timer for every command; ours have deadlines. Its own, of the handshake, keep it (`close`).
    client.options.commandTimeout = undefined;
    this.lastError = undefined;
    this.silentSince = undefined;
    if (!this.closed) this.events.ready();
  }

  private lost(): void {
    if (!this.closed) this.events.down(this.lastError ?? 'the connection was closed');
  }

  /** ioredis gave up (a connector that failed outright); we do not. */
  private connectLater(): void {
    if (this.closed || !this.client) return;
    const { client } = this;
    this.lost();
    this.retry = setTimeout(() => this.connect(client), backoff(5));
    this.retry.unref();
  }

  private notReady(): RemoteUnavailableError {
    const why = this.closed ? 'stopped' : (this.lastError ?? `not connected (${this.status})`);
    return new RemoteUnavailableError(`Redis at ${this.endpoint}: ${why}`);
  }
}

/**
 * Disconnected during a TLS handshake that is about to be refused, the socket errs once more when nobody listens any
 * longer, which would end the process.
 */
function disconnect(client: Redis, reconnect = false): void {
  (client as unknown as { stream?: NodeJS.EventEmitter }).stream?.on('error', () => undefined);
  client.disconnect(reconnect);
}
