import { Injectable } from '@nestjs/common';
import { Cacheable, CacheService, DecoratorUsageError } from '../../src/index.js';
import { until } from '../conformance/until.js';
import { describeWithRedis, keyPrefix, redisUrl } from '../support/services.js';
import { boot, closeAll } from './decorators-support.js';

afterEach(closeAll);

describeWithRedis('@Cacheable with minPosition', () => {
  @Injectable()
  class Prices {
    loads = 0;

    @Cacheable({
      namespace: 'prices',
      key: (symbol) => symbol,
      minPosition: (_symbol, position) => position,
    })
    async latest(_symbol: string, _position?: string): Promise<number> {
      return ++this.loads;
    }

    @Cacheable({ namespace: 'prices', ignore: [1], minPosition: (_symbol, position) => position })
    async byDefaultKey(_symbol: string, _position?: string): Promise<number> {
      return ++this.loads;
    }
  }

  it.each(['latest', 'byDefaultKey'] as const)(
    '%s: memory answers without a position and with one applied here, not with one that is not',
    async (method) => {
      const app = await boot(
        { providers: [Prices] },
        {
          redis: { url: redisUrl() },
          prefix: keyPrefix().replace(/:$/, ''),
          namespaces: { prices: { ttl: '1m', consistency: 'local' } },
        },
      );
      const [cache, prices] = [app.get(CacheService), app.get(Prices)];
      await until(() => cache.health().l1.serving);
      const { position } = await cache.delete('prices', 'other');
      await prices[method]('AAPL');
      expect(await prices[method]('AAPL')).toBe(1);
      expect(await prices[method]('AAPL', position!)).toBe(1);
      expect(await prices[method]('AAPL', 'of-another-epoch@1-1')).toBe(2);
      // It was stored: the position belongs to the call, not to the key.
      expect(await prices[method]('AAPL')).toBe(2);
    },
  );

  it('refuses what is no function when the class is defined', () => {
    const decorate = () => {
      class Wrong {
        @Cacheable({ namespace: 'prices', minPosition: 'elsewhere@1-1' as never })
        async latest(): Promise<number> {
          return 1;
        }
      }
      return Wrong;
    };
    expect(decorate).toThrow(DecoratorUsageError);
  });
});
