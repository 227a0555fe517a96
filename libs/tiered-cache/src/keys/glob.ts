import { escapeText, isKeyCharacter } from './escape.js';

/**
 * Globs over entry keys (`prices:BTC*`): `*` is any number of characters, `?` one character of the key as stored,
 * `\` takes a special meaning away. Everything else is literal and escaped as in keys, so one writes ids as they
 * are; an escape already there (`%20`) is understood too. Ids that are hashed (above 512 bytes) are matched by their
 * hash only.
 */
type Piece = string | typeof ANY | typeof ONE;
const ANY = Symbol('*');
const ONE = Symbol('?');

/** A test for keys; linear in the length of the key for each star, whatever the glob. */
export function globMatcher(glob: string): (key: string) => boolean {
  const pattern = globToRegExp(glob);
  return (key) => pattern.test(key);
}

/**
 * The same as a regular expression. Between two stars the leftmost match is always good enough (what follows can only
 * gain room), so each `*` and what follows is an atomic group (`(?=(...))\1`): no backtracking into it, and
 * `*a*a*a*a*b` costs no more than its length times the key's.
 */
export function globToRegExp(glob: string): RegExp {
  const segments: string[] = [''];
  for (const piece of parse(glob)) {
    if (piece === ANY) segments.push('');
    else
      segments[segments.length - 1] += piece === ONE ? '[^]' : piece.replace(/[$()*+.?[\\\]^{|}/-]/g, '\\$&');
  }
  const [first, ...rest] = segments as [string, ...string[]];
  const last = rest.pop();
  if (last === undefined) return new RegExp(`^${first}$`);
  const middle = rest.map((segment, index) => `(?=([^]*?${segment}))\\${index + 1}`).join('');
  // A digit that follows must not extend the number of the back reference.
  return new RegExp(`^${first}${middle}(?:[^]*${last})$`);
}

/** The same for the MATCH option of Redis' SCAN; the adapter's own prefix goes through escapeRedisMatch. */
export function globToRedisMatch(glob: string): string {
  let out = '';
  for (const piece of parse(glob)) out += piece === ANY ? '*' : piece === ONE ? '?' : escapeRedisMatch(piece);
  return out;
}

/** Literal text inside a Redis MATCH pattern. */
export function escapeRedisMatch(text: string): string {
  return text.replace(/[*?[\]\\^]/g, '\\$&');
}

/** Literal text, as it stands in keys, and the wildcards between; runs of stars are one. */
function parse(glob: string): Piece[] {
  const pieces: Piece[] = [];
  let literal = '';
  const flush = () => {
    if (literal !== '') pieces.push(literal);
    literal = '';
  };
  for (let i = 0; i < glob.length; i++) {
    let character = glob[i] as string;
    if (character === '*' || character === '?') {
      flush();
      if (character === '?') pieces.push(ONE);
      else if (pieces.at(-1) !== ANY) pieces.push(ANY);
      continue;
    }
    if (character === '\\' && i + 1 < glob.length) character = glob[++i] as string;
    else if (character === '%' && /^%(?:[0-9A-F]{2}|u[0-9A-F]{4})/.test(glob.slice(i, i + 6))) {
      literal += character; // an escape as it stands in keys
      continue;
    }
    const code = character.charCodeAt(0);
    if (code >= 0xd800 && code < 0xdc00 && i + 1 < glob.length) {
      const pair = character + glob[i + 1];
      if (pair.codePointAt(0)! > 0xffff) {
        character = pair;
        i++;
      }
    }
    literal += isKeyCharacter(code) ? character : escapeText(character);
  }
  flush();
  return pieces;
}
