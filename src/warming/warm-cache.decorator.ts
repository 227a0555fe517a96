import { SetMetadata, type Type } from '@nestjs/common';
import type { WarmingContext, WarmingSettings, WarmingStrategy, WarmingWork } from './strategy.js';

export interface WarmCacheOptions extends Omit<WarmingSettings, 'namespaces'> {
  /** Name of the cache it belongs to. Default: the default cache. */
  cache?: string;
}

type Calls<S> = Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]> | ((self: S) => CallList);
type CallList =
  Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]> | Promise<Iterable<readonly unknown[]>>;

export interface WarmCallsOptions<S = unknown> extends WarmCacheOptions {
  /**
   * The decorated method is a cached one: it is called once per list of arguments, and loads anew in scheduled
   * and manual runs. `[[]]` calls it once, without arguments; a function is handed the
   * instance.
   */
  calls: Calls<S>;
}

export interface WarmCacheMetadata extends WarmCacheOptions {
  calls?: Calls<unknown>;
}

export const WARM_CACHE = Symbol('strata.warm-cache');

type WarmMethod =
  | (() => WarmingWork | Promise<WarmingWork>)
  | ((context: WarmingContext) => WarmingWork | Promise<WarmingWork>);

export interface WarmCacheDecorator {
  (target: Type<Pick<WarmingStrategy, 'warm' | 'load'>>): void;
  <M extends WarmMethod>(target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<M>): void;
}

/**
 * Makes a method of a provider, or a provider class with `warm(context)`, a warming strategy. The method does the work
 * itself and answers nothing or a count, or answers (or yields) items that the runner loads under the concurrency limit.
 * With `calls`, any method: it is called with each list of arguments.
 */
export function WarmCache(options: string | (WarmCacheOptions & { calls?: undefined })): WarmCacheDecorator;
// Of a method with `calls` nothing is asked: whatever it answers is only counted.
// oxlint-disable-next-line typescript/no-explicit-any
export function WarmCache<S = any>(options: WarmCallsOptions<S>): MethodDecorator;
export function WarmCache(options: string | WarmCacheMetadata): WarmCacheDecorator & MethodDecorator {
  const metadata: WarmCacheMetadata = typeof options === 'string' ? { name: options } : options;
  return SetMetadata(WARM_CACHE, metadata);
}

/** Reads what `@WarmCache` wrote on a class or a method. */
export function warmCacheMetadata(target: unknown): WarmCacheMetadata | undefined {
  return typeof target === 'function'
    ? (Reflect.getOwnMetadata(WARM_CACHE, target) as WarmCacheMetadata)
    : undefined;
}
