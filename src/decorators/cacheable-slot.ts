import { type CacheNamespace, type GetOrSetOptions, ReentrantLoadError } from '#tiered-cache';
import { DecoratorUsageError } from '../errors.js';
import type { MethodSlot } from './bound.js';
import { type CacheHost, METHODS_NAMESPACE, scopedId, scopeOf } from './cache-host.js';
import { CallMemory, type RememberedCall } from './call-memory.js';
import type { ClassTable } from './method-bindings.js';
import type { AnyClass, MethodDefinition, MethodOptions } from './method-definition.js';
import { defaultId, methodIdentity } from './method-identity.js';
import { innermost, type OwnLoads } from './own-loads.js';
import { callOptions, fixedOptions } from './store-rules.js';

/** `@Cacheable` on one class in one application. */
export class CacheableSlot implements MethodSlot {
  private readonly calls = new CallMemory();
  private readonly loads: OwnLoads;
  private readonly fixed: GetOrSetOptions | undefined;
  /** Made of class and method; null when namespace and key say all. */
  readonly identity: string | null;
  private readonly condition: MethodOptions['condition'];
  private readonly remembers: boolean;
  private namespace: CacheNamespace<unknown> | null = null;

  constructor(
    private readonly definition: MethodDefinition,
    concrete: AnyClass,
    private readonly host: CacheHost,
    private readonly table: ClassTable,
  ) {
    const { key, scope, condition, minPosition } = definition.options;
    this.condition = condition;
    const name = definition.namespace;
    this.identity = name !== undefined && key !== undefined ? null : methodIdentity(definition, concrete);
    this.loads = host.loadsOf(name ?? METHODS_NAMESPACE);
    this.fixed = fixedOptions(definition);
    // A scope is asked of the instance at every call; positions are as many as writes.
    this.remembers = scope === undefined && minPosition === undefined;
    const hasTtl = (definition.options.ttl ?? definition.defaults.ttl) !== undefined;
    if ((name ?? METHODS_NAMESPACE) === METHODS_NAMESPACE && !hasTtl && !host.methodsHaveTtl)
      throw new DecoratorUsageError(
        `${definition.label}.ttl`,
        undefined,
        'a duration here, in @CacheDefaults, or as defaults.ttl of the CacheModule (entries live as long as you say); or a namespace',
      );
  }

  prepare(): void {
    this.namespace ??= this.host.namespaceOf(this.definition);
  }

  forget(): void {
    this.calls.clear();
  }

  callOne(self: object, argument: unknown): Promise<unknown> {
    const call = this.calls.one(argument);
    if (call !== undefined && this.condition === undefined && this.ready(call, self))
      return this.namespace!.getOrSetAgain(call);
    return this.read(self, [argument], call);
  }

  callNone(self: object): Promise<unknown> {
    const call = this.calls.none();
    if (call !== undefined && this.condition === undefined && this.ready(call, self))
      return this.namespace!.getOrSetAgain(call);
    return this.read(self, [], call);
  }

  callTwo(self: object, first: unknown, second: unknown): Promise<unknown> {
    const call = this.calls.two(first, second);
    if (call !== undefined && this.condition === undefined && this.ready(call, self))
      return this.namespace!.getOrSetAgain(call);
    return this.read(self, [first, second], call);
  }

  call(self: object, args: readonly unknown[]): Promise<unknown> {
    const call = this.calls.get(args);
    if (call !== undefined && this.condition === undefined && this.ready(call, self))
      return this.namespace!.getOrSetAgain(call);
    return this.read(self, args, call);
  }

  /** May the engine be asked at once? Not from inside a load, which may be this one. */
  private ready(call: RememberedCall, self: object): boolean {
    return call.self === self && innermost === null && !this.loads.pending(call.key);
  }

  private read(self: object, args: readonly unknown[], known: RememberedCall | undefined): Promise<unknown> {
    const { definition, loads } = this;
    const { original } = definition;
    if (this.host.closed) return original.apply(self, args as unknown[]);
    let call: RememberedCall;
    try {
      this.prepare();
      if (this.condition?.(...args) === false) return original.apply(self, args as unknown[]);
      const id = known?.id ?? this.idOf(self, args);
      const key = known?.key ?? this.namespace!.keyOf(id);
      if (loads.calling(key)) return original.apply(self, args as unknown[]);
      // A value that is there is handed out without waiting, whoever asks.
      if (loads.pending(key) && this.namespace!.peek(id) === undefined && loads.calledByLoadOf(key))
        throw new ReentrantLoadError(this.namespace!.name, id);
      call = known?.self === self ? known : this.callable(self, args, id, key);
      if (known === undefined && this.remembers) this.calls.set(args, call);
    } catch (error) {
      return Promise.reject(error);
    }
    const chosen = innermost?.loads === null ? { ...call.options, fresh: true } : call.options;
    return this.namespace!.getOrSet(call.id, call.loader, chosen);
  }

  private callable(self: object, args: readonly unknown[], id: string, key: string): RememberedCall {
    const { definition, loads } = this;
    return {
      id,
      key,
      self: this.table.only === self ? self : null,
      loader: () => loads.run(key, definition.original, self, args),
      options: callOptions(definition, this.fixed, args),
      slot: -1,
      generation: -1,
    };
  }

  private idOf(self: object, args: readonly unknown[]): string {
    const { definition, identity } = this;
    const { key, ignore } = definition.options;
    if (key === undefined) return defaultId(identity!, args, scopeOf(definition, self), ignore);
    const own = scopedId(definition, self, key(...args));
    return identity === null ? own : `${identity}:${own}`;
  }
}
