import { isCrossSite, isUnforwardedLoopback, type AdminRequest } from './request-origin.js';

function request(
  headers: AdminRequest['headers'] = {},
  remoteAddress = '127.0.0.1',
  method = 'POST',
): AdminRequest {
  return { method, headers: { host: '127.0.0.1:3000', ...headers }, socket: { remoteAddress } };
}

describe('an unforwarded loopback request', () => {
  it.each(['127.0.0.1', '127.5.4.3', '::1', '::ffff:127.0.0.1'])('comes from %s', (address) => {
    expect(isUnforwardedLoopback(request({}, address))).toBe(true);
  });

  it.each(['10.0.0.1', '::ffff:10.0.0.1', 'fe80::1', '', '127.0.0.1.evil.example', '1270.0.0.1'])(
    'does not come from %s',
    (address) => {
      expect(isUnforwardedLoopback(request({}, address))).toBe(false);
    },
  );

  it.each(['localhost', 'localhost:3000', 'app.localhost:3000', '127.0.0.1', '[::1]:3000', 'LOCALHOST'])(
    'is addressed to %s',
    (host) => {
      expect(isUnforwardedLoopback(request({ host }))).toBe(true);
    },
  );

  it.each([
    'evil.example',
    'evil.example:3000',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    '',
  ])('is not addressed to %s (DNS rebinding)', (host) => {
    expect(isUnforwardedLoopback(request({ host }))).toBe(false);
  });

  it('names a host', () => {
    expect(isUnforwardedLoopback(request({ host: undefined }))).toBe(false);
  });

  it.each(['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'via', 'x-real-ip'])(
    'carries no %s',
    (header) => {
      expect(isUnforwardedLoopback(request({ [header]: '127.0.0.1' }))).toBe(false);
    },
  );
});

describe("another site's page", () => {
  it.each([
    [{ 'sec-fetch-site': 'cross-site' }, true],
    [{ 'sec-fetch-site': 'same-site' }, true],
    [{ 'sec-fetch-site': 'same-origin' }, false],
    [{ 'sec-fetch-site': 'none' }, false],
    [{ origin: 'https://evil.example' }, true],
    [{ origin: 'null' }, true],
    [{ origin: 'http://127.0.0.1:4000' }, true],
    [{ origin: 'http://127.0.0.1:3000' }, false],
    [{}, false],
  ])('sends a change with %j: %s', (headers, crossSite) => {
    expect(isCrossSite(request(headers))).toBe(crossSite);
  });

  it('reads by script are seen by their Origin, links are not refused', () => {
    const get = (headers: AdminRequest['headers']) => request(headers, '127.0.0.1', 'GET');
    expect(isCrossSite(get({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }))).toBe(true);
    expect(isCrossSite(get({ 'sec-fetch-site': 'cross-site' }))).toBe(false);
  });

  it('may be one that is allowed', () => {
    const headers = { origin: 'https://ops.example.com', 'sec-fetch-site': 'cross-site' };
    expect(isCrossSite(request(headers), ['https://ops.example.com'])).toBe(false);
  });
});
