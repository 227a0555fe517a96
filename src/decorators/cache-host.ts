import { Logger } from '@nestjs/common';
import { type CacheNamespace, hashParts, InvalidKeyError, UnknownNamespaceError } from '#tiered-cache';
import type { ResolvedCacheOptions } from '../cache.options.js';
import type { CacheService } from '../cache.service.js';
import { DecoratorUsageError } from '../errors.js';
import type { MethodDefinition } from './method-definition.js';
import { OwnLoads } from './own-loads.js';

/** The namespace of decorated methods that name none. */
export const METHODS_NAMESPACE = 'methods';

/** Life of an entry there when neither the host nor the decorator says; never used, as the decorator then must. */
const UNUSED_TTL = '5m';

const logger = new Logger('Strata');

/** A cache as the slots of decorated methods use it. */
export class CacheHost {
  /** Then decorated methods are as they were written. */
  closed = false;
  private readonly loads = new Map<string, OwnLoads>();

  constructor(
    readonly cache: CacheService,
    readonly options: ResolvedCacheOptions,
  ) {}

  /** The namespace of a definition. @throws DecoratorUsageError when there is none of that name. */
  namespaceOf(definition: MethodDefinition): CacheNamespace<unknown> {
    const name = definition.namespace ?? METHODS_NAMESPACE;
    if (name === METHODS_NAMESPACE && !this.cache.namespaces.includes(name)) this.declareMethods();
    try {
      return this.cache.namespace(name);
    } catch (error) {
      if (!(error instanceof UnknownNamespaceError)) throw error;
      throw new DecoratorUsageError(
        `${definition.label}.namespace`,
        name,
        `a namespace of cache "${this.options.name}": ${this.cache.namespaces.join(', ') || 'none is declared'}`,
      );
    }
  }

  loadsOf(namespace: string): OwnLoads {
    let loads = this.loads.get(namespace);
    if (loads === undefined) this.loads.set(namespace, (loads = new OwnLoads()));
    return loads;
  }

  /** Does the built-in namespace know how long entries live? */
  get methodsHaveTtl(): boolean {
    const { namespaces, defaults } = this.options;
    return namespaces?.[METHODS_NAMESPACE] !== undefined || defaults?.ttl !== undefined;
  }

  private declareMethods(): void {
    this.cache.declareNamespace(METHODS_NAMESPACE, { ttl: this.options.defaults?.ttl ?? UNUSED_TTL });
  }
}

/** Something around a method went wrong that must not disturb its caller. */
export function reportError(definition: MethodDefinition, what: string, error: unknown): void {
  logger.error(
    `${definition.label}: ${what}: ${error instanceof Error ? error.message : String(error)}`,
    error instanceof Error ? error.stack : undefined,
  );
}

/** The id that an explicit key and the scope make. @throws InvalidKeyError */
export function scopedId(definition: MethodDefinition, self: unknown, key: unknown): string {
  if (typeof key !== 'string' || key === '')
    throw new InvalidKeyError(key, `(the key of ${definition.label}) is not a string that is not empty`);
  const scope = scopeOf(definition, self);
  return scope === undefined ? key : hashParts([scope, key]);
}

/** @throws InvalidKeyError: without a scope the entry would be everybody's. */
export function scopeOf({ options, label }: MethodDefinition, self: unknown): string | undefined {
  if (options.scope === undefined) return undefined;
  const scope: unknown = options.scope(self);
  if (typeof scope === 'string' && scope !== '') return scope;
  throw new InvalidKeyError(scope, `(the scope of ${label}) is not a string that is not empty`);
}

export function listOf<A extends readonly unknown[]>(
  option: readonly string[] | ((...args: A) => readonly string[]) | undefined,
  ...args: A
): readonly string[] {
  if (option === undefined) return [];
  return typeof option === 'function' ? option(...args) : option;
}
