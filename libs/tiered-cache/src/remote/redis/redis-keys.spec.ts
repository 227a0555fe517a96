import { RedisKeys } from './redis-keys.js';

/** Redis Cluster hashes what stands between the first `{` and the next `}`. */
const hashTag = (key: string): string => /^[^{]*\{([^}]+)\}/.exec(key)![1]!;

describe('keys in Redis', () => {
  const keys = new RedisKeys('app');

  it('are as documented', () => {
    expect(keys.entry('users:1', 'v')).toBe('{app:users:1}:v');
    expect(keys.nonce('t')).toBe('{app:#tag:t}:n');
    expect(keys.log()).toBe('{app:#log:0}');
  });

  it('put the three keys of an entry into one slot, whatever it is called', () => {
    for (const name of ['users:1', 'users:{1}', 'users:}', 'users:a}:v'])
      expect(
        new Set((['v', 'l', 'f'] as const).map((suffix) => hashTag(keys.entry(name, suffix)))).size,
      ).toBe(1);
  });

  it('of different prefixes never meet', () => {
    expect(new RedisKeys('a:b').entry('c:d', 'v')).not.toBe(new RedisKeys('a').entry('b:c:d', 'v'));
  });

  it('give back the entry key of values and leases only', () => {
    for (const name of ['users:1', 'users:}', 'users:a}:v'])
      for (const suffix of ['v', 'l'] as const) expect(keys.entryOf(keys.entry(name, suffix))).toBe(name);
    for (const other of [
      keys.entry('users:1', 'f'),
      keys.nonce('t'),
      keys.log(),
      '{apps:users:1}:v',
      'users:1',
    ])
      expect(keys.entryOf(other)).toBeNull();
  });

  it('take glob characters in a scanned prefix literally', () => {
    expect(keys.scanPattern('a*[?]\\')).toBe('{app:a\\*\\[\\?\\]\\\\*}:[vl]');
  });
});
