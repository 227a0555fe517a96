import { Injectable, SetMetadata } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { Cacheable, CacheModule, CacheService, type CacheModuleOptions } from '../../src/index.js';

let app: TestingModule | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

async function boot<T>(
  type: new (...args: never[]) => T,
  options: Omit<CacheModuleOptions, 'name' | 'isGlobal'> = {},
): Promise<T> {
  app = await Test.createTestingModule({
    imports: [
      CacheModule.forRoot({
        namespaces: { instruments: { ttl: '1h', normalizeId: (id) => id.toUpperCase() } },
        defaults: { ttl: '5m' },
        ...options,
      }),
    ],
    providers: [type],
  }).compile();
  app.useLogger(false);
  await app.init();
  return app.get(type as never);
}

describe('@Cacheable', () => {
  @Injectable()
  class Instruments {
    loads = 0;

    @Cacheable({ namespace: 'instruments', key: (symbol) => symbol })
    async find(symbol: string): Promise<{ symbol: string; load: number }> {
      this.loads++;
      return { symbol, load: this.loads };
    }

    async twice(symbol: string) {
      return [await this.find(symbol), await this.find(symbol)];
    }

    @SetMetadata('below', 'kept')
    @Cacheable()
    @SetMetadata('under', 'kept')
    async all(page = 1, ...filters: string[]): Promise<string> {
      this.loads++;
      return `${page}:${filters.join()}:${this.loads}`;
    }
  }

  it('answers the second call from the cache', async () => {
    const service = await boot(Instruments);
    expect(await service.find('AAPL')).toEqual({ symbol: 'AAPL', load: 1 });
    expect(await service.find('AAPL')).toEqual({ symbol: 'AAPL', load: 1 });
    expect(await service.find('aapl')).toEqual({ symbol: 'AAPL', load: 1 });
    expect(await service.find('MSFT')).toEqual({ symbol: 'MSFT', load: 2 });
    expect(app!.get(CacheService).stats().sourceLoads).toBe(2);
  });

  it('hands out the same settled promise on every hit', async () => {
    const service = await boot(Instruments);
    await service.find('AAPL');
    expect(service.find('AAPL')).toBe(service.find('AAPL'));
  });
});
