import type { CacheService } from '../cache.service.js';
import type { MethodBindings } from './method-bindings.js';

/** What a decorated method does once its instance belongs to an application. */
export interface MethodSlot {
  /** One argument, the commonest case, without an array made for it. */
  callOne(self: object, argument: unknown): Promise<unknown>;
  callNone?(self: object): Promise<unknown>;
  callTwo?(self: object, first: unknown, second: unknown): Promise<unknown>;
  call(self: object, args: readonly unknown[]): Promise<unknown>;
}

/** The slots of an instance's class in its application, by the index of the definition. Not enumerable. */
export const BOUND = Symbol('Strata:bound');

export interface Bindable {
  [BOUND]?: (MethodSlot | undefined)[];
}

/** The bindings of the application that a cache belongs to; none for a double that a test put in its place. */
const bindingsOfCache = new WeakMap<object, MethodBindings>();

export function linkBindings(cache: CacheService, bindings: MethodBindings): void {
  bindingsOfCache.set(cache, bindings);
}

/** Called by Nest's property injection, for every instance Nest makes, of whatever scope. */
export function bindInstance(instance: object, cache: unknown): void {
  if (typeof cache !== 'object' || cache === null) return;
  bindingsOfCache.get(cache)?.bind(instance);
}

/** The cache closes. */
export function releaseMethods(cache: CacheService): void {
  bindingsOfCache.get(cache)?.release(cache.name);
}
