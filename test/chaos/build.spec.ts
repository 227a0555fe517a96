import { patched } from './build.mjs';

describe('a mutant', () => {
  it('is refused when what it patches is not there exactly once', () => {
    const patch = { file: 'a.ts', find: 'guard()', replace: '' };
    expect(patched('before; guard(); after', patch)).toBe('before; ; after');
    expect(() => patched('before; after', patch)).toThrow(/0 times/);
    expect(() => patched('guard(); guard()', patch)).toThrow(/2 times/);
  });
});
