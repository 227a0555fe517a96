import { Injectable, Logger, type Type } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, ModuleRef } from '@nestjs/core';
import { DEFAULT_CACHE } from '../cache.names.js';
import type { WarmingContext, WarmingStrategy, WarmItem } from './strategy.js';
import { warmCacheMetadata, type WarmCacheMetadata } from './warm-cache.decorator.js';

type Instance = Record<string | symbol, unknown>;

/** Finds the strategies of an application: decorated methods and classes of its providers and controllers. */
@Injectable()
export class StrategyDiscovery {
  private readonly logger = new Logger('Strata');

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly moduleRef: ModuleRef,
  ) {}

  /** Those that belong to the cache of that name. */
  find(cacheName: string): WarmingStrategy[] {
    const found: WarmingStrategy[] = [];
    const seen = new Set<object>();
    for (const wrapper of [...this.discovery.getProviders(), ...this.discovery.getControllers()]) {
      const prototype = (
        wrapper.instance ? Object.getPrototypeOf(wrapper.instance) : null
      ) as Instance | null;
      if (!prototype || typeof wrapper.instance !== 'object') continue;
      const decorated = this.#decorated(prototype, cacheName);
      if (decorated.length === 0) continue;
      if (!wrapper.isDependencyTreeStatic()) {
        this.logger.warn(
          `@WarmCache on ${wrapper.name} is ignored: the provider is request-scoped or transient.`,
        );
        continue;
      }
      // The same instance under two tokens (useExisting, useValue) is one strategy.
      const instance = wrapper.instance as Instance;
      if (seen.has(instance)) continue;
      seen.add(instance);
      for (const { method, metadata } of decorated) found.push(strategyOf(instance, method, metadata));
    }
    return found;
  }

  /** An instance as it is; of a class the application's own instance, or a new one with its dependencies injected. */
  async instantiate(strategy: WarmingStrategy | Type<WarmingStrategy>): Promise<WarmingStrategy> {
    if (typeof strategy !== 'function') return strategy;
    try {
      return this.moduleRef.get(strategy, { strict: false });
    } catch {
      // Nobody provides it: that is what create() is for.
      return this.moduleRef.create(strategy);
    }
  }

  #decorated(prototype: Instance, cacheName: string): { method: string; metadata: WarmCacheMetadata }[] {
    const found: { method: string; metadata: WarmCacheMetadata }[] = [];
    const ofClass = warmCacheMetadata(prototype.constructor);
    if (ofClass) found.push({ method: 'warm', metadata: ofClass });
    for (const method of this.scanner.getAllMethodNames(prototype)) {
      const metadata = warmCacheMetadata(prototype[method]);
      if (metadata) found.push({ method, metadata });
    }
    return found.filter(({ metadata }) => (metadata.cache ?? DEFAULT_CACHE) === cacheName);
  }
}

function strategyOf(instance: Instance, method: string, metadata: WarmCacheMetadata): WarmingStrategy {
  const { cache: _, calls, ...settings } = metadata;
  // Looked up at each call: the method may be wrapped or replaced after discovery.
  const call = (...args: unknown[]) =>
    (instance[method] as (...args: unknown[]) => unknown).apply(instance, args);
  if (!calls) {
    const own = instance as unknown as Partial<WarmingStrategy>;
    const strategy: WarmingStrategy = {
      ...settings,
      warm: (context: WarmingContext) => call(context) as ReturnType<WarmingStrategy['warm']>,
    };
    if (method === 'warm' && own.load) {
      strategy.load = (key, context) => own.load?.(key, context);
      if (own.namespaces) strategy.namespaces = own.namespaces;
    }
    return strategy;
  }
  return {
    ...settings,
    async *warm(): AsyncGenerator<WarmItem> {
      for await (const args of await (typeof calls === 'function' ? calls(instance) : calls)) {
        yield () => call(...args);
      }
    },
  };
}
