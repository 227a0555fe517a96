import { KeyHash } from './key-hash.js';

describe('the hash of a key', () => {
  it('is the same for the same key and secret, and another for another secret', () => {
    expect(new KeyHash([1, 2]).of('user:1')).toBe(new KeyHash([1, 2]).of('user:1'));
    expect(new KeyHash([1, 2]).of('user:1')).not.toBe(new KeyHash([1, 3]).of('user:1'));
    expect(new KeyHash([1, 2]).of('user:1')).not.toBe(new KeyHash([2, 2]).of('user:1'));
  });

  it('is an integer of 32 bits', () => {
    for (const key of ['', 'a', 'ab', 'abc', '\u0000', '\uffff\uffff', 'x'.repeat(10_000)]) {
      const hash = new KeyHash([5, 6]).of(key);
      expect(hash).toBe(hash | 0);
    }
  });

  it('tells apart keys that differ in length, order or one high bit', () => {
    const keys = ['', '\u0000', '\u0000\u0000', 'ab', 'ba', 'a', '\u0161', 'aaaa', 'aaaaa', 'abab', 'baba'];
    expect(new Set(keys.map((key) => new KeyHash([7, 8]).of(key))).size).toBe(keys.length);
  });

  it('spreads like dice: few collisions, every bit even', () => {
    const hash = new KeyHash([9, 10]);
    const hashes = Array.from({ length: 20_000 }, (_, i) => hash.of(`tenant:1:user:${i}`));
    // 20,000 ** 2 / 2 ** 33 = 0.05 are expected.
    expect(new Set(hashes).size).toBeGreaterThan(19_996);
    for (let bit = 0; bit < 32; bit++) {
      const ones = hashes.filter((one) => (one >>> bit) & 1).length;
      expect(Math.abs(ones - 10_000)).toBeLessThan(500);
    }
  });
});
