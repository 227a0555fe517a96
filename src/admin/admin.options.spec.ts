import { resolveAdminOptions } from './admin.options.js';

const exposed = { guarded: false, exposed: true };

describe('who may enter the admin endpoints', () => {
  it.each([
    [{}, {}, 'loopback'],
    [{ token: 'a-long-secret' }, {}, 'token'],
    [{}, { CACHE_ADMIN_TOKEN: 'a-long-secret' }, 'token'],
    [{}, { CACHE_ADMIN_TOKEN: '' }, 'loopback'],
    [{ token: '' }, {}, 'loopback'],
    [{ open: true }, {}, 'open'],
    [{ open: true, token: 'a-long-secret' }, {}, 'token'],
  ])('%j and %j: %s', (options, env, mode) => {
    expect(resolveAdminOptions(options, exposed, env).mode).toBe(mode);
  });

  it('the guard of the host, where it has one', () => {
    expect(resolveAdminOptions({}, { guarded: true, exposed: true }, {}).mode).toBe('guard');
  });

  it.each([[{}], [{ open: true }], [{ token: '' }]])(
    'in production nobody boots without a token or guard: %j',
    (options) => {
      const production = { NODE_ENV: 'production' };
      expect(() => resolveAdminOptions(options, exposed, production)).toThrow(/"admin.token".*"guards"/);
      expect(() => resolveAdminOptions(options, { guarded: true, exposed: true }, production)).not.toThrow();
      expect(() => resolveAdminOptions({ token: 'a-long-secret' }, exposed, production)).not.toThrow();
      expect(() =>
        resolveAdminOptions(options, { guarded: false, exposed: false }, production),
      ).not.toThrow();
    },
  );

  it('a token that is none is refused, and not shown', () => {
    for (const token of ['short', 'with a space in it', 'naïve-token']) {
      let message = '';
      try {
        resolveAdminOptions({ token }, exposed, {});
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toContain('admin.token');
      expect(message).not.toContain(token);
    }
  });

  it('read-only comes from the environment, and must be a yes or no', () => {
    expect(resolveAdminOptions({}, exposed, { CACHE_ADMIN_READ_ONLY: '1' }).readOnly).toBe(true);
    expect(resolveAdminOptions({}, exposed, { CACHE_ADMIN_READ_ONLY: '' }).readOnly).toBe(false);
    expect(() => resolveAdminOptions({}, exposed, { CACHE_ADMIN_READ_ONLY: 'maybe' })).toThrow(
      'CACHE_ADMIN_READ_ONLY',
    );
  });

  it.each([
    [{ allowedOrigins: ['ops.example.com'] }, 'admin.allowedOrigins'],
    [{ readOnly: 'yes' as never }, 'admin.readOnly'],
  ])('wrong options are named: %j', (options, name) => {
    expect(() => resolveAdminOptions(options, exposed, {})).toThrow(name);
  });
});
