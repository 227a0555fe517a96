import { type Clock, systemClock } from './clock.js';
import type { RegisteredClass } from './codec/codec.js';
import type { CodecName } from './codec/codecs.js';
import { type CompressionAlgorithm, compressionAlgorithms } from './codec/compression.js';
import { durationMs, MAX_TTL_MS, type Ttl, ttlMs } from './duration.js';
import { InvalidOptionsError, InvalidTtlError } from './errors.js';
import type { Consistency, NamespaceOptions, TieredCacheOptions, ValueSafety } from './options.js';
import type { RemoteTier } from './remote/remote-tier.js';

/** The longest a loader is waited for: what timers can measure (24 days). */
export const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** All defaults of the engine, in one place. Times in milliseconds. */
export const DEFAULTS = {
  name: 'default',
  prefix: 'strata',
  maxEntries: 10_000,
  maxBytes: 100 * 1024 * 1024,
  stalenessBoundMs: 500,
  negativeTtlMs: 60_000,
  leaseMs: 10_000,
  maxEntryBytes: 1024 * 1024,
  codec: 'json',
  compressionThreshold: 4_096,
} as const;

/** A loader that just makes its hard timeout still has time to store. */
const LEASE_MARGIN_MS = 1_000;

export interface ResolvedOptions {
  name: string;
  prefix: string;
  maxEntries: number;
  maxBytes: number;
  boundMs: number;
  remote: RemoteTier | null;
  classes: readonly RegisteredClass[];
  clock: Clock;
  random: () => number;
  defaults: Partial<NamespaceOptions>;
}

export interface ResolvedNamespace {
  name: string;
  /** Infinity = for ever. */
  ttlMs: number;
  l1: boolean;
  l2: boolean;
  consistency: Consistency;
  values: ValueSafety;
  sliding: boolean;
  jitter: number;
  /** null: not cached. */
  negativeTtlMs: number | null;
  graceMs: number;
  swrMs: number;
  softTimeoutMs: number | null;
  hardTimeoutMs: number | null;
  refreshAhead: number | 'xfetch' | null;
  errorTtlMs: number | null;
  onRemoteLoss: 'load' | 'serve-local' | 'second-bus';
  fillBehind: boolean;
  leaseMs: number;
  maxEntryBytes: number;
  codec: CodecName;
  compression: CompressionAlgorithm | null;
  compressionThreshold: number;
  normalizeId: ((id: string) => string) | null;
  schema: string;
}

/** @throws InvalidOptionsError */
export function resolveOptions(options: TieredCacheOptions): ResolvedOptions {
  onlyKnown('', options, OPTIONS);
  onlyKnown('l1.', options.l1 ?? {}, ['maxEntries', 'maxBytes']);
  const { remote = null } = options;
  if (remote !== null && typeof (remote as Partial<RemoteTier>).acquire !== 'function')
    throw new InvalidOptionsError('remote', remote, 'a tier (createRedisTier, createInProcessTier), or null');
  const {
    name = DEFAULTS.name,
    prefix = DEFAULTS.prefix,
    stalenessBound = DEFAULTS.stalenessBoundMs,
  } = options;
  const { maxEntries = DEFAULTS.maxEntries, maxBytes = DEFAULTS.maxBytes } = options.l1 ?? {};
  text('name', name, /^[\w.-]{1,64}$/, '1 to 64 letters, digits, dots, dashes, underscores');
  text('prefix', prefix, /^[\w.:-]{1,64}$/, '1 to 64 letters, digits, dots, colons, dashes, underscores');
  integer('l1.maxEntries', maxEntries, 1, 16_000_000);
  integer('l1.maxBytes', maxBytes, 1_024, Number.MAX_SAFE_INTEGER);
  return {
    name,
    prefix,
    maxEntries,
    maxBytes,
    boundMs: duration('stalenessBound', stalenessBound, 50, 60_000),
    remote,
    classes: options.classes ?? [],
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    defaults: options.defaults ?? {},
  };
}

const NAMESPACE = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** @throws InvalidOptionsError naming `namespaces.<name>.<option>` */
export function resolveNamespace(
  name: string,
  own: NamespaceOptions,
  defaults: Partial<NamespaceOptions>,
  embedded: boolean,
): ResolvedNamespace {
  text(
    'namespaces',
    name,
    NAMESPACE,
    'names of 1 to 64 letters, digits, dashes and underscores that begin with a letter',
  );
  const at = (option: keyof NamespaceOptions) => `namespaces.${name}.${option}`;
  if (typeof own !== 'object' || own === null)
    throw new InvalidOptionsError(`namespaces.${name}`, own, 'an object of options');
  const options: NamespaceOptions = { ...defaults, ...own };
  onlyKnown(`namespaces.${name}.`, options, KNOWN);
  const { consistency = 'bounded', values = 'frozen', tiers = ['l1', 'l2'] } = options;
  oneOf(at('consistency'), consistency, ['bounded', 'strict', 'local']);
  oneOf(at('values'), values, ['frozen', 'cloned', 'shared']);
  if (!Array.isArray(tiers) || tiers.length === 0)
    throw new InvalidOptionsError(at('tiers'), tiers, "a list of 'l1' and 'l2'");
  for (const tier of tiers) oneOf(at('tiers'), tier, ['l1', 'l2']);
  const wantsL2 = tiers.includes('l2') && consistency !== 'local';
  // Without a shared tier there is one copy, and it is dropped synchronously: L1 is as strict as it gets.
  const l1 = embedded || (tiers.includes('l1') && consistency !== 'strict');
  if (!l1 && !wantsL2)
    throw new InvalidOptionsError(at('tiers'), tiers.join(','), `'l2' for consistency '${consistency}'`);
  const life = requiredTtl(at('ttl'), options.ttl);
  const hardTimeoutMs = optionalDuration(at('hardTimeout'), options.hardTimeout, 1, MAX_TIMEOUT_MS);
  const refreshAhead = options.refreshAhead ?? null;
  if (refreshAhead !== null && refreshAhead !== 'xfetch')
    number(at('refreshAhead'), refreshAhead, 0.1, 0.99, "0.1 to 0.99, or 'xfetch'");
  if (options.normalizeId !== undefined && typeof options.normalizeId !== 'function')
    throw new InvalidOptionsError(at('normalizeId'), options.normalizeId, 'a function');
  oneOf(at('onRemoteLoss'), options.onRemoteLoss ?? 'load', ['load', 'serve-local', 'second-bus']);
  const { codec = DEFAULTS.codec } = options;
  oneOf(at('codec'), codec, ['json', 'msgpack']);
  const compression = compressionOf(at('compression'), options.compression);
  oneOf(at('fill'), options.fill ?? 'before', ['before', 'behind']);
  const schema = options.schema ?? '';
  text(
    at('schema'),
    schema,
    /^[\w.:-]{0,64}$/,
    'up to 64 letters, digits, dots, colons, dashes, underscores',
  );
  return {
    name,
    ttlMs: life,
    l1,
    l2: wantsL2 && !embedded,
    consistency,
    values,
    sliding: flag(at('sliding'), options.sliding ?? false),
    jitter: number(at('jitter'), options.jitter ?? 0, 0, 0.5),
    negativeTtlMs:
      options.negativeTtl === false
        ? null
        : options.negativeTtl === undefined
          ? Math.min(life, DEFAULTS.negativeTtlMs)
          : duration(at('negativeTtl'), options.negativeTtl, 1),
    graceMs: optionalDuration(at('grace'), options.grace) ?? 0,
    swrMs: optionalDuration(at('staleWhileRevalidate'), options.staleWhileRevalidate) ?? 0,
    softTimeoutMs: optionalDuration(at('softTimeout'), options.softTimeout, 0, MAX_TIMEOUT_MS),
    hardTimeoutMs,
    refreshAhead,
    errorTtlMs: optionalDuration(at('errorTtl'), options.errorTtl),
    onRemoteLoss: options.onRemoteLoss ?? 'load',
    fillBehind: options.fill === 'behind',
    leaseMs:
      options.lease === undefined
        ? Math.min(
            3_600_000,
            Math.max(10, hardTimeoutMs === null ? DEFAULTS.leaseMs : hardTimeoutMs + LEASE_MARGIN_MS),
          )
        : duration(at('lease'), options.lease, 10, 3_600_000),
    maxEntryBytes: integer(
      at('maxEntryBytes'),
      options.maxEntryBytes ?? DEFAULTS.maxEntryBytes,
      64,
      512 * 1024 * 1024,
    ),
    codec,
    compression: compression.algorithm,
    compressionThreshold: compression.threshold,
    normalizeId: options.normalizeId ?? null,
    schema,
  };
}

const OPTIONS = [
  'name',
  'prefix',
  'l1',
  'remote',
  'stalenessBound',
  'namespaces',
  'defaults',
  'classes',
  'clock',
  'random',
] satisfies (keyof TieredCacheOptions)[];

const KNOWN = [
  'ttl',
  'tiers',
  'consistency',
  'values',
  'sliding',
  'jitter',
  'negativeTtl',
  'grace',
  'staleWhileRevalidate',
  'softTimeout',
  'hardTimeout',
  'refreshAhead',
  'errorTtl',
  'onRemoteLoss',
  'fill',
  'lease',
  'maxEntryBytes',
  'codec',
  'compression',
  'normalizeId',
  'schema',
] satisfies (keyof NamespaceOptions)[];

/** A misspelt option would silently be the default. */
function onlyKnown(path: string, options: object, known: readonly string[]): void {
  for (const [key, value] of Object.entries(options))
    if (!known.includes(key)) throw new InvalidOptionsError(path + key, value, `one of ${known.join(', ')}`);
}

function compressionOf(
  option: string,
  value: NamespaceOptions['compression'],
): { algorithm: CompressionAlgorithm | null; threshold: number } {
  const threshold = DEFAULTS.compressionThreshold;
  if (value === undefined || value === false) return { algorithm: null, threshold };
  const here = compressionAlgorithms();
  if (typeof value === 'object' && value !== null) {
    onlyKnown(`${option}.`, value, ['algorithm', 'threshold']);
    oneOf(`${option}.algorithm`, value.algorithm, here);
    const least = integer(`${option}.threshold`, value.threshold ?? threshold, 0, 512 * 1024 * 1024);
    return { algorithm: value.algorithm, threshold: least };
  }
  if (!here.includes(value))
    throw new InvalidOptionsError(
      option,
      value,
      `false, ${here.map((one) => `'${one}'`).join(', ')}, or { algorithm, threshold }`,
    );
  return { algorithm: value, threshold };
}

function requiredTtl(option: string, value: Ttl | undefined): number {
  const allowed = "a duration above zero ('30s', '5m', milliseconds), or 'forever'";
  if (value === undefined) throw new InvalidOptionsError(option, value, allowed);
  try {
    return ttlMs(value);
  } catch (error) {
    if (error instanceof InvalidTtlError) throw new InvalidOptionsError(option, value, allowed);
    throw error;
  }
}

function optionalDuration(option: string, value: unknown, min = 0, max = MAX_TTL_MS): number | null {
  return value === undefined ? null : duration(option, value, min, max);
}

function duration(option: string, value: unknown, min: number, max: number = MAX_TTL_MS): number {
  const ms = durationMs(value);
  if (!(ms >= min && ms <= max))
    throw new InvalidOptionsError(option, value, `a duration of ${min} to ${max} ms`);
  return ms;
}

function number(
  option: string,
  value: unknown,
  min: number,
  max: number,
  allowed = `${min} to ${max}`,
): number {
  if (typeof value !== 'number' || !(value >= min && value <= max))
    throw new InvalidOptionsError(option, value, allowed);
  return value;
}

function integer(option: string, value: unknown, min: number, max: number): number {
  if (!Number.isInteger(value))
    throw new InvalidOptionsError(option, value, `a whole number from ${min} to ${max}`);
  return number(option, value, min, max, `a whole number from ${min} to ${max}`);
}

function flag(option: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw new InvalidOptionsError(option, value, 'true or false');
  return value;
}

function oneOf(option: string, value: unknown, allowed: readonly string[]): void {
  if (!allowed.includes(value as string))
    throw new InvalidOptionsError(option, value, allowed.map((one) => `'${one}'`).join(', '));
}

function text(option: string, value: unknown, pattern: RegExp, allowed: string): void {
  if (typeof value !== 'string' || !pattern.test(value))
    throw new InvalidOptionsError(option, value, allowed);
}
