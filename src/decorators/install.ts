import { Inject, Optional } from '@nestjs/common';
import { getCacheToken } from '../cache.tokens.js';
import { DecoratorUsageError } from '../errors.js';
import { BOUND, type Bindable, bindInstance } from './bound.js';
import { checkMethodOptions } from './check-options.js';
import {
  type AnyMethod,
  MethodDefinition,
  type MethodKind,
  type MethodOptions,
  recordDefinition,
} from './method-definition.js';

/**
 * Replaces the method by a wrapper that is late bound: it finds, on the instance it is called on, the slot of the
 * application that made the instance. Wrapping at bootstrap would come too late (Nest registers routes before init
 * hooks, instances of request scope do not exist yet) and would share prototypes between applications. On an
 * instance that belongs to none (a class used outside Nest) the method is as it was written.
 */
export function installMethod(
  kind: MethodKind,
  options: MethodOptions,
  target: object,
  method: string | symbol,
  descriptor: PropertyDescriptor,
): void {
  const label = `@${kind}(${ownerName(target)}.${String(method)})`;
  const original: unknown = descriptor?.value;
  if (typeof target === 'function')
    throw new DecoratorUsageError(
      label,
      'a static method',
      'a method of instances: Nest makes no instance of a class itself',
    );
  if (typeof original !== 'function')
    throw new DecoratorUsageError(label, original, 'a method, not a property or an accessor');
  checkReturnType(label, target, method);
  checkMethodOptions(label, kind, options, method);
  const definition = new MethodDefinition(kind, target, method, options, original as AnyMethod);
  descriptor.value = wrapperOf(definition);
  recordDefinition(definition);
  injectCache(target, definition.cache);
}

/** Not async: a hit hands out the settled promise itself, without wrapping it in another. */
function wrapperOf({ index, original }: MethodDefinition): AnyMethod {
  function cached(this: unknown): Promise<unknown> {
    const slot = (this as Bindable | undefined)?.[BOUND]?.[index];
    // `arguments` instead of rest parameters: no array on the way of a hit.
    if (slot === undefined) return original.apply(this, arguments as unknown as unknown[]);
    if (arguments.length === 1) return slot.callOne(this as object, arguments[0]);
    if (arguments.length === 2 && slot.callTwo !== undefined)
      return slot.callTwo(this as object, arguments[0], arguments[1]);
    if (arguments.length === 0 && slot.callNone !== undefined) return slot.callNone(this as object);
    return slot.call(this as object, Array.prototype.slice.call(arguments));
  }
  copyIdentity(original, cached);
  return cached;
}

/** Name, length, own properties and own metadata: decorators above must see what those below wrote. */
function copyIdentity(from: object, to: object): void {
  for (const key of Reflect.ownKeys(from)) {
    if (key === 'prototype' || key === 'arguments' || key === 'caller') continue;
    Object.defineProperty(to, key, Object.getOwnPropertyDescriptor(from, key)!);
  }
  for (const key of Reflect.getOwnMetadataKeys(from) as unknown[])
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, from), to);
}

/**
 * Registers an optional property injection of the cache; its setter binds the instance. Optional, so that classes
 * can be used in modules without caches (tests); a module that has caches, but not this one, is reported at boot.
 */
export function injectCache(target: object, cache: string): void {
  const key = injectionKey(cache);
  if (key in target) return;
  Object.defineProperty(target, key, {
    configurable: true,
    enumerable: false,
    get: () => undefined,
    set(this: object, value: unknown) {
      bindInstance(this, value);
    },
  });
  Inject(getCacheToken(cache))(target, key);
  Optional()(target, key);
}

const keys = new Map<string, symbol>();

function injectionKey(cache: string): symbol {
  let key = keys.get(cache);
  if (key === undefined) keys.set(cache, (key = Symbol(`Strata:inject:${cache}`)));
  return key;
}

/**
 * Without an annotation TypeScript writes `undefined` for methods that are not async: nothing is known then. An
 * annotation of a type alias or generic is written as Object.
 */
function checkReturnType(label: string, target: object, method: string | symbol): void {
  const type: unknown = Reflect.getMetadata('design:returntype', target, method);
  if (type === undefined || type === Promise || type === Object) return;
  throw new DecoratorUsageError(`${label} returns`, (type as { name?: string }).name ?? type, 'a Promise');
}

function ownerName(target: object): string {
  return typeof target === 'function' ? target.name : target.constructor.name;
}
