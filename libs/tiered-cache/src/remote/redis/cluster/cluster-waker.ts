import type { Redis, RedisOptions } from 'ioredis';
import { RedisConnection } from '../redis-connection.js';
import type { ClusterNodes } from './cluster-nodes.js';
import type { ResolvedClusterOptions } from './resolve-cluster-options.js';
import { type Address, splitAddress } from './topology.js';

/** Time for the poll that a wake causes; without it every record of a burst would wake on its own. */
const SETTLE_MS = 15;
/** Between two signs of life of the subscription, and between two attempts to have one. */
const BEAT_MS = 1_500;
const RETRY_MS = 250;

/**
 * Listens on a connection of its own for the message that comes with every record: the cluster hands what is published
 * on any node to all of them, so any master will do, and another one when it is lost. It only wakes.
 */
export class ClusterWaker {
  private connection: RedisConnection | undefined;
  private address: Address | undefined;
  private make: ((settings: RedisOptions) => Redis) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private settling: NodeJS.Timeout | undefined;
  private again = false;
  private stopped = false;

  constructor(
    private readonly options: ResolvedClusterOptions,
    private readonly nodes: ClusterNodes,
    private readonly channel: string,
    private readonly wake: () => void,
  ) {}

  /** What it is connected to, for health. */
  get state(): string {
    return this.connection?.status ?? 'wait';
  }

  start(make: (settings: RedisOptions) => Redis): void {
    this.make = (settings) => {
      const client = (this.options.common.client ?? make)(settings);
      client.on('message', () => this.heard());
      return client;
    };
  }

  /** Called whenever the cluster is ready; listens on unless the node it listens to has left. */
  listen(): void {
    if (this.stopped) return;
    const masters = this.nodes.all().map(({ address }) => address);
    if (this.address !== undefined && masters.includes(this.address)) return;
    this.change(masters);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    clearTimeout(this.settling);
    await this.connection?.close();
  }

  private change(masters: readonly Address[]): void {
    const others = masters.filter((address) => address !== this.address);
    const address = others[Math.floor(Math.random() * others.length)] ?? masters[0];
    if (address === undefined || !this.make) return;
    void this.connection?.close();
    const { common } = this.options;
    const connection = new RedisConnection(
      'log-reader',
      {
        ...common,
        client: undefined,
        endpoint: address,
        connection: { ...common.connection, ...splitAddress(address), db: 0 },
      },
      BEAT_MS,
      {
        ready: () => this.beat(connection),
        // Only wakes, so the state is not its business.
        down: () => this.changeWithin(RETRY_MS),
      },
    );
    this.address = address;
    this.connection = connection;
    connection.open(this.make);
  }

  /** Subscribing again changes nothing, but it is answered. */
  private beat(connection: RedisConnection): void {
    if (this.stopped || connection !== this.connection) return;
    connection
      .run((client) => client.subscribe(this.channel))
      .then(
        () => this.within(BEAT_MS, () => this.beat(connection)),
        // Refused, or it hangs: polls go on at their own pace, and another node may do better.
        () => this.changeWithin(RETRY_MS),
      );
  }

  private changeWithin(ms: number): void {
    this.within(ms, () => this.change(this.nodes.all().map(({ address }) => address)));
  }

  private within(ms: number, then: () => void): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(then, ms);
    this.timer.unref();
  }

  private heard(): void {
    if (this.stopped) return;
    if (this.settling !== undefined) {
      this.again = true;
      return;
    }
    this.wake();
    this.settling = setTimeout(() => {
      this.settling = undefined;
      if (!this.again) return;
      this.again = false;
      this.heard();
    }, SETTLE_MS);
    this.settling.unref();
  }
}
