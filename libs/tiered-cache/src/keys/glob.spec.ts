import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { entryKey } from './entry-key.js';
import { escapeRedisMatch, globMatcher, globToRedisMatch, globToRegExp } from './glob.js';

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));

/** The textbook definition, slow and plain. */
function reference(glob: string, text: string): boolean {
  if (glob === '') return text === '';
  if (glob[0] === '*')
    return reference(glob.slice(1), text) || (text !== '' && reference(glob, text.slice(1)));
  return text !== '' && (glob[0] === '?' || glob[0] === text[0]) && reference(glob.slice(1), text.slice(1));
}

const anyUnit = fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit));

describe(`globs over entry keys (FC_SEED=${seed})`, () => {
  it.each<[string, string, boolean]>([
    ['prices:BTC*', 'prices:BTC-USD', true],
    ['prices:BTC*', 'prices:BTC', true],
    ['prices:BTC*', 'prices:ETH', false],
    ['prices:BTC*', 'xprices:BTC', false],
    ['prices:?', 'prices:A', true],
    ['prices:?', 'prices:AB', false],
    ['*:1h', 'ohlc:AAPL:1h', true],
    ['*', 'anything', true],
    ['*', '', true],
    ['', 'x', false],
    ['a.c', 'abc', false],
    ['a+(b)|^$', 'a+(b)|^$', true],
    ['**a***b', 'xxaxxb', true],
    ['*a*1', 'a1', true],
    ['*a*1*2', 'a1x2', true],
  ])('%s on %s: %s', (glob, key, expected) => {
    expect(globMatcher(glob)(key)).toBe(expected);
    expect(globToRegExp(glob).test(key)).toBe(expected);
  });

  it('agrees with the definition', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', ':', '1', '.'), maxLength: 12 });
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', ':', '1', '.', '*', '*', '?'), maxLength: 9 });
    fc.assert(
      fc.property(glob, text, (pattern, key) => {
        expect(globMatcher(pattern)(key)).toBe(reference(pattern, key));
      }),
      { seed, numRuns: 2_000 },
    );
  });

  it('takes ids as one writes them', () => {
    for (const id of ['50% {off}', 'é中😀', 'a b', '[x]', '\ud800']) {
      expect(globMatcher(`ns:${id}`)(entryKey('ns', id))).toBe(true);
      expect(globMatcher(`*${id}*`)(entryKey('ns', `<${id}>`))).toBe(true);
      expect(globMatcher(`ns:${id}!`)(entryKey('ns', id))).toBe(false);
    }
    expect(globMatcher('ns:\\*\\?\\\\')(entryKey('ns', '*?\\'))).toBe(true);
    expect(globMatcher('ns:\\*')(entryKey('ns', 'x'))).toBe(false);
  });

  it('matches every key by itself taken as a glob', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyUnit, minLength: 1 }), (id) => {
        const key = entryKey('ns', id);
        expect(globMatcher(key)(key)).toBe(true);
        expect(globToRedisMatch(key)).toBe(key.replace(/\^/g, '\\^'));
      }),
      { seed },
    );
  });

  it('takes no more than linear time per star', () => {
    const started = performance.now();
    expect(globMatcher(`${'*a'.repeat(40)}*b`)('a'.repeat(5_000))).toBe(false);
    expect(globMatcher(`${'*?'.repeat(40)}*b`)('a'.repeat(5_000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe('for SCAN MATCH', () => {
  it('keeps the wildcards and escapes everything else that means something', () => {
    expect(globToRedisMatch('prices:BTC*')).toBe('prices:BTC*');
    expect(globToRedisMatch('a**b?')).toBe('a*b?');
    expect(globToRedisMatch('a[b]^')).toBe('a%5Bb%5D\\^');
    expect(globToRedisMatch('\\*')).toBe('%2A');
    expect(escapeRedisMatch('{pre*fix?[x]\\')).toBe('{pre\\*fix\\?\\[x\\]\\\\');
  });
});
