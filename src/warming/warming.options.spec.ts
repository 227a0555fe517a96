import { resolveWarmingOptions } from './warming.options.js';

describe('warming options', () => {
  it('default to every 5 minutes with 5 loads at once', () => {
    expect(resolveWarmingOptions({}, {})).toMatchObject({
      enabled: true,
      intervalSeconds: 300,
      maxConcurrent: 5,
      onStartup: true,
      awaitStartup: false,
    });
  });

  it('come from the environment where nothing is given, and from the code where it is', () => {
    const env = {
      CACHE_WARMING_ENABLED: 'false',
      CACHE_WARMING_INTERVAL: '60',
      CACHE_WARMING_MAX_CONCURRENT: '2',
    };
    expect(resolveWarmingOptions({}, env)).toMatchObject({
      enabled: false,
      intervalSeconds: 60,
      maxConcurrent: 2,
    });
    expect(resolveWarmingOptions({ intervalSeconds: 30, maxConcurrent: undefined }, env)).toMatchObject({
      intervalSeconds: 30,
      maxConcurrent: 2,
    });
  });

  it.each([
    [{ intervalSeconds: 0 }, {}, 'warming.intervalSeconds'],
    [{ maxConcurrent: 1.5 }, {}, 'warming.maxConcurrent'],
    [{ timeZone: 'Mars/Olympus' }, {}, 'warming.timeZone'],
    [{ onStartup: 'sometimes' as never }, {}, 'warming.onStartup'],
    [{}, { CACHE_WARMING_INTERVAL: '5m' }, 'CACHE_WARMING_INTERVAL'],
    [{}, { CACHE_WARMING_ENABLED: 'maybe' }, 'CACHE_WARMING_ENABLED'],
  ])('a wrong one fails and is named: %j %j', (options, env, name) => {
    expect(() => resolveWarmingOptions(options, env)).toThrow(name);
  });

  it('an empty variable is no variable', () => {
    expect(resolveWarmingOptions({}, { CACHE_WARMING_INTERVAL: '' }).intervalSeconds).toBe(300);
  });
});
