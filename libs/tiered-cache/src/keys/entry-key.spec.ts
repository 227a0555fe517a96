import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { InvalidKeyError, InvalidOptionsError, InvalidTagError } from '../errors.js';
import {
  entryKey,
  escapeTag,
  parseEntryKey,
  validateId,
  validateNamespace,
  validateTag,
} from './entry-key.js';

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));

/** Any sequence of UTF-16 units, with those that mean something more often. */
const anyId = fc
  .array(
    fc.oneof(
      fc.constantFrom(...Array.from('{}%~:*?[]\\u0aAé中')),
      fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    ),
    { minLength: 1, maxLength: 40 },
  ) // prettier-ignore
  .map((units) => units.join(''));

describe(`entryKey (FC_SEED=${seed})`, () => {
  it('leaves ordinary ids readable', () => {
    for (const id of [
      'AAPL',
      'AAPL:1h',
      'user@example.com',
      '42',
      'a-b_c.d/e',
      '#5,(a,b)',
      "it's",
      'a~b',
      'k=v&x;y|z$"',
    ]) {
      expect(entryKey('prices', id)).toBe(`prices:${id}`);
    }
  });

  it('escapes what means something in keys, patterns and hash tags', () => {
    expect(entryKey('ns', '{a}')).toBe('ns:%7Ba%7D');
    expect(entryKey('ns', '100%')).toBe('ns:100%25');
    expect(entryKey('ns', 'a b\n\0')).toBe('ns:a%20b%0A%00');
    expect(entryKey('ns', '*?[x]\\')).toBe('ns:%2A%3F%5Bx%5D%5C');
    expect(entryKey('ns', 'é中😀')).toBe('ns:%C3%A9%E4%B8%AD%F0%9F%98%80');
    expect(entryKey('ns', '\ud800')).toBe('ns:%uD800');
    expect(entryKey('ns', '~x')).toBe('ns:%7Ex');
  });

  it('is printable ASCII without braces, whatever the id, and gives it back', () => {
    fc.assert(
      fc.property(anyId, (id) => {
        const key = entryKey('ns', id);
        expect(key).toMatch(/^ns:[!-z|~]+$/);
        expect(parseEntryKey(key)).toEqual({ namespace: 'ns', id, hashed: false });
      }),
      { seed, numRuns: 500 },
    );
  });

  it('never maps two ids to one key', () => {
    fc.assert(
      fc.property(anyId, anyId, (one, two) => {
        expect(entryKey('ns', one) === entryKey('ns', two)).toBe(one === two);
      }),
      { seed, numRuns: 500 },
    );
    expect(entryKey('ns', 'é')).not.toBe(entryKey('ns', '%C3%A9'));
    expect(entryKey('ns', '\ud800')).not.toBe(entryKey('ns', '%uD800'));
    expect(entryKey('ns', '\ud800')).not.toBe(entryKey('ns', '\udfff'));
  });

  it('hashes above 512 bytes, behind a marker that no id can write', () => {
    expect(entryKey('ns', 'x'.repeat(512))).toBe(`ns:${'x'.repeat(512)}`);
    const hashed = entryKey('ns', 'x'.repeat(513));
    expect(hashed).toMatch(/^ns:~[0-9a-f]{64}$/);
    expect(parseEntryKey(hashed)).toEqual({ namespace: 'ns', id: hashed.slice(3), hashed: true });
    // An id that spells the marker is another entry.
    expect(entryKey('ns', hashed.slice(3))).toBe(`ns:%7E${hashed.slice(4)}`);
    // It is the escaped length that counts.
    expect(entryKey('ns', '中'.repeat(57))).toMatch(/^ns:~/);
    expect(entryKey('ns', '中'.repeat(56))).not.toMatch(/^ns:~/);
    expect(entryKey('ns', '\ud800'.repeat(600))).not.toBe(entryKey('ns', '\ud801'.repeat(600)));
    expect(entryKey('ns', 'x'.repeat(65_536))).toHaveLength(68);
  });

  it('refuses what is no id', () => {
    for (const id of ['', 5, null, undefined, {}, ['a'], 'x'.repeat(65_537), '中'.repeat(30_000)]) {
      expect(() => entryKey('ns', id as string)).toThrow(InvalidKeyError);
      expect(() => validateId(id)).toThrow(InvalidKeyError);
    }
    expect(() => validateId('中'.repeat(21_845))).not.toThrow();
  });
});

describe('parseEntryKey', () => {
  it.each([
    '',
    'ns',
    ':x',
    'ns:',
    '1ns:x',
    'ns:a b',
    'ns:{x}',
    'ns:%zz',
    'ns:%c3%a9',
    'ns:%C3',
    'ns:%41',
    'ns:~x',
    'ns:%uD83D%uDE00',
    'ns:é',
  ])(
    // prettier-ignore
    'refuses %j',
    (key) => expect(() => parseEntryKey(key)).toThrow(InvalidKeyError),
  );
});

describe('tags', () => {
  it('are non-empty, well-formed and at most 1 KiB', () => {
    for (const tag of ['user:42', 'é', '{}', 'x'.repeat(1_024), '😀'])
      expect(() => validateTag(tag)).not.toThrow();
    for (const tag of ['', 5, null, 'x'.repeat(1_025), 'é'.repeat(513), 'a\ud800', '\udc00b']) {
      expect(() => validateTag(tag)).toThrow(InvalidTagError);
    }
  });

  it('are escaped like ids', () => {
    expect(escapeTag('user:42')).toBe('user:42');
    expect(escapeTag('{x}')).toBe('%7Bx%7D');
    expect(escapeTag('x'.repeat(1_000))).toMatch(/^~[0-9a-f]{64}$/);
    expect(escapeTag('~')).toBe('%7E');
  });
});

describe('namespace names', () => {
  it('cannot hold what separates', () => {
    for (const name of ['a', 'prices', 'order-book', 'A_1'])
      expect(() => validateNamespace(name)).not.toThrow();
    for (const name of ['', '1a', 'a:b', 'a b', 'é', 'a{', 5, null, 'x'.repeat(129), 'a\n']) {
      expect(() => validateNamespace(name)).toThrow(InvalidOptionsError);
    }
  });
});
