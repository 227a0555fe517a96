import { maskUrl } from '../../apps/services/index.mjs';

describe('URLs as they are shown', () => {
  it.each([
    ['postgres://u:p%40ss@db:5432/x?sslmode=require', 'postgres://u:***@db:5432/x?sslmode=require'],
    ['postgres://db/x?user=u&password=geheim', 'postgres://db/x?user=u&password=***'],
    ['redis://:geheim@cache:6379/0', 'redis://:***@cache:6379/0'],
    ['redis://127.0.0.1:6379', 'redis://127.0.0.1:6379'],
    ['postgres://strata@127.0.0.1:5432/strata', 'postgres://strata@127.0.0.1:5432/strata'],
    ['geheim', '(a URL that cannot be read, not shown)'],
  ])('%s is shown as %s', (url, shown) => {
    expect(maskUrl(url)).toBe(shown);
  });
});
