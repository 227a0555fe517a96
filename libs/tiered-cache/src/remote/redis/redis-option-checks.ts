import type { RedisOptions } from 'ioredis';
import { InvalidOptionsError } from '../../errors.js';

/** Options of tls.connect. */
export type TlsOptions = NonNullable<RedisOptions['tls']>;

/** @throws InvalidOptionsError */
export function checkInteger(option: string, value: unknown, least: number, most: number): void {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
    throw new InvalidOptionsError(option, value, `an integer from ${least} to ${most}`);
}

/** A user name or password that may be absent. @throws InvalidOptionsError that does not show a password */
export function checkText(option: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'string')
    throw new InvalidOptionsError(option, /password/i.test(option) ? '***' : value, 'a string');
}

/** True: TLS with its defaults; undefined: none. @throws InvalidOptionsError */
export function tlsOptions(option: string, value: unknown): TlsOptions | undefined {
  if (value !== undefined && typeof value !== 'boolean' && (typeof value !== 'object' || value === null))
    throw new InvalidOptionsError(option, value, 'true, false, or options of tls.connect');
  if (typeof value === 'object') return value;
  return value ? {} : undefined;
}

export function credentials(username?: string, password?: string): RedisOptions {
  return { ...(username ? { username } : {}), ...(password ? { password } : {}) };
}
