import { Injectable } from '@nestjs/common';
import { CacheDirectory } from '../cache.directory.js';
import { DuplicateClassError } from '../errors.js';
import { BOUND, type Bindable, type MethodSlot } from './bound.js';
import { CacheEvictSlot } from './cache-evict-slot.js';
import { CacheHost } from './cache-host.js';
import { CachePutSlot } from './cache-put-slot.js';
import { CacheableSlot } from './cacheable-slot.js';
import { type AnyClass, classIdentity, definitionsOf, type MethodDefinition } from './method-definition.js';

interface PreparedSlot extends MethodSlot {
  /** @throws DecoratorUsageError when its namespace does not exist */
  prepare(): void;
  forget(): void;
}

/** The decorated methods of one class in one application. */
export interface ClassTable {
  readonly slots: (PreparedSlot | undefined)[];
  /** The class's instance while it has a single one; null once it has several; undefined before the first. */
  only: object | null | undefined;
}

/**
 * Ties decorated methods to the caches of one application. There is one per application, and the tables are its own,
 * so applications that share classes share nothing else.
 */
@Injectable()
export class MethodBindings {
  private readonly tables = new Map<AnyClass, ClassTable>();
  private readonly hosts = new Map<string, CacheHost>();
  /** Who has which name, per cache: default keys are made of it. */
  private readonly identities = new Map<string, AnyClass>();

  constructor(private readonly directory: CacheDirectory) {}

  /** Makes the decorated methods of `instance` cached ones. Repeated calls change nothing. */
  bind(instance: object & Bindable): void {
    const type = (Object.getPrototypeOf(instance) as { constructor: AnyClass }).constructor;
    const table = this.tableOf(type);
    if (table.only === undefined) table.only = instance;
    else if (table.only !== null && table.only !== instance) {
      // Several instances (request scope): nothing may hold on to one of them any more.
      table.only = null;
      for (const slot of table.slots) slot?.forget();
    }
    if (instance[BOUND] !== table.slots)
      Object.defineProperty(instance, BOUND, {
        value: table.slots,
        configurable: true,
        enumerable: false,
        writable: true,
      });
  }

  /**
   * The table of a class, with the slots of all caches that exist by now.
   * @throws DecoratorUsageError, DuplicateClassError
   */
  tableOf(type: AnyClass): ClassTable {
    let table = this.tables.get(type);
    if (table === undefined) this.tables.set(type, (table = { slots: [], only: undefined }));
    for (const definition of definitionsOf(type))
      if (table.slots[definition.index] === undefined) {
        const host = this.hostOf(definition.cache);
        if (host !== undefined) table.slots[definition.index] = this.slotOf(definition, type, host, table);
      }
    return table;
  }

  /** From now on the methods of this cache are as they were written: it is closed. */
  release(cache: string): void {
    const host = this.hosts.get(cache);
    if (host === undefined) return;
    host.closed = true;
    for (const { slots } of this.tables.values()) for (const slot of slots) slot?.forget();
  }

  private slotOf(
    definition: MethodDefinition,
    type: AnyClass,
    host: CacheHost,
    table: ClassTable,
  ): PreparedSlot {
    if (definition.kind === 'CachePut') return new CachePutSlot(definition, host);
    if (definition.kind === 'CacheEvict') return new CacheEvictSlot(definition, host);
    const slot = new CacheableSlot(definition, type, host, table);
    if (slot.identity !== null) {
      this.claimIdentity(type, definition.cache);
      if (definition.ownerClass !== type) this.assertOtherName(definition, type);
    }
    return slot;
  }

  private claimIdentity(type: AnyClass, cache: string): void {
    const name = classIdentity(type);
    const claim = `${cache}:${name}`;
    const holder = this.identities.get(claim);
    if (holder !== undefined && holder !== type) throw new DuplicateClassError(name, cache);
    this.identities.set(claim, type);
  }

  /** A class that extends one of its own name would share default keys with what it overrides. */
  private assertOtherName({ ownerClass, cache }: MethodDefinition, type: AnyClass): void {
    const name = classIdentity(type);
    if (classIdentity(ownerClass) === name) throw new DuplicateClassError(name, cache);
  }

  private hostOf(name: string): CacheHost | undefined {
    let host = this.hosts.get(name);
    if (host === undefined) {
      const entry = this.directory.get(name);
      if (entry === undefined) return undefined;
      this.hosts.set(name, (host = new CacheHost(entry.cache, entry.options)));
    }
    return host;
  }
}
