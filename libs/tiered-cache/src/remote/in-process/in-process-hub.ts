import { systemClock, type Clock } from '../../clock.js';
import { RemoteUnavailableError } from '../../errors.js';
import type { RemoteTier } from '../remote-tier.js';
import { HubFaults, type HubCommand, type HubFault } from './hub-faults.js';
import { HubStore } from './hub-store.js';

export interface InProcessHubOptions {
  /** Default: the system's. */
  clock?: Clock;
  /** After so many milliseconds without an answer a command rejects. Default 250. */
  commandTimeoutMs?: number;
  /** Records the invalidation log keeps at least. Default 10,000. */
  logMaxLength?: number;
  /** Records one poll answers at most. Default 500. */
  pageSize?: number;
}

/** One tier's end of the line; kept by the tier, moved by the hub. */
export interface HubLink {
  readonly tier: RemoteTier;
  readonly prefix: string;
  wake(): void;
  /** The line went up or down; commands in flight have been rejected already. */
  lineChanged(up: boolean, reason?: string): void;
}

/**
 * The shared tier of caches that live in one process: a single node without Redis, and the stand-in for it in
 * tests, where everything that can go wrong on the way to a server happens when the test says so.
 */
export class InProcessHub {
  private readonly clock: Clock;
  private readonly commandTimeoutMs: number;
  private readonly faults: HubFaults;
  private readonly stores = new Map<string, HubStore>();
  private readonly links = new Map<HubLink, { cut: boolean; inFlight: Set<(reason: string) => void> }>();
  private serial = 0;
  private downReason: string | undefined;
  private currentEpoch: string;

  constructor(private readonly options: InProcessHubOptions = {}) {
    this.clock = options.clock ?? systemClock;
    this.commandTimeoutMs = options.commandTimeoutMs ?? 250;
    this.faults = new HubFaults(this.clock);
    this.currentEpoch = `epoch-${this.unique()}`;
  }

  /** What polls answer as `LogPage.epoch`. */
  get epoch(): string {
    return this.currentEpoch;
  }

  get isUp(): boolean {
    return this.downReason === undefined;
  }

  /** Cuts every connection; commands reject at once until `up`. What was executed stays executed. */
  down(reason = 'the hub is down'): void {
    this.downReason = reason;
    for (const link of this.links.keys()) this.hangUp(link, reason);
  }

  up(): void {
    if (this.isUp) return;
    this.downReason = undefined;
    for (const [link, { cut }] of this.links) if (!cut) link.lineChanged(true);
  }

  /** Cuts off one tier, as a network partition would; the others go on. */
  cut(tier: RemoteTier, reason = 'cut off'): void {
    for (const [link, line] of this.links)
      if (link.tier === tier) {
        line.cut = true;
        this.hangUp(link, reason);
      }
  }

  mend(tier: RemoteTier): void {
    for (const [link, line] of this.links)
      if (link.tier === tier && line.cut) {
        line.cut = false;
        if (this.isUp) link.lineChanged(true);
      }
  }

  /** FLUSHALL: data and log are gone, connections stay. */
  flush(): void {
    for (const store of this.stores.values()) store.flush();
  }

  /** Drops all but the newest `keep` records of every log. */
  trimLog(keep = 0): void {
    for (const store of this.stores.values()) store.trimLog(keep);
  }

  /** Loses one record out of every log: the newest but `back`. */
  punchLog(back: number): void {
    for (const store of this.stores.values()) store.punchLog(back);
  }

  /** Another process with a new epoch takes over, with the old one's data or (default) without. */
  restart({ keepData = false }: { keepData?: boolean } = {}): void {
    const wasUp = this.isUp;
    this.down('the hub restarts');
    if (!keepData) this.flush();
    this.currentEpoch = `epoch-${this.unique()}`;
    if (wasUp) this.up();
  }

  /**
   * A replica that has copied everything up to now. The returned function promotes it: what was written since is lost,
   * and the data set has another epoch. Connections are cut and come back, unless `silently`.
   */
  replica(): (options?: { silently?: boolean }) => void {
    const copies = new Map([...this.stores].map(([prefix, store]) => [prefix, store.copy()]));
    return ({ silently = false } = {}) => {
      const wasUp = this.isUp;
      if (!silently) this.down('failover');
      for (const [prefix, store] of this.stores) store.restore(copies.get(prefix));
      this.currentEpoch = `epoch-${this.unique()}`;
      if (wasUp && !silently) this.up();
    };
  }

  /** Puts a fault on the wire; the returned function lifts it. */
  inject(fault: HubFault): () => void {
    return this.faults.inject(fault);
  }

  /** Every answer takes `ms` longer. */
  delay(ms: number): () => void {
    return this.inject({ at: 'answer', how: ms });
  }

  /** Commands time out: without being executed, or executed but unanswered. */
  neverAnswer({ executed }: { executed: boolean }): () => void {
    return this.inject({ at: executed ? 'answer' : 'request', how: 'lost' });
  }

  /** Commands wait, as before a stopped server: they time out, and are executed late, when lifted. */
  freeze(): () => void {
    return this.inject({ at: 'request', how: 'held' });
  }

  /** Lifts every fault; what was held arrives now. */
  liftFaults(): void {
    this.faults.liftAll();
  }

  /** @internal For tiers: joins the hub; answers whether the line is up. */
  connect(link: HubLink): boolean {
    this.links.set(link, { cut: false, inFlight: new Set() });
    return this.isUp;
  }

  /** @internal */
  disconnect(link: HubLink): void {
    this.hangUp(link, 'stopped');
    this.links.delete(link);
  }

  /** @internal Why nothing can be sent, or undefined. */
  unreachable(link: HubLink): string | undefined {
    const line = this.links.get(link);
    if (!line) return 'not started';
    return line.cut ? 'cut off' : this.downReason;
  }

  /** @internal Sends one command; `run` is executed by the hub, at most once. */
  send<T>(link: HubLink, command: HubCommand, run: (store: HubStore) => T): Promise<T> {
    const line = this.links.get(link);
    const reason = this.unreachable(link);
    if (!line || reason !== undefined)
      return Promise.reject(new RemoteUnavailableError(`In-process tier: ${reason}`));
    return new Promise<T>((resolve, reject) => {
      let cancelTimeout: (() => void) | undefined;
      let connected = true;
      const settle = (): void => {
        cancelTimeout?.();
        line.inFlight.delete(dropped);
      };
      const fail = (why: string): void => {
        settle();
        reject(new RemoteUnavailableError(`In-process tier: ${why}`));
      };
      const dropped = (why: string): void => {
        connected = false;
        fail(why);
      };
      const armTimeout = (): void => {
        cancelTimeout ??= this.clock.setTimer(this.commandTimeoutMs, () =>
          // Stays connected: what waits on the wire is still executed, late.
          fail(`no answer to ${command} within ${this.commandTimeoutMs} ms`),
        );
      };
      const execute = (): void => {
        if (!connected) return;
        const answer = run(this.store(link.prefix));
        const touched = this.faults.deliver('answer', command, link.tier, () => {
          settle();
          resolve(answer);
        });
        if (touched) armTimeout();
      };
      line.inFlight.add(dropped);
      if (this.faults.deliver('request', command, link.tier, execute)) armTimeout();
    });
  }

  private store(prefix: string): HubStore {
    let store = this.stores.get(prefix);
    if (!store) {
      const { logMaxLength = 10_000, pageSize = 500 } = this.options;
      const unique = (): string => this.unique();
      store = new HubStore(this.clock, logMaxLength, pageSize, unique, () => this.wakeAll(prefix));
      this.stores.set(prefix, store);
    }
    return store;
  }

  private wakeAll(prefix: string): void {
    for (const link of this.links.keys())
      if (link.prefix === prefix && this.unreachable(link) === undefined)
        this.faults.deliver('answer', 'wake', link.tier, () => {
          if (this.unreachable(link) === undefined) link.wake();
        });
  }

  private hangUp(link: HubLink, reason: string): void {
    const line = this.links.get(link);
    if (!line) return;
    for (const drop of line.inFlight) drop(reason);
    link.lineChanged(false, reason);
  }

  private unique(): string {
    return (++this.serial).toString(36).padStart(8, '0');
  }
}
