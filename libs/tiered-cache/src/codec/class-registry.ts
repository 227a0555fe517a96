import { InvalidOptionsError } from '../errors.js';
import type { RegisteredClass } from './codec.js';

/** Names the rich codec keeps for itself. */
const RESERVED = new Set(['Buffer', 'Error']);

/** The classes whose instances keep their type, by prototype (writing) and by name (reading). */
export class ClassRegistry {
  readonly #byPrototype = new Map<object, RegisteredClass>();
  readonly #byName = new Map<string, RegisteredClass>();

  /** @throws InvalidOptionsError for a missing or doubled name, a doubled type, or something that is no class. */
  constructor(classes: readonly RegisteredClass[]) {
    for (const [index, entry] of classes.entries()) this.add(entry, `classes[${index}]`);
  }

  /** The registration of exactly this object's class: a subclass needs its own. */
  of(instance: object): RegisteredClass | undefined {
    return this.#byPrototype.size === 0 ? undefined : this.#byPrototype.get(Object.getPrototypeOf(instance));
  }

  /** Is this class registered, under whatever name? */
  has(type: RegisteredClass['type']): boolean {
    return this.#byPrototype.has(type.prototype as object);
  }

  named(name: string): RegisteredClass | undefined {
    return this.#byName.get(name);
  }

  /** @throws InvalidOptionsError as the constructor, naming `option`. */
  add(entry: RegisteredClass, option: string): void {
    if (typeof entry !== 'object' || entry === null) {
      throw new InvalidOptionsError(option, entry, '{ name, type, serialise?, deserialise? }');
    }
    const { name, type } = entry;
    if (typeof name !== 'string' || name === '' || RESERVED.has(name)) {
      throw new InvalidOptionsError(
        `${option}.name`,
        name,
        `a non-empty string other than ${[...RESERVED].join(', ')}`,
      );
    }
    const prototype: unknown = typeof type === 'function' ? type.prototype : undefined;
    // Object and Array themselves would claim every plain value.
    if (
      typeof prototype !== 'object' ||
      prototype === null ||
      Object.getPrototypeOf(prototype) === null ||
      Array.isArray(prototype)
    ) {
      throw new InvalidOptionsError(`${option}.type`, type, 'a class with a prototype of its own');
    }
    for (const part of ['serialise', 'deserialise'] as const) {
      const fn: unknown = entry[part];
      if (fn !== undefined && typeof fn !== 'function')
        throw new InvalidOptionsError(`${option}.${part}`, fn, 'a function');
    }
    if (this.#byName.has(name)) throw new InvalidOptionsError(`${option}.name`, name, 'a name used once');
    if (this.#byPrototype.has(prototype))
      throw new InvalidOptionsError(`${option}.type`, type, 'a class registered once');
    this.#byName.set(name, entry);
    this.#byPrototype.set(prototype, entry);
  }
}
