import type { CacheNamespace, SetOptions } from '#tiered-cache';
import { DecoratorUsageError } from '../errors.js';
import type { MethodSlot } from './bound.js';
import { type CacheHost, listOf, reportError, scopedId } from './cache-host.js';
import type { MethodDefinition } from './method-definition.js';
import { judgeResult } from './store-rules.js';

/** `@CachePut`: runs the method, then stores its result. */
export class CachePutSlot implements MethodSlot {
  private namespace: CacheNamespace<unknown> | null = null;

  constructor(
    private readonly definition: MethodDefinition,
    private readonly host: CacheHost,
  ) {
    if (definition.namespace === undefined)
      throw new DecoratorUsageError(
        `${definition.label}.namespace`,
        undefined,
        'the namespace of the @Cacheable methods that are to find the result, here or in @CacheDefaults',
      );
  }

  prepare(): void {
    this.namespace ??= this.host.namespaceOf(this.definition);
  }

  forget(): void {
    // Nothing is remembered between calls.
  }

  callOne(self: object, argument: unknown): Promise<unknown> {
    return this.call(self, [argument]);
  }

  async call(self: object, args: readonly unknown[]): Promise<unknown> {
    const { original, options } = this.definition;
    const stores = !this.host.closed && options.condition?.(...args) !== false;
    const result = await original.apply(self, args as unknown[]);
    if (stores) await this.store(self, args, result);
    return result;
  }

  /** The method has succeeded: whatever goes wrong here is reported, not thrown. */
  private async store(self: object, args: readonly unknown[], result: unknown): Promise<void> {
    const { definition } = this;
    const judged = judgeResult(definition, result, args);
    try {
      this.prepare();
      const id = scopedId(definition, self, definition.options.key!(result, ...args));
      if (judged === null) {
        // Not to be stored; what was stored before is not the method's result any more.
        await this.namespace!.delete(id);
        return;
      }
      const options: SetOptions = { tags: [...listOf(definition.options.tags, ...args), ...judged.tagsOf] };
      if (judged.ttl !== undefined) options.ttl = judged.ttl;
      await this.namespace!.set(id, result, options);
    } catch (error) {
      reportError(definition, 'result not stored', error);
    }
  }
}
