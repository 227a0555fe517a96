import { AsyncResource } from 'node:async_hooks';
import { ambient } from './ambient.js';
import { type CacheCore, type NamespaceCore, namespaceTag, remoteLost } from './cache-core.js';
import { type CacheHealth, healthOf } from './cache-health.js';
import { CacheNamespace, type CachePaths } from './cache-namespace.js';
import { BusFollower } from './coherence/bus-follower.js';
import { Fence, type FenceOptions } from './coherence/fence.js';
import { Invalidator } from './coherence/invalidator.js';
import { L1Gate } from './coherence/l1-gate.js';
import { joinPositions, LogFollower } from './coherence/log-follower.js';
import { MarkerTable } from './coherence/markers.js';
import type { SecondBus } from './coherence/second-bus.js';
import { OwnRecords } from './coherence/own-records.js';
import { PendingInvalidations } from './coherence/pending-invalidations.js';
import { TagTable } from './coherence/tag-table.js';
import type { RegisteredClass } from './codec/codec.js';
import { createCodecs } from './codec/codecs.js';
import { KnownStrings } from './codec/wire-header.js';
import { CacheClosedError, InvalidOptionsError, UnknownNamespaceError } from './errors.js';
import { type Exclusive, type ExclusiveOptions, runExclusively } from './exclusive.js';
import { countSelection, readSelector, type Selection } from './inspect.js';
import { deferInvalidation } from './inside-transaction.js';
import { joinSelectors } from './join-selectors.js';
import { BatchRead } from './loading/batch-read.js';
import { EntryOps } from './loading/entry-ops.js';
import { FlightTable } from './loading/flights.js';
import { ReadThrough } from './loading/read-through.js';
import { SlotStore } from './memory/slot-store.js';
import type {
  GetOptions,
  GetOrSetOptions,
  InvalidateOptions,
  InvalidationReport,
  InvalidationResult,
  InvalidationSelector,
  Loader,
  NamespaceOptions,
  SetOptions,
  TieredCacheOptions,
} from './options.js';
import type { RemoteDescription } from './remote/remote-tier.js';
import { type ResolvedNamespace, resolveNamespace, resolveOptions } from './resolve-options.js';
import { type CircuitName, GuardedRemote } from './resilience/guarded-remote.js';
import { CacheEventBus, type CacheEventName, type CacheListener } from './telemetry/events.js';
import { Recorder } from './telemetry/recorder.js';
import type { CacheStats } from './telemetry/stats.js';
import { currentLoad, trackedLoads } from './tracking/tracked-context.js';
import type { TrackedReads } from './tracking/tracked-load.js';

const SWEEP_MS = 1_000;
const CLOSE_WAIT_MS = 5_000;

/** A tiered, coherent cache. Constructing opens nothing; `start` connects in the background; `close` ends it. */
export class TieredCache {
  readonly name: string;
  readonly prefix: string;
  private readonly core: CacheCore;
  private readonly paths: CachePaths;
  private readonly flights: FlightTable;
  private readonly byName = new Map<string, { handle: CacheNamespace; ns: NamespaceCore }>();
  /** Tags of the namespaces that live in the shared tier. */
  private readonly sharedTags: string[] = [];
  private readonly heldLocks = new Set<string>();
  private readonly timers = new Map<string, () => void>();
  private started = false;
  private closing: Promise<void> | undefined;

  /** @throws InvalidOptionsError */
  constructor(options: TieredCacheOptions = {}) {
    const resolved = resolveOptions(options);
    const { clock, boundMs, maxEntries, maxBytes } = resolved;
    const recorder = new Recorder(clock);
    const gate = new L1Gate(clock);
    const tags = new TagTable(gate);
    const events = new CacheEventBus();
    const remote =
      resolved.remote === null
        ? null
        : new GuardedRemote(
            resolved.remote,
            clock,
            () => recorder.shared.errors++,
            (circuit) => this.announceRemote(circuit),
          );
    const log: LogFollower | null =
      remote === null
        ? null
        : new LogFollower(remote, clock, boundMs, () => this.sharedTags, {
            apply: (record) => this.paths.invalidator.applyRecord(record),
            gap: (reason) => {
              this.paths.invalidator.applyGap();
              events.emit('gap', { reason });
            },
            caughtUp: () => {
              if (this.core.pending.size > 0) void this.paths.invalidator.resend();
            },
            doubt: () => bus?.doubt(),
            trusted: () => bus?.doubtful !== true,
          });
    gate.log = log;
    const bus: BusFollower | null =
      log === null
        ? null
        : new BusFollower(clock, boundMs, () => log, {
            apply: (selector) => this.applyFromBus(selector),
            gap: (reason) => {
              this.paths.invalidator.applyGap();
              events.emit('gap', { reason });
            },
            trusted: () => log.wake(),
          });
    this.name = resolved.name;
    this.prefix = resolved.prefix;
    this.core = {
      options: resolved,
      clock,
      gate,
      codecs: createCodecs(resolved.classes),
      l1: new SlotStore(
        { maxEntries, maxBytes, onRemoval: (namespace, reason) => this.countRemoval(namespace, reason) },
        gate,
      ),
      tags,
      markers: new MarkerTable(tags),
      pending: new PendingInvalidations(() => [...this.byName.values()].map(({ ns }) => ns.tag)),
      ownRecords: new OwnRecords(),
      remote,
      log,
      bus,
      followsBus: new Set(),
      recorder,
      events,
      background: new AsyncResource('StrataBackground'),
      loads: new Set(),
      writes: 0,
      closed: false,
    };
    this.flights = new FlightTable(this.core);
    const invalidator = new Invalidator(this.core);
    const reads = new ReadThrough(this.core, this.flights);
    this.paths = {
      reads,
      batch: new BatchRead(this.core, this.flights, reads),
      ops: new EntryOps(this.core, invalidator),
      invalidator,
      deferred: (selectors) => this.sendDeferred(selectors),
    };
    for (const [name, own] of Object.entries(options.namespaces ?? {})) this.declareNamespace(name, own);
  }

  /** Starts timers and connects in the background; idempotent. Reads before it use L1 and the source. */
  start(): this {
    const { core } = this;
    if (this.started || core.closed) return this;
    this.started = true;
    core.background.runInAsyncScope(() => {
      this.every('sweep', SWEEP_MS, () => core.l1.sweep(core.clock.monotonic()));
      this.every('sample', Recorder.sampleMs, () => core.recorder.sample());
      core.remote?.tier.start({
        wake: () => core.log?.wake(),
        stateChanged: (state, reason) => {
          if (state === 'ready') core.log?.wake();
          else core.log?.connectionLost();
          this.announceRemote(core.remote!.circuit, reason);
        },
      });
      core.log?.start();
    });
    return this;
  }

  /** Loads the packages that the namespaces' codecs need. @throws MissingPackageError */
  async loadCodecs(): Promise<void> {
    for (const { ns } of this.byName.values()) await this.core.codecs.load(ns.settings.codec);
  }

  /**
   * Stops taking work, waits (5 s at most) for loads and writes under way, aborts what is left of them, closes the
   * connections. Idempotent: every call ends when that is done.
   */
  close(): Promise<void> {
    return (this.closing ??= this.closeOnce());
  }

  private async closeOnce(): Promise<void> {
    const { core } = this;
    core.closed = true;
    core.l1.clear();
    for (const cancel of this.timers.values()) cancel();
    const deadline = core.clock.monotonic() + CLOSE_WAIT_MS;
    while (this.flights.size + core.writes > 0 && core.clock.monotonic() < deadline)
      await new Promise<void>((resolve) => void core.clock.setTimer(5, resolve));
    for (const load of core.loads) load.abort(new CacheClosedError());
    core.codecs.close();
    if (core.pending.size > 0) await this.paths.invalidator.resend();
    core.bus?.stop();
    core.log?.stop();
    await core.remote?.tier.stop();
    core.events.clear();
  }

  get namespaces(): readonly string[] {
    return [...this.byName.keys()];
  }

  /** @throws UnknownNamespaceError */
  namespace<T = unknown>(name: string): CacheNamespace<T> {
    const found = this.byName.get(name);
    if (found === undefined) throw new UnknownNamespaceError(name, this.namespaces);
    return found.handle as CacheNamespace<T>;
  }

  /**
   * Adds a namespace; equal options twice are fine.
   * @throws InvalidOptionsError for wrong options, or a second declaration with others
   */
  declareNamespace<T = unknown>(name: string, own: NamespaceOptions): CacheNamespace<T> {
    const settings = resolveNamespace(name, own, this.core.options.defaults, this.core.remote === null);
    const known = this.byName.get(name);
    if (known !== undefined) {
      if (!sameSettings(known.ns.settings, settings))
        throw new InvalidOptionsError(`namespaces.${name}`, own, 'the options it was declared with before');
      return known.handle as CacheNamespace<T>;
    }
    const tag = namespaceTag(name);
    const ns: NamespaceCore = {
      settings,
      tag,
      ownTags: [tag],
      strings: new KnownStrings(),
      missesInARow: 0,
      shelf: this.core.l1.shelf(name),
      counters: this.core.recorder.namespace(name),
    };
    // What becomes of it is told by `loadCodecs`, and to those who use the namespace.
    this.core.codecs.load(settings.codec).catch(() => undefined);
    const handle = new CacheNamespace<T>(this.core, ns, this.paths);
    this.byName.set(name, { handle, ns });
    if (settings.onRemoteLoss === 'second-bus') this.core.followsBus.add(name);
    if (settings.l2) {
      this.sharedTags.push(ns.tag);
      this.core.log?.wake();
    }
    return handle;
  }

  /**
   * Adds a class whose instances keep their type, as the option `classes` does. False when it is registered already.
   * @throws InvalidOptionsError for a wrong registration, or a name that another class has
   */
  registerClass(entry: RegisteredClass): boolean {
    return this.core.codecs.register(entry);
  }

  /** @throws (rejects) UnknownNamespaceError, InvalidKeyError */
  get<T>(namespace: string, id: string, options?: GetOptions): Promise<T | undefined> {
    const found = this.byName.get(namespace);
    // No async function of our own around it: that would be most of what a hit costs.
    if (found === undefined) return Promise.reject(new UnknownNamespaceError(namespace, this.namespaces));
    return found.handle.get(id, options) as Promise<T | undefined>;
  }

  /** As `namespace(namespace).getOrSet`. @throws (rejects) UnknownNamespaceError, InvalidKeyError */
  getOrSet<T>(namespace: string, id: string, loader: Loader<T>, options?: GetOrSetOptions<T>): Promise<T> {
    const found = this.byName.get(namespace);
    if (found === undefined) return Promise.reject(new UnknownNamespaceError(namespace, this.namespaces));
    return (found.handle as CacheNamespace<T>).getOrSet(id, loader, options);
  }

  async set<T>(
    namespace: string,
    id: string,
    value: T,
    options?: SetOptions<T>,
  ): Promise<InvalidationResult> {
    return this.namespace<T>(namespace).set(id, value, options);
  }

  async delete(namespace: string, ids: string | readonly string[]): Promise<InvalidationResult> {
    return this.namespace(namespace).delete(ids);
  }

  /** Constant time, however many entries carry the tags. */
  async deleteByTag(tags: string | readonly string[]): Promise<InvalidationResult> {
    return this.invalidate({ tags: typeof tags === 'string' ? [tags] : tags });
  }

  /** One namespace, or every namespace of this cache; never another prefix. */
  async clear(namespace?: string): Promise<InvalidationResult> {
    return this.invalidate(namespace === undefined ? { all: true } : { namespaces: [namespace] });
  }

  /**
   * Invalidates everything the selector names, keys and tags in one round trip. An answer that stays out never throws.
   * Inside a transaction that `useAmbient` tells of it waits for COMMIT.
   * @throws UnknownNamespaceError, InvalidKeyError, InvalidTagError
   */
  async invalidate(
    selector: InvalidationSelector,
    options: InvalidateOptions = {},
  ): Promise<InvalidationResult> {
    const transaction = ambient?.();
    if (transaction !== undefined && options.recorded !== true) {
      this.assertOpen();
      this.select(selector);
      return deferInvalidation(transaction, this.paths.deferred, selector);
    }
    return this.invalidateFenced(selector, options);
  }

  /**
   * Where every change is written down that entries of the namespaces with `onRemoteLoss: 'second-bus'` depend on (see
   * SecondBus). One at a time. Answers a function that ends it. Without effect in embedded mode.
   */
  followSecondBus(bus: SecondBus): () => void {
    return this.core.bus?.attach(bus) ?? (() => undefined);
  }

  /**
   * Before the COMMIT of a transaction that changes these entries: nobody fills them until `invalidate` or `lift` of
   * what this answers. Waits `within` at most and never throws for the shared tier; `standing` tells whether it stands.
   * @throws UnknownNamespaceError, InvalidKeyError, InvalidOptionsError
   */
  async fence(
    keys: readonly { namespace: string; id: string }[],
    options: FenceOptions = {},
  ): Promise<Fence> {
    this.assertOpen();
    const fenced = new Set<string>();
    for (const { namespace, id } of keys) {
      const key = this.namespace(namespace).keyOf(id);
      if (this.byName.get(namespace)!.ns.settings.l2) fenced.add(key);
    }
    const send = (selector: InvalidationSelector, how: InvalidateOptions, fence: Fence) =>
      this.invalidateFenced(selector, how, fence);
    return new Fence(this.core, this.paths.invalidator, [...fenced], send).raise(options);
  }

  private async sendDeferred(selectors: readonly InvalidationSelector[]): Promise<void> {
    if (!this.core.closed) await this.invalidateFenced(joinSelectors(selectors), {});
  }

  private async invalidateFenced(
    selector: InvalidationSelector,
    { recorded = false, patience }: InvalidateOptions,
    fence?: Fence,
  ): Promise<InvalidationResult> {
    this.assertOpen();
    const { keys, tags, patterns } = this.select(selector);
    this.countInvalidations(selector);
    const results = [
      await this.paths.invalidator.send({
        keys: [...new Set([...keys, ...(fence?.keys ?? [])])],
        tags: [...tags],
        fenceId: fence?.id,
        origin: recorded ? 'recorded' : { ...selector, patterns: undefined },
        patienceMs: patience,
      }),
    ];
    for (const pattern of patterns) results.push(await this.paths.invalidator.sendPattern(pattern, recorded));
    const acknowledged = results.every((result) => result.acknowledged);
    const positions = results.flatMap(({ position }) => position ?? []);
    return { acknowledged, position: acknowledged ? joinPositions(positions) : null };
  }

  /** As `invalidate`, counting what goes by walking the keys; with `dryRun` nothing goes. */
  async invalidateWithReport(
    selector: InvalidationSelector,
    { dryRun = false }: { dryRun?: boolean } = {},
  ): Promise<InvalidationReport> {
    this.assertOpen();
    const selection = this.select(selector);
    let count;
    try {
      count = await countSelection(this.core, selection, this.namespaces);
    } catch {
      // The shared tier went away meanwhile; the guard has counted it. What is known is a lower bound.
      count = { counts: {}, total: 0, truncated: true };
    }
    const result = dryRun ? { acknowledged: true, position: null } : await this.invalidate(selector);
    return { dryRun, ...count, ...result };
  }

  /** Runs `fn` on one node at a time; see ExclusiveOptions. */
  async exclusive<R>(name: string, options: ExclusiveOptions, fn: () => Promise<R>): Promise<Exclusive<R>> {
    this.assertOpen();
    return runExclusively(this.core, this.heldLocks, name, options, fn);
  }

  /** For those who see what a tracked loader of this cache reads: the one that the current context belongs to. */
  get trackedLoad(): TrackedReads | null {
    const load = trackedLoads === 0 ? null : currentLoad();
    return load?.core === this.core ? load : null;
  }

  stats(): CacheStats {
    const { core } = this;
    const { maxEntries, maxBytes } = core.options;
    const l1 = { entries: core.l1.size, maxEntries, bytes: core.l1.bytes, maxBytes };
    return core.recorder.stats(this.name, l1, this.health().remote.state);
  }

  resetStats(): void {
    this.core.recorder.reset();
  }

  health(): CacheHealth {
    return healthOf(this.core);
  }

  /**
   * Identity of the data set behind the shared tier as of the last look at its log: another one after a failover or a
   * restart. Null while it is unknown or away, and in embedded mode.
   */
  get epoch(): string | null {
    return remoteLost(this.core) ? null : (this.core.log?.epoch ?? null);
  }

  /** Connections and server figures of the shared tier, without secrets; null in embedded mode. */
  async describeRemote(): Promise<RemoteDescription | null> {
    return this.core.remote === null ? null : this.core.remote.tier.describe();
  }

  on<E extends CacheEventName>(event: E, listener: CacheListener<E>): this {
    this.core.events.on(event, listener);
    return this;
  }

  off<E extends CacheEventName>(event: E, listener: CacheListener<E>): this {
    this.core.events.off(event, listener);
    return this;
  }

  private select(selector: InvalidationSelector): Selection {
    const { tags: named, patterns } = readSelector(selector);
    const keys = new Set(
      (selector.keys ?? []).map(({ namespace, id }) => this.namespace(namespace).keyOf(id)),
    );
    const tags = new Set(named);
    const names = selector.all === true ? this.namespaces : (selector.namespaces ?? []);
    for (const name of names) tags.add(this.byName.get(this.namespace(name).name)!.ns.tag);
    return { keys, tags, patterns };
  }

  /** What the second bus says of others' changes. @throws UnknownNamespaceError, InvalidKeyError, InvalidTagError */
  private applyFromBus(selector: InvalidationSelector): void {
    const { keys, tags, patterns } = this.select(selector);
    this.paths.invalidator.applyBus({ keys: [...keys], tags: [...tags] });
    for (const pattern of patterns) this.paths.invalidator.applyBus({ keys: [], tags: [], pattern });
  }

  private countInvalidations(selector: InvalidationSelector): void {
    const { keys = [], tags = [], patterns = [], user, symbol } = selector;
    const named = selector.all === true ? this.namespaces : (selector.namespaces ?? []);
    for (const name of [...keys.map(({ namespace }) => namespace), ...named])
      this.core.recorder.namespace(name).invalidations++;
    const people = [user, symbol].filter((one) => one !== undefined);
    this.core.recorder.shared.invalidations += tags.length + patterns.length + people.length;
  }

  private countRemoval(namespace: string, reason: 'evict' | 'expire'): void {
    const counters = this.core.recorder.namespace(namespace);
    if (reason === 'evict') counters.evictions++;
    else counters.expirations++;
  }

  private announceRemote(circuit: CircuitName, reason?: string): void {
    const { remote, events } = this.core;
    if (remote !== null && events.watched('remote'))
      events.emit('remote', { state: remote.tier.state, circuit, reason });
  }

  private every(name: string, ms: number, fn: () => void): void {
    const again = (): void => {
      this.timers.set(
        name,
        this.core.clock.setTimer(ms, () => {
          again();
          fn();
        }),
      );
    };
    again();
  }

  private assertOpen(): void {
    if (this.core.closed) throw new CacheClosedError();
  }
}

function sameSettings(a: ResolvedNamespace, b: ResolvedNamespace): boolean {
  return (Object.keys(a) as (keyof ResolvedNamespace)[]).every((key) => a[key] === b[key]);
}
