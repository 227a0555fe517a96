import { RemoteUnavailableError } from '../../errors.js';
import type {
  Acquired,
  AcquireRequest,
  EntryKey,
  FillRequest,
  Invalidation,
  LogCursor,
  LogPage,
  LogPosition,
  NoncesAt,
  RemoteDescription,
  RemoteListener,
  RemoteState,
  RemoteTier,
} from '../remote-tier.js';
import type { HubCommand } from './hub-faults.js';
import type { HubStore } from './hub-store.js';
import type { HubLink, InProcessHub } from './in-process-hub.js';

export interface InProcessTierOptions {
  /** Tiers of one prefix share entries, tags and log. Default 'strata'. */
  prefix?: string;
}

/** A shared tier over `hub`: what one node holds in its hands. Several tiers on one hub are several nodes. */
export function createInProcessTier(hub: InProcessHub, options: InProcessTierOptions = {}): RemoteTier {
  return new InProcessTier(hub, options.prefix ?? 'strata');
}

class InProcessTier implements RemoteTier, HubLink {
  readonly kind = 'in-process';
  readonly atomicLog = true;
  readonly tier = this;
  private current: RemoteState = 'idle';
  private listener: RemoteListener | undefined;

  constructor(
    private readonly hub: InProcessHub,
    readonly prefix: string,
  ) {}

  get state(): RemoteState {
    return this.current;
  }

  start(listener: RemoteListener): void {
    if (this.current !== 'idle') return;
    this.listener = listener;
    this.become('connecting');
    const up = this.hub.connect(this);
    this.lineChanged(up, up ? undefined : this.hub.unreachable(this));
  }

  stop(): Promise<void> {
    this.become('stopped');
    this.hub.disconnect(this);
    return Promise.resolve();
  }

  describe(): Promise<RemoteDescription> {
    return Promise.resolve({
      kind: this.kind,
      state: this.current,
      connections: [{ name: 'hub', state: this.current }],
    });
  }

  get(key: EntryKey): Promise<Buffer | null> {
    return this.send('get', (store) => store.get(key));
  }

  getMany(keys: readonly EntryKey[]): Promise<(Buffer | null)[]> {
    return this.send('get', (store) => keys.map((key) => store.get(key)));
  }

  acquire(request: AcquireRequest): Promise<Acquired> {
    return this.send('acquire', (store) => store.acquire(request));
  }

  acquireMany(requests: readonly AcquireRequest[]): Promise<Acquired[]> {
    return this.send('acquire', (store) => requests.map((request) => store.acquire(request)));
  }

  release(key: EntryKey, token: string): Promise<void> {
    return this.send('release', (store) => store.release(key, token));
  }

  fill(request: FillRequest): Promise<boolean> {
    return this.send('fill', (store) => store.fill(request));
  }

  fillMany(requests: readonly FillRequest[]): Promise<boolean[]> {
    return this.send('fill', (store) => requests.map((request) => store.fill(request)));
  }

  replace(
    key: EntryKey,
    expected: Buffer,
    next: Buffer,
    ttlMs: number | null,
  ): Promise<readonly LogPosition[] | null> {
    return this.send('replace', (store) => {
      const position = store.replace(key, expected, next, ttlMs);
      return position === null ? null : [position];
    });
  }

  nonces(tags: readonly string[]): Promise<string[]> {
    return this.send('nonces', (store) => store.nonces(tags));
  }

  noncesAt(tags: readonly string[]): Promise<NoncesAt> {
    return this.send('nonces', (store) => ({ nonces: store.nonces(tags), at: store.end }));
  }

  invalidate(change: Invalidation): Promise<readonly LogPosition[]> {
    return this.send('invalidate', (store) => [store.invalidate(change)]);
  }

  fence(keys: readonly EntryKey[], fenceId: string, ms: number): Promise<readonly LogPosition[]> {
    return this.send('fence', (store) => [store.fence(keys, fenceId, ms)]);
  }

  unfence(keys: readonly EntryKey[], fenceId: string): Promise<void> {
    return this.send('unfence', (store) => keys.forEach((key) => store.unfence(key, fenceId)));
  }

  poll(from: LogCursor | null, tags: readonly string[]): Promise<LogPage> {
    return this.send('poll', (store) => store.poll(from, this.hub.epoch, tags));
  }

  /** Positions are handed out in order and have one length. */
  reached(cursor: LogCursor, position: LogPosition): boolean {
    return cursor >= position;
  }

  vouch(epoch: string, tags: readonly string[]): Promise<boolean> {
    return this.send('vouch', (store) => epoch === this.hub.epoch && store.vouch(epoch, tags));
  }

  async *scan(prefix: string, batch = 500): AsyncIterable<EntryKey[]> {
    const keys = await this.send('scan', (store) => store.keys(prefix));
    for (let at = 0; at < keys.length; at += batch) yield keys.slice(at, at + batch);
  }

  wake(): void {
    this.listener?.wake();
  }

  lineChanged(up: boolean, reason?: string): void {
    // As with a socket, the news comes later; by then it may be old.
    if (up)
      queueMicrotask(() => {
        if (this.hub.unreachable(this) === undefined) this.become('ready');
      });
    else this.become('down', reason);
  }

  private send<T>(command: HubCommand, run: (store: HubStore) => T): Promise<T> {
    if (this.current !== 'ready')
      return Promise.reject(new RemoteUnavailableError(`In-process tier: ${this.current}`));
    return this.hub.send(this, command, run);
  }

  private become(state: RemoteState, reason?: string): void {
    if (this.current === state || this.current === 'stopped') return;
    this.current = state;
    this.listener?.stateChanged(state, reason);
  }
}
