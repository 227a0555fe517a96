import type { GetOrSetOptions, Loader } from '#tiered-cache';
import type { CacheService } from '../cache.service.js';
import { renewing } from '../decorators/own-loads.js';
import type { LoadGate, Permit } from './load-gate.js';
import {
  isWarmEntry,
  type WarmEntry,
  type WarmingContext,
  type WarmingReason,
  type WarmingStrategy,
  type WarmItem,
} from './strategy.js';

export interface RunDependencies {
  cache: CacheService;
  gate: LoadGate;
  signal: AbortSignal;
}

type Key = { namespace: string; id: string };

/** Distinct messages kept of a run's failures. */
const MESSAGES = 3;
/** Keys remembered of a run, to tell later whether the cache has gone cold. */
const REMEMBERED = 100;

/**
 * One run of one strategy: calls it, loads what it answers through the gate, and counts. One item's failure leaves the
 * others alone. `execute` rejects only when the strategy itself fails.
 *
 * The strategy's own code holds a place at the gate while it runs, because it may be calling the source by itself. It
 * gives that place up for good when it asks the gate for loads: otherwise `maxConcurrent` strategies that wait for
 * their own loads would wait for ever.
 */
export class StrategyRun implements WarmingContext {
  itemsProcessed = 0;
  failures = 0;
  readonly messages: string[] = [];
  readonly keys: Key[] = [];
  readonly fresh: boolean;
  #own: Permit | null = null;

  constructor(
    private readonly strategy: WarmingStrategy,
    readonly reason: WarmingReason,
    private readonly deps: RunDependencies,
  ) {
    this.fresh = reason !== 'startup';
  }

  get cache(): CacheService {
    return this.deps.cache;
  }

  get signal(): AbortSignal {
    return this.deps.signal;
  }

  /** Runs `warm`. @throws whatever the strategy throws */
  async execute(): Promise<void> {
    const work = await this.#owning(() => this.strategy.warm(this));
    if (typeof work === 'number') this.itemsProcessed += work;
    else if (work === undefined || work === null) {
      // A method that did it all by itself is one item, unless it counted through refresh().
      if (this.itemsProcessed + this.failures === 0) this.itemsProcessed = 1;
    } else await this.#consume(work);
  }

  /** Loads explicit keys by the strategy's `load`. */
  async executeKeys(keys: readonly Key[]): Promise<void> {
    await this.#consume(keys.map((key) => ({ ...key, load: () => this.strategy.load?.(key, this) })));
  }

  async refresh<T>(
    namespace: string,
    id: string,
    load: Loader<T>,
    options?: Omit<GetOrSetOptions<T>, 'fresh'>,
  ): Promise<T> {
    this.#own?.release();
    return this.deps.gate.run(async () => {
      try {
        const value = await this.#store({ namespace, id, load, options });
        this.itemsProcessed += 1;
        return value;
      } catch (error) {
        this.fail(error);
        throw error;
      }
    }, this.signal);
  }

  fail(error: unknown): void {
    this.failures += 1;
    const message = error instanceof Error ? error.message : String(error);
    if (this.messages.length < MESSAGES && !this.messages.includes(message)) this.messages.push(message);
  }

  async #consume(work: Iterable<WarmItem> | AsyncIterable<WarmItem>): Promise<void> {
    const iterator = Symbol.asyncIterator in work ? work[Symbol.asyncIterator]() : work[Symbol.iterator]();
    const loading = new Set<Promise<void>>();
    try {
      for (;;) {
        const next = await this.#owning(() => iterator.next());
        if (next.done || this.signal.aborted) break;
        // The place is taken before the next item is asked for: a generator is never far ahead of its loads.
        const permit = await this.deps.gate.enter();
        const load = this.#load(next.value, permit).finally(() => loading.delete(load));
        loading.add(load);
      }
    } finally {
      await Promise.all(loading);
      if (this.signal.aborted) await iterator.return?.();
    }
  }

  async #load(item: WarmItem, permit: Permit): Promise<void> {
    try {
      await this.deps.gate.pace(this.signal);
      if (isWarmEntry(item)) await this.#store(item);
      else if (typeof item === 'function') await (this.fresh ? renewing(() => item(this)) : item(this));
      else throw new TypeError('a warming item is { namespace, id, load } or a function');
      this.itemsProcessed += 1;
    } catch (error) {
      // Work that was cut short by the shutdown has not failed.
      if (!this.signal.aborted) this.fail(error);
    } finally {
      permit.release();
    }
  }

  async #store<T>({ namespace, id, load, options }: WarmEntry<T>): Promise<T> {
    const value = await this.cache.getOrSet<T>(namespace, id, load, { ...options, fresh: this.fresh });
    if (this.keys.length < REMEMBERED) this.keys.push({ namespace, id });
    return value;
  }

  async #owning<T>(work: () => T | Promise<T>): Promise<T> {
    const permit = await this.deps.gate.enter();
    this.#own = permit;
    try {
      return await work();
    } finally {
      permit.release();
      this.#own = null;
    }
  }
}
