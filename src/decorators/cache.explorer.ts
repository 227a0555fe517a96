import { Injectable, type OnModuleInit, type Type } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { CacheDirectory } from '../cache.directory.js';
import { getCacheToken } from '../cache.tokens.js';
import { CacheNotFoundError, CacheNotVisibleError } from '../errors.js';
import { MethodBindings } from './method-bindings.js';
import {
  type AnyClass,
  definitionsOf,
  definitionsOfInstance,
  type MethodDefinition,
} from './method-definition.js';

type Module = ModulesContainer extends Map<string, infer M> ? M : never;
type Wrapper = Module['providers'] extends Map<unknown, infer W> ? W : never;

/**
 * Runs when all providers are there and before any other module's hook. Binds what property injection does not
 * reach (objects that a factory or a value provided), and fails the boot for whatever is decorated and could not
 * work: it would be silently uncached otherwise.
 */
@Injectable()
export class CacheExplorer implements OnModuleInit {
  constructor(
    private readonly modules: ModulesContainer,
    private readonly directory: CacheDirectory,
    private readonly bindings: MethodBindings,
  ) {}

  onModuleInit(): void {
    this.directory.assertComplete();
    for (const module of this.modules.values())
      for (const collection of [module.providers, module.controllers, module.injectables] as Map<
        unknown,
        Wrapper
      >[])
        for (const wrapper of collection.values()) this.explore(module, wrapper);
  }

  private explore(module: Module, wrapper: Wrapper): void {
    if (wrapper.isAlias) return;
    if (wrapper.isNotMetatype) {
      const instance: unknown = wrapper.instance;
      const definitions = definitionsOfInstance(instance);
      if (definitions.length === 0) return;
      this.assertVisible(module, definitions);
      const type = (Object.getPrototypeOf(instance) as { constructor: AnyClass }).constructor;
      this.prepare(type);
      this.bindings.bind(instance as object);
      return;
    }
    const type = wrapper.metatype as Type | null;
    if (typeof type !== 'function' || definitionsOf(type).length === 0) return;
    this.assertVisible(module, definitionsOf(type));
    this.prepare(type);
  }

  /** Request-scoped classes too, before their first instance. */
  private prepare(type: AnyClass): void {
    for (const slot of this.bindings.tableOf(type).slots) slot?.prepare();
  }

  private assertVisible(module: Module, definitions: readonly MethodDefinition[]): void {
    for (const definition of definitions) {
      const name = definition.cache;
      if (this.directory.get(name) === undefined)
        throw new CacheNotFoundError(definition.label, name, this.directory.names);
      if (!sees(module, getCacheToken(name), new Set()))
        throw new CacheNotVisibleError(definition.label, module.name, name);
    }
  }
}

/** As Nest looks a token up: in the module, then in what it imports, through what those export in turn. */
function sees(module: Module, token: unknown, visited: Set<Module>): boolean {
  if (module.providers.has(token as Type)) return true;
  for (const imported of module.imports) if (exports(imported, token, visited)) return true;
  return false;
}

function exports(module: Module, token: unknown, visited: Set<Module>): boolean {
  if (visited.has(module)) return false;
  visited.add(module);
  if (module.exports.has(token as Type) && module.providers.has(token as Type)) return true;
  for (const imported of module.imports)
    if (module.exports.has(imported.metatype) && exports(imported, token, visited)) return true;
  return false;
}
