import { InvalidTtlError } from './errors.js';

/** A span of time: milliseconds as a number, or a number with a unit: '100ms', '1.5s', '5m', '1h', '30d', '1y'. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd' | 'y'}`;

/** How long an entry lives. Living for ever must be said explicitly. */
export type Ttl = Duration | 'forever';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, y: 31_536_000_000 } as const;
const PATTERN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|y)$/;

/** Longest finite TTL: ten years, in milliseconds. Beyond it, say 'forever'. */
export const MAX_TTL_MS = 10 * UNITS.y;

/** Milliseconds of a duration, or NaN when it is not one. */
export function durationMs(value: unknown): number {
  if (typeof value === 'number') return value;
  const match = typeof value === 'string' ? PATTERN.exec(value) : null;
  return match ? Number(match[1]) * UNITS[match[2] as keyof typeof UNITS] : Number.NaN;
}

/**
 * Milliseconds of a TTL; 'forever' is Infinity.
 * @throws InvalidTtlError for zero, negative, NaN, infinite, above ten years, or not a duration at all.
 */
export function ttlMs(value: unknown): number {
  if (value === 'forever') return Infinity;
  const ms = durationMs(value);
  if (Number.isNaN(ms))
    throw new InvalidTtlError(value, "is not a duration (milliseconds, '30s', '5m', 'forever')");
  if (ms <= 0) throw new InvalidTtlError(value, 'must be above zero');
  if (ms > MAX_TTL_MS) throw new InvalidTtlError(value, "is above the maximum of ten years (say 'forever')");
  return ms;
}
