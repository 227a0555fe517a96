import { createHash } from 'node:crypto';

/**
 * Text that is safe inside a key of the shared tier: printable ASCII without what means something there. Braces
 * would move a Redis hash tag, `*?[]\` are glob characters (so an escaped key is its own literal pattern), `%`
 * starts an escape. A leading `~` marks a hashed id and is therefore escaped in ids.
 */
const PLAIN = /^[!-$&-)+->@-Z^-z|][!-$&-)+->@-Z^-z|~]*$/;

/** Escaped text above this many bytes is replaced by its hash. */
export const MAX_ESCAPED_BYTES = 512;

const SAFE = new Uint8Array(128);
for (let code = 0x21; code < 0x7f; code++)
  SAFE[code] = '{}%*?[]\\'.includes(String.fromCharCode(code)) ? 0 : 1;

/**
 * Escapes any string, lone surrogates included, such that different strings stay different: unsafe characters
 * become their UTF-8 bytes (`%C3%A9`), a lone surrogate `%uD800`. Text that stays above 512 bytes becomes
 * `~` and the sha256 of the escaped text in hexadecimal, which no escaped text equals.
 */
export function escapeText(text: string): string {
  if (PLAIN.test(text)) return text.length > MAX_ESCAPED_BYTES ? hashed(text) : text;
  const escaped = escapeAll(text);
  return escaped.length > MAX_ESCAPED_BYTES ? hashed(escaped) : escaped;
}

/** Whether a UTF-16 unit stands for itself in keys (a `~` at the start of an id does not). */
export function isKeyCharacter(code: number): boolean {
  return SAFE[code] === 1;
}

/** The inverse of escapeText for text that was not hashed; null when it is not its output. */
export function unescapeText(escaped: string): string | null {
  if (!escaped.includes('%')) return PLAIN.test(escaped) ? escaped : null;
  // decodeURIComponent refuses malformed UTF-8 and lone surrogates, so those are taken out first.
  let text = '';
  for (const part of escaped.split(/(%u[0-9A-F]{4})/)) {
    if (part.startsWith('%u')) {
      text += String.fromCharCode(Number.parseInt(part.slice(2), 16));
      continue;
    }
    try {
      text += decodeURIComponent(part);
    } catch {
      return null; // not an escape of ours
    }
  }
  return escapeAll(text) === escaped ? text : null;
}

function escapeAll(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 128) {
      out += SAFE[code] === 1 && !(code === 0x7e && i === 0) ? text[i] : `%${hex(code, 2)}`;
      continue;
    }
    const point = text.codePointAt(i) as number;
    if (point >= 0xd800 && point <= 0xdfff) {
      out += `%u${hex(point, 4)}`;
      continue;
    }
    if (point > 0xffff) i++;
    out += encodeURIComponent(String.fromCodePoint(point));
  }
  return out;
}

function hashed(escaped: string): string {
  return `~${createHash('sha256').update(escaped, 'latin1').digest('hex')}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, '0');
}
