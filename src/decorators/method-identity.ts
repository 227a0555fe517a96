import { hashParts } from '#tiered-cache';
import { DecoratorUsageError } from '../errors.js';
import { type AnyClass, classIdentity, type MethodDefinition } from './method-definition.js';

/**
 * The part of a default key that tells methods apart: concrete class, the class the method is written in (an override
 * and what it overrides are two methods), and name. Separators cannot occur in the parts.
 * @throws DecoratorUsageError for a class without a name
 */
export function methodIdentity(definition: MethodDefinition, concrete: AnyClass): string {
  const owner = definition.ownerClass;
  const parts =
    owner === concrete ? [classIdentity(concrete)] : [classIdentity(concrete), classIdentity(owner)];
  if (parts.includes(''))
    throw new DecoratorUsageError(
      `class of ${definition.label}`,
      '',
      "a class with a name, or with @CacheDefaults({ identity: '...' }), or a namespace and a key",
    );
  return [...parts, String(definition.method)].map(encodeURIComponent).join('/');
}

/** The default id. @throws InvalidKeyError for arguments that have no stable content */
export function defaultId(
  identity: string,
  args: readonly unknown[],
  scope: string | undefined,
  ignore: readonly number[] | undefined,
): string {
  const kept = ignore === undefined ? args : args.filter((_, position) => !ignore.includes(position));
  return `${identity}:${hashParts(scope === undefined ? kept : [scope, ...kept])}`;
}
