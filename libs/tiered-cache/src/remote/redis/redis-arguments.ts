import { randomBytes } from 'node:crypto';
import { type Acquired, type AcquireRequest, type FillRequest, FINGERPRINT_BYTES } from '../remote-tier.js';
import type { RedisKeys } from './redis-keys.js';
import type { ScriptCall } from './redis-scripts.js';

/** Keys per command or record: a script of so many keeps the server busy for well under a millisecond or two. */
export const CHUNK = 256;
/** Bytes of values per write. */
export const CHUNK_BYTES = 4 * 1024 * 1024;

export function acquireCall(
  keys: RedisKeys,
  { key, token, leaseMs, rejected, keep }: AcquireRequest,
): ScriptCall {
  const mode = rejected ? (keep ? 'keep' : 'delete') : '';
  return {
    keys: keys.entryKeys(key),
    args: [token, px(leaseMs), mode, rejected ? fingerprint(rejected) : ''],
  };
}

/** What ACQUIRE answered. */
export function acquired(answer: unknown): Acquired {
  if (Buffer.isBuffer(answer)) return { outcome: 'value', value: answer };
  return { outcome: answer === 1 ? 'granted' : answer === 2 ? 'busy' : 'fenced' };
}

export function fillCall(keys: RedisKeys, { key, token, value, ttlMs }: FillRequest): ScriptCall {
  return { keys: keys.entryKeys(key), args: [token, value, px(ttlMs)] };
}

export function argBytes({ args }: ScriptCall): number {
  return args.reduce<number>((sum, arg) => sum + (typeof arg === 'number' ? 8 : arg.length), 0);
}

export function fingerprint(value: Buffer): Buffer {
  return value.subarray(0, FINGERPRINT_BYTES);
}

/** Milliseconds as Redis wants them: whole, at least one; '' lives for ever. */
export function px(ms: number | null): string {
  return ms === null || ms === Infinity ? '' : String(Math.max(1, Math.round(ms)));
}

/** 96 random bits: two invalidations never give a tag the same identity. */
export function freshNonce(): string {
  return randomBytes(12).toString('base64url');
}

/** The first `most` of a set, taken out of it. */
export function take<T>(from: Set<T>, most: number): T[] {
  const taken: T[] = [];
  for (const item of from) {
    if (taken.length === most) break;
    taken.push(item);
    from.delete(item);
  }
  return taken;
}
