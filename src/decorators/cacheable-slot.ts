import { type CacheNamespace, type GetOrSetOptions, type Loader, ReentrantLoadError } from '#tiered-cache';
import { DecoratorUsageError } from '../errors.js';
import type { MethodSlot } from './bound.js';
import { type CacheHost, METHODS_NAMESPACE, scopedId, scopeOf } from './cache-host.js';
import type { ClassTable } from './method-bindings.js';
import type { AnyClass, MethodDefinition } from './method-definition.js';
import { defaultId, methodIdentity } from './method-identity.js';
import { innermost, type OwnLoads } from './own-loads.js';
import { callOptions, fixedOptions } from './store-rules.js';

/** What a call with one primitive argument needs, made once: a hit makes no closure, array or object. */
interface RememberedCall {
  id: string;
  /** The id as the engine keeps it, normalised: what tells one load from another. */
  key: string;
  /** Null when the class has several instances: then only the id is remembered. */
  self: object | null;
  loader: Loader<unknown>;
  options: GetOrSetOptions | undefined;
}

/** Then the memory of calls is dropped and begins anew. */
const MAX_REMEMBERED = 10_000;
/** Longer arguments are not held on to. */
const MAX_REMEMBERED_LENGTH = 256;

/** `@Cacheable` on one class in one application. */
export class CacheableSlot implements MethodSlot {
  private readonly calls = new Map<unknown, RememberedCall>();
  private readonly loads: OwnLoads;
  private readonly fixed: GetOrSetOptions | undefined;
  /** Made of class and method; null when namespace and key say all. */
  readonly identity: string | null;
  private readonly remembers: boolean;
  private namespace: CacheNamespace<unknown> | null = null;

  constructor(
    private readonly definition: MethodDefinition,
    concrete: AnyClass,
    private readonly host: CacheHost,
    private readonly table: ClassTable,
  ) {
    const { key, scope, condition } = definition.options;
    const name = definition.namespace;
    this.identity = name !== undefined && key !== undefined ? null : methodIdentity(definition, concrete);
    this.loads = host.loadsOf(name ?? METHODS_NAMESPACE);
    this.fixed = fixedOptions(definition);
    this.remembers = scope === undefined && condition === undefined;
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
    const call = this.calls.get(argument);
    if (call === undefined) return this.read(self, [argument], undefined);
    if (call.self === self && innermost === null && !this.loads.pending(call.key))
      return this.namespace!.getOrSet(call.id, call.loader, call.options);
    return this.read(self, [argument], call.id);
  }

  call(self: object, args: readonly unknown[]): Promise<unknown> {
    return this.read(self, args, undefined);
  }

  private read(self: object, args: readonly unknown[], knownId: string | undefined): Promise<unknown> {
    const { definition, loads } = this;
    const { original, options } = definition;
    if (this.host.closed) return original.apply(self, args as unknown[]);
    let id: string;
    let callable: RememberedCall;
    try {
      this.prepare();
      if (options.condition?.(...args) === false) return original.apply(self, args as unknown[]);
      id = knownId ?? this.idOf(self, args);
      const key = this.namespace!.keyOf(id);
      if (loads.calling(key)) return original.apply(self, args as unknown[]);
      // A value that is there is handed out without waiting, whoever asks.
      if (loads.pending(key) && this.namespace!.peek(id) === undefined && loads.calledByLoadOf(key))
        throw new ReentrantLoadError(this.namespace!.name, id);
      callable = this.callable(self, args, id, key);
      if (knownId === undefined) this.remember(args, callable);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    return this.namespace!.getOrSet(id, callable.loader, callable.options);
  }

  private callable(self: object, args: readonly unknown[], id: string, key: string): RememberedCall {
    const { definition, loads } = this;
    return {
      id,
      key,
      self: this.table.only === self ? self : null,
      loader: () => loads.run(key, definition.original, self, args),
      options: callOptions(definition, this.fixed, args),
    };
  }

  private remember(args: readonly unknown[], call: RememberedCall): void {
    if (!this.remembers || args.length !== 1 || !isSmallPrimitive(args[0])) return;
    if (this.calls.size >= MAX_REMEMBERED) this.calls.clear();
    this.calls.set(args[0], call);
  }

  private idOf(self: object, args: readonly unknown[]): string {
    const { definition, identity } = this;
    const { key, ignore } = definition.options;
    if (key === undefined) return defaultId(identity!, args, scopeOf(definition, self), ignore);
    const own = scopedId(definition, self, key(...args));
    return identity === null ? own : `${identity}:${own}`;
  }
}

function isSmallPrimitive(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= MAX_REMEMBERED_LENGTH;
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint';
}
