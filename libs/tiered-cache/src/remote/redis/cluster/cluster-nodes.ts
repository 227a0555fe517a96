import type { Redis, RedisOptions } from 'ioredis';
import { RemoteUnavailableError } from '../../../errors.js';
import { RedisConnection } from '../redis-connection.js';
import { withoutCommand } from '../redis-errors.js';
import type { ResolvedClusterOptions } from './resolve-cluster-options.js';
import { type Address, readSlots, splitAddress, type Topology } from './topology.js';

export interface ClusterEvents {
  /** Every master is connected and every slot has one, or not. */
  stateChanged(state: 'ready' | 'down', reason?: string): void;
  /** Slots have changed hands. */
  moved(): void;
}

export interface NodeLink {
  readonly address: Address;
  readonly connection: RedisConnection;
}

interface View {
  epoch: number;
  topology: Topology;
}

const REFRESH_MS = 1_000;
/** While something is missing. */
const URGENT_MS = 100;
/** Between two looks, however many ask for one. */
const LEAST_MS = 25;
/** Nodes asked for their view at once. */
const MOST_ASKED = 8;
/** A node that redirections name, but no node's view: it takes over its first slot, or what was said is outdated. */
const NAMED_MS = 5_000;
/** How long an older view than the newest one is taken for outdated. */
const OUTDATED_MS = 10_000;

/**
 * The masters of a cluster and a connection to each. It follows failovers and moving slots by CLUSTER SLOTS, asked of
 * several nodes at once: the view with the highest configuration epoch holds, so a master that was replaced
 * while it was cut off convinces nobody.
 *
 * A node that was not connected a moment ago may hold other data than what was read so far, so whenever one is missing
 * or new the whole is 'down' until it is connected, and callers ask the log before anything else.
 */
export class ClusterNodes {
  /** Counts changes of slot owners. */
  version = 0;
  private topology: Topology | null = null;
  private epoch = { newest: -1, seenAt: -Infinity };
  private readonly owners: (Address | undefined)[] = [];
  private readonly links = new Map<Address, NodeLink>();
  /** With the monotonic ms at which a redirection last named them. */
  private readonly named = new Map<Address, number>();
  private make: ((settings: RedisOptions) => Redis) | undefined;
  private state: 'idle' | 'ready' | 'down' | 'closed' = 'idle';
  private reason = 'not connected';
  private looking: Promise<void> | undefined;
  private lastLook = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private readonly closing = new Set<Promise<void>>();

  constructor(
    private readonly options: ResolvedClusterOptions,
    private readonly events: ClusterEvents,
  ) {}

  open(make: (settings: RedisOptions) => Redis): void {
    if (this.state === 'closed') return;
    this.make = make;
    for (const seed of this.options.seeds) this.link(seed);
    this.lookWithin(URGENT_MS);
  }

  async close(): Promise<void> {
    this.state = 'closed';
    this.reason = 'stopped';
    clearTimeout(this.timer);
    for (const address of this.links.keys()) this.unlink(address);
    await Promise.all(this.closing);
  }

  /** All connections, those to seeds that have not been replaced by masters yet included. */
  all(): NodeLink[] {
    return [...this.links.values()];
  }

  /** Connections to all masters. @throws RemoteUnavailableError unless each of them is connected */
  masters(): NodeLink[] {
    if (this.state !== 'ready') throw this.unavailable();
    return this.members().map((address) => this.links.get(address)!);
  }

  /** The master of a slot. @throws RemoteUnavailableError */
  owner(slot: number): NodeLink {
    const address = this.owners[slot];
    const link = address === undefined ? undefined : this.links.get(address);
    if (!link || this.state === 'closed') throw this.unavailable();
    return link;
  }

  /**
   * A node said that `slot` is served by `address` now. @throws RemoteUnavailableError when that is no node that was
   * followed so far: what it holds may be older.
   */
  moved(slot: number, address: Address): NodeLink {
    const link = this.follow(address);
    if (this.owners[slot] !== address) {
      this.owners[slot] = address;
      this.ownersChanged();
    }
    this.refreshSoon();
    return link;
  }

  /** A redirection named this node. @throws RemoteUnavailableError when it is none that was followed so far. */
  follow(address: Address): NodeLink {
    const known = this.isMember(address);
    if (!this.topology?.masters.includes(address)) this.named.set(address, performance.now());
    if (!known) {
      this.link(address);
      this.judge();
      this.refreshSoon();
    }
    const link = this.links.get(address);
    if (!known || !link || this.state !== 'ready') throw this.unavailable();
    return link;
  }

  /** It is no master: whoever named it was mistaken. */
  disown(address: Address): void {
    if (this.named.delete(address)) this.judge();
    this.refreshSoon();
  }

  refreshSoon(): void {
    this.lookWithin(Math.max(0, this.lastLook + LEAST_MS - performance.now()));
  }

  /** Looks at the cluster now. */
  refresh(): Promise<void> {
    this.looking ??= this.look().finally(() => {
      this.looking = undefined;
      this.lookWithin(this.state === 'ready' ? REFRESH_MS : URGENT_MS);
    });
    return this.looking;
  }

  private async look(): Promise<void> {
    this.lastLook = performance.now();
    const ready = this.all().filter(({ connection }) => connection.status === 'ready');
    const views = await Promise.all(
      shuffled(ready)
        .slice(0, MOST_ASKED)
        .map((link) => this.view(link)),
    );
    if (this.state === 'closed') return;
    const best = views.filter((view) => view !== null).sort(byTrust)[0];
    if (best && this.mayAdopt(best)) this.adopt(best.topology);
    // Nobody answers: the nodes may have moved to other addresses, which the seeds' names may know.
    else if (!best && this.state !== 'ready') for (const seed of this.options.seeds) this.link(seed);
    this.judge();
  }

  /** Null: it gave no answer, and others do or the next look will. */
  private async view({ address, connection }: NodeLink): Promise<View | null> {
    try {
      const [info, slots] = await connection.run((client) =>
        Promise.all([client.cluster('INFO'), client.cluster('SLOTS')]),
      );
      return { epoch: clusterEpochOf(String(info)), topology: readSlots(slots, address, this.options.map) };
    } catch (error) {
      this.reason = withoutCommand(error).message;
      return null;
    }
  }

  /**
   * Not a view in which slots have no master (a node that was just reset knows none), nor one older than what was seen a
   * moment ago; after a while it is not outdated but of a cluster that was set up anew.
   */
  private mayAdopt({ epoch, topology }: View): boolean {
    if (this.topology !== null && !topology.whole) return false;
    const now = performance.now();
    if (epoch < this.epoch.newest && now - this.epoch.seenAt < OUTDATED_MS) return false;
    this.epoch = { newest: epoch, seenAt: now };
    return true;
  }

  private adopt(topology: Topology): void {
    this.topology = topology;
    const now = performance.now();
    for (const [address, since] of this.named)
      if (topology.masters.includes(address) || now - since > NAMED_MS) this.named.delete(address);
    let changed = false;
    for (let slot = 0; slot < topology.owners.length; slot++) {
      if (this.owners[slot] === topology.owners[slot]) continue;
      this.owners[slot] = topology.owners[slot];
      changed = true;
    }
    const members = new Set(this.members());
    for (const address of this.links.keys()) if (!members.has(address)) this.unlink(address);
    for (const address of members) this.link(address);
    if (changed) this.ownersChanged();
  }

  private ownersChanged(): void {
    this.version++;
    this.events.moved();
  }

  private members(): Address[] {
    return [...(this.topology?.masters ?? []), ...this.named.keys()];
  }

  private isMember(address: Address): boolean {
    return this.named.has(address) || this.topology?.masters.includes(address) === true;
  }

  private link(address: Address): void {
    if (this.links.has(address) || !this.make) return;
    const { common } = this.options;
    const connection = new RedisConnection(
      'commands',
      {
        ...common,
        endpoint: address,
        connection: { ...common.connection, ...splitAddress(address), db: 0 },
      },
      common.commandTimeoutMs,
      {
        ready: () => {
          this.judge();
          if (this.state !== 'ready') this.refreshSoon();
        },
        down: (reason) => {
          this.judge(`${address}: ${reason}`);
          this.refreshSoon();
        },
      },
    );
    this.links.set(address, { address, connection });
    connection.open(this.make);
  }

  private unlink(address: Address): void {
    const link = this.links.get(address);
    if (!link) return;
    this.links.delete(address);
    const closed = link.connection.close();
    this.closing.add(closed);
    void closed.finally(() => this.closing.delete(closed));
  }

  private judge(reason?: string): void {
    if (this.state === 'closed') return;
    const missing = this.missing();
    if (missing === undefined) {
      if (this.state === 'ready') return;
      this.state = 'ready';
      this.events.stateChanged('ready');
      return;
    }
    this.reason = reason ?? missing ?? this.reason;
    // Before the first look only a lost connection says something.
    if (this.state === 'idle' && reason === undefined) return;
    this.state = 'down';
    this.events.stateChanged('down', this.reason);
  }

  /** What keeps the cluster from being worked with; null: nobody has said what it looks like. */
  private missing(): string | null | undefined {
    if (this.topology === null) return null;
    if (!this.topology.whole) return 'slots without a master';
    for (const address of this.members())
      if (this.links.get(address)?.connection.status !== 'ready') return `${address}: not connected`;
    return undefined;
  }

  private lookWithin(ms: number): void {
    if (this.state === 'closed') return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.refresh(), ms);
    this.timer.unref();
  }

  private unavailable(): RemoteUnavailableError {
    return new RemoteUnavailableError(
      `Redis Cluster: ${this.state === 'ready' ? 'a node is not known yet' : this.reason}`,
    );
  }
}

/** The newest configuration epoch that a node knows of, from CLUSTER INFO. */
export function clusterEpochOf(info: string): number {
  return Number(/^cluster_current_epoch:(\d+)/m.exec(info)?.[1] ?? 0);
}

/** The newest first; of two that are as new, the one that sees more. */
function byTrust(a: View, b: View): number {
  return b.epoch - a.epoch || Number(b.topology.whole) - Number(a.topology.whole);
}

function shuffled<T>(items: readonly T[]): T[] {
  const order = items.map((item) => ({ item, at: Math.random() }));
  return order.sort((a, b) => a.at - b.at).map(({ item }) => item);
}
