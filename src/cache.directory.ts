import { Injectable } from '@nestjs/common';
import type { NamespaceOptions } from '#tiered-cache';
import type { ResolvedCacheOptions } from './cache.options.js';
import type { CacheService } from './cache.service.js';
import { CacheNotFoundError, DuplicateCacheError } from './errors.js';

interface DirectoryEntry {
  cache: CacheService;
  options: ResolvedCacheOptions;
}

/**
 * The caches of one application, by name. One per application (it belongs to a static module), so two applications
 * in a process know nothing of each other.
 */
@Injectable()
export class CacheDirectory {
  private readonly caches = new Map<string, DirectoryEntry>();
  private readonly waiting: { name: string; namespaces: Record<string, NamespaceOptions> }[] = [];

  /** @throws DuplicateCacheError */
  add(name: string, cache: CacheService, options: ResolvedCacheOptions): void {
    if (this.caches.has(name)) throw new DuplicateCacheError(name);
    this.caches.set(name, { cache, options });
    for (const request of this.waiting.filter((one) => one.name === name))
      declareAll(cache, request.namespaces);
  }

  get(name: string): DirectoryEntry | undefined {
    return this.caches.get(name);
  }

  get names(): string[] {
    return [...this.caches.keys()];
  }

  /** Declares namespaces on a cache that may not be there yet. @throws InvalidOptionsError */
  declare(name: string, namespaces: Record<string, NamespaceOptions>): void {
    const entry = this.caches.get(name);
    if (entry === undefined) this.waiting.push({ name, namespaces });
    else declareAll(entry.cache, namespaces);
  }

  /** After all providers are constructed: who still waits, waits for a cache that does not exist. */
  assertComplete(): void {
    for (const { name } of this.waiting)
      if (!this.caches.has(name)) throw new CacheNotFoundError('CacheModule.forFeature', name, this.names);
  }
}

function declareAll(cache: CacheService, namespaces: Record<string, NamespaceOptions>): void {
  for (const [name, options] of Object.entries(namespaces)) cache.declareNamespace(name, options);
}
