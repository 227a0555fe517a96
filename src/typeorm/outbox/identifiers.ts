/** Text for SQL where parameters are not allowed: names, and literals inside function bodies. */
import { createHash } from 'node:crypto';
import { InvalidOptionsError } from '#tiered-cache';

/** PostgreSQL cuts longer names silently. */
const MAX_NAME_BYTES = 63;

/** @throws InvalidOptionsError for a name that PostgreSQL would refuse or cut. */
export function quoteName(name: string): string {
  if (name === '' || name.includes('\0') || Buffer.byteLength(name) > MAX_NAME_BYTES)
    throw new InvalidOptionsError('SQL name', name, `1 to ${MAX_NAME_BYTES} bytes without NUL`);
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteText(text: string): string {
  if (text.includes('\0')) throw new InvalidOptionsError('SQL text', text, 'text without NUL');
  // E'': the same whatever standard_conforming_strings says.
  return text.includes('\\')
    ? `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`;
}

/** A table by schema and name. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

export function quoteTable({ schema, name }: TableName): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}

/** A function body between dollar quotes that do not occur in it. */
export function dollarQuoted(body: string): string {
  let tag = '$strata$';
  for (let n = 1; body.includes(tag); n += 1) tag = `$strata${n}$`;
  return `${tag}${body}${tag}`;
}

/** Short and stable; for names and versions, not for secrets. */
export function shortHash(text: string, length = 12): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}

/** A signed 64-bit key for advisory locks, as text. */
export function lockKey(text: string): string {
  return createHash('sha256').update(text).digest().readBigInt64BE(0).toString();
}

/** `base` and a hash of what it stands for, never above the limit. */
export function hashedName(base: string, identity: string): string {
  const suffix = `_${shortHash(identity, 10)}`;
  let head = base.replaceAll('\0', '');
  while (Buffer.byteLength(head) > MAX_NAME_BYTES - suffix.length) head = head.slice(0, -1);
  return head + suffix;
}
