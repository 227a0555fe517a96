import type { Duration, Ttl } from '#tiered-cache';
import { DEFAULT_CACHE } from '../cache.names.js';
import type { CacheDefaultsOptions } from './decorator-types.js';

export type AnyMethod = (this: unknown, ...args: readonly unknown[]) => Promise<unknown>;
export type AnyClass = abstract new (...args: never[]) => unknown;
type Callback<Out> = (...args: readonly unknown[]) => Out;

/** The options of all three decorators as the machinery sees them: the method's types are gone. */
export interface MethodOptions {
  cache?: string;
  namespace?: string;
  scope?: (self: unknown) => string;
  condition?: Callback<boolean>;
  key?: Callback<string | readonly string[]>;
  keyOf?: Callback<string | readonly string[]>;
  ttl?: Ttl | Callback<Ttl>;
  unless?: Callback<boolean>;
  tags?: readonly string[] | Callback<readonly string[]>;
  tagsOf?: Callback<readonly string[]>;
  track?: boolean;
  ignore?: readonly number[];
  minPosition?: Callback<string | undefined>;
  grace?: Duration;
  staleWhileRevalidate?: Duration;
  softTimeout?: Duration;
  hardTimeout?: Duration;
  all?: boolean;
  when?: 'after' | 'before';
}

export type MethodKind = 'Cacheable' | 'CachePut' | 'CacheEvict';

/** One use of a decorator: what was said of one method of one class. */
export class MethodDefinition {
  /** Position of its slot in every table; unique in the process, so that tables need no search. */
  readonly index = nextIndex++;

  constructor(
    readonly kind: MethodKind,
    /** The prototype it was written on. */
    readonly owner: object,
    readonly method: string | symbol,
    readonly options: MethodOptions,
    /** What the decorator found: the method, or what decorators below made of it. */
    readonly original: AnyMethod,
  ) {}

  get ownerClass(): AnyClass {
    return this.owner.constructor as AnyClass;
  }

  /** For messages: `@Cacheable(InstrumentService.find)`. */
  get label(): string {
    return `@${this.kind}(${this.ownerClass.name}.${String(this.method)})`;
  }

  /** Read late: class decorators run after those of methods. */
  get defaults(): CacheDefaultsOptions {
    return classDefaults(this.ownerClass);
  }

  get cache(): string {
    return this.options.cache ?? this.defaults.cache ?? DEFAULT_CACHE;
  }

  get namespace(): string | undefined {
    return this.options.namespace ?? this.defaults.namespace;
  }
}

let nextIndex = 0;
const definitions = new WeakMap<object, MethodDefinition[]>();
const defaults = new WeakMap<object, CacheDefaultsOptions>();

export function recordDefinition(definition: MethodDefinition): void {
  const own = definitions.get(definition.owner);
  if (own === undefined) definitions.set(definition.owner, [definition]);
  else own.push(definition);
}

/** All definitions an instance of the class has, inherited and overridden (reached by `super`) ones included. */
export function definitionsOf(type: AnyClass): MethodDefinition[] {
  return chainOf(type.prototype as object | null).flatMap((prototype) => definitions.get(prototype) ?? []);
}

/** Same, of an object, whatever made it. */
export function definitionsOfInstance(instance: unknown): MethodDefinition[] {
  if (typeof instance !== 'object' || instance === null) return [];
  return chainOf(instance).flatMap((prototype) => definitions.get(prototype) ?? []);
}

export function recordDefaults(type: AnyClass, options: CacheDefaultsOptions): void {
  defaults.set(type, options);
}

/** Of the class and, under them, of the classes it extends. */
export function classDefaults(type: AnyClass): CacheDefaultsOptions {
  const chain = chainOf(type)
    .map((one) => defaults.get(one))
    .filter((one) => one !== undefined);
  return Object.assign({}, ...chain.reverse()) as CacheDefaultsOptions;
}

/** Stands for the class in keys. */
export function classIdentity(type: AnyClass): string {
  return defaults.get(type)?.identity ?? type.name;
}

function chainOf(start: object | null): object[] {
  const chain: object[] = [];
  for (
    let at = start;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at) as object | null
  )
    chain.push(at);
  return chain;
}
