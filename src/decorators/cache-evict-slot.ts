import type { InvalidationSelector } from '#tiered-cache';
import { DecoratorUsageError } from '../errors.js';
import type { MethodSlot } from './bound.js';
import { type CacheHost, listOf, reportError, scopedId } from './cache-host.js';
import type { MethodDefinition } from './method-definition.js';

/** `@CacheEvict`: invalidates after the method has succeeded, or before it runs; one round trip for all it names. */
export class CacheEvictSlot implements MethodSlot {
  constructor(
    private readonly definition: MethodDefinition,
    private readonly host: CacheHost,
  ) {
    const { key, keyOf, all } = definition.options;
    if (definition.namespace === undefined && (key || keyOf || all))
      throw new DecoratorUsageError(
        `${definition.label}.namespace`,
        undefined,
        'the namespace of the entries to invalidate, here or in @CacheDefaults',
      );
  }

  prepare(): void {
    if (this.definition.namespace !== undefined) this.host.namespaceOf(this.definition);
  }

  forget(): void {
    // Nothing is remembered between calls.
  }

  callOne(self: object, argument: unknown): Promise<unknown> {
    return this.call(self, [argument]);
  }

  async call(self: object, args: readonly unknown[]): Promise<unknown> {
    const { original, options } = this.definition;
    const evicts = !this.host.closed && options.condition?.(...args) !== false;
    const before = options.when === 'before';
    if (evicts && before) await this.evict(self, args);
    const result = await original.apply(self, args as unknown[]);
    if (evicts && !before) await this.evict(self, args, result);
    return result;
  }

  /** An invalidation never fails the business operation, so what goes wrong here is reported, not thrown. */
  private async evict(self: object, args: readonly unknown[], ...result: [] | [unknown]): Promise<void> {
    const { definition, host } = this;
    try {
      await host.cache.invalidate(this.selector(self, args, result));
    } catch (error) {
      reportError(definition, 'nothing invalidated', error);
    }
  }

  private selector(self: object, args: readonly unknown[], result: [] | [unknown]): InvalidationSelector {
    const { definition } = this;
    const { key, keyOf, tags, tagsOf, all } = definition.options;
    const namespace = definition.namespace!;
    const keys: unknown[] = [];
    if (key) keys.push(key(...args));
    const tagList = [...listOf(tags, ...args)];
    if (result.length === 1) {
      if (keyOf) keys.push(keyOf(result[0], ...args));
      tagList.push(...listOf(tagsOf, result[0], ...args));
    }
    return {
      keys: keys.flat().map((one) => ({ namespace, id: scopedId(definition, self, one) })),
      tags: tagList,
      namespaces: all === true ? [namespace] : [],
    };
  }
}
