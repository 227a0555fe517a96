import { keySlot } from './key-slot.js';

describe('the slot of a key', () => {
  // The specification's vector, and answers of CLUSTER KEYSLOT of Redis 7.
  it.each([
    ['123456789', 0x31c3],
    ['foo', 12_182],
    ['bar', 5_061],
    ['', 0],
    ['ä😀', 6_205],
  ])('%s', (key, slot) => expect(keySlot(key)).toBe(slot));

  it('is that of the hash tag', () => {
    expect(keySlot('{user1000}.following')).toBe(keySlot('user1000'));
    expect(keySlot('foo{{bar}}zap')).toBe(keySlot('{bar'));
    expect(keySlot('foo{bar}{zap}')).toBe(keySlot('bar'));
  });

  it('is that of the whole key where the tag is empty or not closed', () => {
    expect(keySlot('foo{}{bar}')).not.toBe(keySlot('bar'));
    expect(keySlot('foo{bar')).not.toBe(keySlot('bar'));
    expect(keySlot('}{a')).not.toBe(keySlot('a'));
  });
});
