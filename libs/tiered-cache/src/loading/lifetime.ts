import { types } from 'node:util';
import { InvalidOptionsError, InvalidTtlError } from '../errors.js';
import { type Duration, durationMs, MAX_TTL_MS, ttlMs } from '../duration.js';
import type { GetOrSetOptions, SetOptions } from '../options.js';
import { MAX_TIMEOUT_MS, type ResolvedNamespace } from '../resolve-options.js';

/** How long a value lives and may be served after that. All in milliseconds from now. */
export interface Lifetime {
  ttlMs: number;
  /** ttlMs plus the longer of grace and stale-while-revalidate. */
  staleMs: number;
  slidingMs: number;
}

const SPANS = [
  ['grace', 0, MAX_TTL_MS],
  ['staleWhileRevalidate', 0, MAX_TTL_MS],
  ['softTimeout', 0, MAX_TIMEOUT_MS],
  ['hardTimeout', 1, MAX_TIMEOUT_MS],
] as const;

/** Per-call options checked once, before anything is loaded or stored. @throws InvalidTtlError */
export function checkCallOptions(options: GetOrSetOptions<never> | SetOptions<never> | undefined): void {
  if (options === undefined) return;
  if (options.ttl !== undefined && typeof options.ttl !== 'function') ttlMs(options.ttl);
  if (options.expiresAt !== undefined) {
    const at: unknown = types.isDate(options.expiresAt) ? options.expiresAt.getTime() : options.expiresAt;
    if (typeof at !== 'number' || !Number.isFinite(at))
      throw new InvalidTtlError(options.expiresAt, 'is not a date');
  }
  const more = options as GetOrSetOptions<never>;
  if (more.track !== undefined && typeof more.track !== 'boolean')
    throw new InvalidOptionsError('track', more.track, 'true or false');
  for (const [name, least, most] of SPANS) {
    const value = more[name];
    if (value === undefined) continue;
    const ms = durationMs(value);
    if (!(ms >= least && ms <= most))
      throw new InvalidTtlError(value, `is no duration of ${least} to ${most} ms for ${name}`);
  }
}

/** A per-call duration in ms, or the namespace's. */
export function pick(value: Duration | undefined, fallback: number): number;
export function pick(value: Duration | undefined, fallback: number | null): number | null;
export function pick(value: Duration | undefined, fallback: number | null): number | null {
  return value === undefined ? fallback : durationMs(value);
}

/**
 * The life of `value`: per-call TTL, expiry date, negative TTL, jitter. Null: not to be stored (negative caching is
 * off, or the expiry date has passed).
 * @throws InvalidTtlError when a `ttl` function answers nonsense.
 */
export function lifetimeOf<T>(
  value: T,
  ns: ResolvedNamespace,
  options: GetOrSetOptions<T> | undefined,
  now: number,
  random: () => number,
): Lifetime | null {
  let ttl: number;
  if (options?.expiresAt !== undefined) {
    ttl = Number(options.expiresAt) - now;
    if (ttl <= 0) return null;
  } else if (typeof options?.ttl === 'function') {
    ttl = ttlMs(options.ttl(value));
  } else if (value === null || value === undefined) {
    // A `ttl` that does not look at the value is meant for values: it may only shorten the life of their absence.
    if (ns.negativeTtlMs === null) return null;
    ttl = Math.min(ns.negativeTtlMs, options?.ttl === undefined ? Infinity : ttlMs(options.ttl));
  } else if (options?.ttl !== undefined) {
    ttl = ttlMs(options.ttl);
  } else {
    ttl = ns.ttlMs;
  }
  if (ns.jitter > 0 && options?.expiresAt === undefined && Number.isFinite(ttl))
    ttl -= ttl * ns.jitter * random();
  const extra = Math.max(pick(options?.grace, ns.graceMs), pick(options?.staleWhileRevalidate, ns.swrMs));
  const sliding = ns.sliding && Number.isFinite(ttl) && options?.expiresAt === undefined;
  return { ttlMs: ttl, staleMs: ttl + extra, slidingMs: sliding ? ttl : 0 };
}
