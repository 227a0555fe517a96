/**
 * Every error the engine throws carries a stable code; docs/errors.md lists them with cause and cure.
 * Faults of the cache itself never reach the caller of a read or a write: these are errors of *use*,
 * thrown at the earliest moment and with nothing stored.
 */
export type StrataErrorCode =
  | 'STRATA_INVALID_OPTIONS'
  | 'STRATA_UNKNOWN_NAMESPACE'
  | 'STRATA_INVALID_KEY'
  | 'STRATA_INVALID_TAG'
  | 'STRATA_INVALID_TTL'
  | 'STRATA_UNSERIALISABLE'
  | 'STRATA_ENTRY_TOO_LARGE'
  | 'STRATA_LOADER_TIMEOUT'
  | 'STRATA_REENTRANT_LOAD'
  | 'STRATA_UNTRACKED_READ'
  | 'STRATA_MISSING_PACKAGE'
  | 'STRATA_CLOSED'
  | 'STRATA_REMOTE_UNAVAILABLE'
  | 'STRATA_REMOTE_PROTOCOL'
  | 'STRATA_CORRUPT_ENTRY';

/** Base of all typed errors. `details` holds plain data, never cached values or secrets. */
export class StrataError extends Error {
  constructor(
    readonly code: StrataErrorCode,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** An option is wrong. The message names the option, the value and what is allowed. */
export class InvalidOptionsError extends StrataError {
  constructor(option: string, value: unknown, allowed: string) {
    super('STRATA_INVALID_OPTIONS', `Option "${option}" is ${show(value)}; allowed: ${allowed}.`, {
      option,
      allowed,
    });
  }
}

export class UnknownNamespaceError extends StrataError {
  constructor(namespace: unknown, known: readonly string[]) {
    super(
      'STRATA_UNKNOWN_NAMESPACE',
      `Namespace ${show(namespace)} is not declared; declared: ${known.join(', ') || 'none'}.`,
      { namespace, known },
    );
  }
}

export class InvalidKeyError extends StrataError {
  constructor(value: unknown, why: string) {
    super('STRATA_INVALID_KEY', `Key ${show(value)} ${why}.`, { why });
  }
}

export class InvalidTagError extends StrataError {
  constructor(value: unknown, why: string) {
    super('STRATA_INVALID_TAG', `Tag ${show(value)} ${why}.`, { why });
  }
}

export class InvalidTtlError extends StrataError {
  constructor(value: unknown, why: string) {
    super('STRATA_INVALID_TTL', `TTL ${show(value)} ${why}.`, { why });
  }
}

/** The value cannot be stored without losing something (function, symbol, unregistered class, ...). */
export class UnserialisableValueError extends StrataError {
  constructor(why: string, options?: ErrorOptions) {
    super('STRATA_UNSERIALISABLE', `Value cannot be cached: ${why}.`, { why }, options);
  }
}

export class EntryTooLargeError extends StrataError {
  constructor(bytes: number, limit: number) {
    super('STRATA_ENTRY_TOO_LARGE', `Entry of ${bytes} bytes is above the limit of ${limit} bytes.`, {
      bytes,
      limit,
    });
  }
}

/** An option needs an optional package that is not installed. */
export class MissingPackageError extends StrataError {
  constructor(name: string, option: string, options?: ErrorOptions) {
    super(
      'STRATA_MISSING_PACKAGE',
      `Package "${name}" cannot be loaded, which ${option} needs: npm install ${name}.`,
      { package: name, option },
      options,
    );
  }
}

/** The loader ran longer than `hardTimeout` and no stale value was allowed in its place. */
export class LoaderTimeoutError extends StrataError {
  constructor(namespace: string, id: string, ms: number) {
    super('STRATA_LOADER_TIMEOUT', `Loader of ${namespace}:${id} gave no answer within ${ms} ms.`, {
      namespace,
      id,
      ms,
    });
  }
}

/** A loader asked, asynchronously, for the very key it is loading: waiting would never end. */
export class ReentrantLoadError extends StrataError {
  constructor(namespace: string, id: string) {
    super('STRATA_REENTRANT_LOAD', `The loader of ${namespace}:${id} waits for its own result.`, {
      namespace,
      id,
    });
  }
}

/** What a tracked loader has read is not wholly known: the value is returned, not stored (docs/tracking.md). */
export class UntrackedReadError extends StrataError {
  constructor(why: string) {
    super('STRATA_UNTRACKED_READ', `A tracked load is not stored: ${why}.`, { why });
  }
}

export class CacheClosedError extends StrataError {
  constructor() {
    super('STRATA_CLOSED', 'The cache is closed.');
  }
}

/** Internal to the engine: the shared tier gave no (usable) answer. Never reaches a caller of a read. */
export class RemoteUnavailableError extends StrataError {
  constructor(
    message: string,
    options?: ErrorOptions,
    /** It answered, with an error of this one command (out of memory, wrong type): no reason to doubt the connection. */
    readonly answered = false,
  ) {
    super('STRATA_REMOTE_UNAVAILABLE', message, {}, options);
  }
}

/** Internal: bytes that are not an entry of this version, schema and checksum. Counted, then a miss. */
export class CorruptEntryError extends StrataError {
  constructor(readonly reason: 'format' | 'version' | 'checksum' | 'schema' | 'codec' | 'payload') {
    super('STRATA_CORRUPT_ENTRY', `Stored entry rejected: ${reason}.`, { reason });
  }
}

/** A short, safe rendering of a wrong value for an error message. */
export function show(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (value === null || ['number', 'boolean', 'undefined', 'bigint'].includes(typeof value))
    return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === 'object'
    ? `an object (${value?.constructor?.name ?? 'no prototype'})`
    : `a ${typeof value}`;
}
