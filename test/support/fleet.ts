import {
  createInProcessTier,
  InProcessHub,
  type NamespaceOptions,
  type RemoteTier,
  TieredCache,
  type TieredCacheOptions,
} from '../../libs/tiered-cache/src/index.js';
import { settle, VirtualClock } from './virtual-clock.js';

/** The staleness bound of every fleet, ms. */
export const BOUND = 500;
/** The hub's command timeout, ms. */
export const TIMEOUT = 250;

export interface Fleet {
  clock: VirtualClock;
  hub: InProcessHub;
  nodes: TieredCache[];
  tiers: RemoteTier[];
}

export interface FleetOptions extends Omit<TieredCacheOptions, 'remote' | 'clock' | 'namespaces'> {
  namespaces?: Record<string, NamespaceOptions>;
  nodes?: number;
  hub?: { logMaxLength?: number; pageSize?: number; commandTimeoutMs?: number };
  /** Opens no log: the caches are made but not started. */
  idle?: boolean;
}

const made: { cache: TieredCache; clock: VirtualClock }[] = [];

/** Several nodes over one in-process hub, in virtual time; their logs are open and their clocks run. */
export async function fleet({
  nodes = 1,
  hub: hubOptions,
  idle,
  ...options
}: FleetOptions = {}): Promise<Fleet> {
  const clock = new VirtualClock();
  const hub = new InProcessHub({ clock, commandTimeoutMs: TIMEOUT, ...hubOptions });
  const tiers = Array.from({ length: nodes }, () => createInProcessTier(hub));
  const caches = tiers.map(
    (remote) =>
      new TieredCache({
        namespaces: { items: { ttl: '10m' } },
        stalenessBound: BOUND,
        random: () => 0.5,
        ...options,
        clock,
        remote,
      }),
  );
  made.push(...caches.map((cache) => ({ cache, clock })));
  if (idle !== true) {
    for (const cache of caches) cache.start();
    await clock.pass(1);
  }
  return { clock, hub, nodes: caches, tiers };
}

/** One cache without a shared tier, in virtual time. */
export function embedded(options: Omit<FleetOptions, 'nodes' | 'hub'> = {}): {
  clock: VirtualClock;
  cache: TieredCache;
} {
  const clock = new VirtualClock();
  const cache = new TieredCache({
    namespaces: { items: { ttl: '10m' } },
    random: () => 0.5,
    ...options,
    clock,
  }).start();
  made.push({ cache, clock });
  return { clock, cache };
}

/** Call it in afterEach. */
export async function closeFleets(): Promise<void> {
  const closing = made.splice(0).map(async ({ cache, clock }) => {
    const closed = cache.close();
    // A failed test may leave loads under way, for which `close` waits a while.
    await clock.pass(6_000);
    await closed;
  });
  await Promise.all(closing);
}

/** A promise to be settled by hand, for loaders that a test holds back. */
export interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** A source of truth that counts its loads and can be held back. */
export class Source<T = unknown> {
  readonly values = new Map<string, T>();
  loads = 0;
  private gate: Deferred<void> | null = null;

  constructor(initial: Record<string, T> = {}) {
    for (const [id, value] of Object.entries(initial)) this.values.set(id, value);
  }

  /** A loader that reads now and answers when the gate opens. */
  readonly load = async ({ id }: { id: string }): Promise<T> => {
    this.loads++;
    const value = this.values.get(id) as T;
    await this.gate?.promise;
    return value;
  };

  /** Holds back the answers of loads that begin from now on; the function lets them go. */
  hold(): () => void {
    const gate = deferred<void>();
    this.gate = gate;
    return () => {
      if (this.gate === gate) this.gate = null;
      gate.resolve();
    };
  }
}

/** How a promise stands once everything that can run without time passing has run. */
export async function stateOf<T>(
  promise: Promise<T>,
): Promise<{ pending: true } | { pending: false; value?: T; error?: unknown }> {
  let state: { pending: true } | { pending: false; value?: T; error?: unknown } = { pending: true };
  promise.then(
    (value) => (state = { pending: false, value }),
    (error: unknown) => (state = { pending: false, error }),
  );
  await settle();
  return state;
}
