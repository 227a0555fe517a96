import { readTradingConfig } from '../../apps/trading/src/config/trading.config.js';

const DATABASE_URL = 'postgres://u:secret@127.0.0.1/x';

describe('trading demo: environment', () => {
  it('needs only the database', () => {
    expect(readTradingConfig({ DATABASE_URL, PORT: '' })).toEqual({
      DATABASE_URL,
      PORT: 3000,
      HOST: '127.0.0.1',
      HTTP_ADAPTER: 'fastify',
      NODE_INDEX: 1,
      STRATA_DEMO_SEED: false,
      STRATA_DEMO_CACHE: true,
      LOG_LEVEL: 'log',
    });
  });

  it.each([
    [{}, 'DATABASE_URL is required'],
    [{ DATABASE_URL: 'mysql://u:secret@h/x' }, 'DATABASE_URL must be'],
    [{ DATABASE_URL, PORT: '65536' }, 'PORT'],
    [{ DATABASE_URL, PORT: '80a' }, 'PORT'],
    [{ DATABASE_URL, NODE_INDEX: '0' }, 'NODE_INDEX'],
    [{ DATABASE_URL, HTTP_ADAPTER: 'koa' }, 'HTTP_ADAPTER'],
    [{ DATABASE_URL, STRATA_DEMO_CACHE: 'maybe' }, 'STRATA_DEMO_CACHE must be 1 or 0'],
    [{ DATABASE_URL, LOG_LEVEL: 'loud' }, 'LOG_LEVEL'],
    [{ DATABASE_URL, STRATA_DEMO_SEED: 'yes' }, 'STRATA_DEMO_SEED must be 1 or 0'],
  ])('refuses %j, naming the variable and showing no secret', (env, message) => {
    expect(() => readTradingConfig(env)).toThrow(message);
    expect(() => readTradingConfig(env)).not.toThrow('secret');
  });

  it('names every wrong variable at once', () => {
    expect(() => readTradingConfig({ PORT: 'x' })).toThrow(/DATABASE_URL.*PORT|PORT.*DATABASE_URL/);
  });
});
