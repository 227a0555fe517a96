import { Injectable } from '@nestjs/common';
import { Cacheable, CacheEvict, CachePut, CacheService, DecoratorUsageError } from '../../src/index.js';
import { boot, bootService, closeAll, silent } from './decorators-support.js';

afterEach(closeAll);

interface Row {
  symbol: string;
  name: string;
}

@Injectable()
class Instruments {
  rows = new Map([
    ['AAPL', 'Apple'],
    ['MSFT', 'Microsoft'],
  ]);
  loads = 0;
  seen: unknown[] = [];
  failing = false;

  @Cacheable({
    namespace: 'instruments',
    key: (symbol) => symbol,
    tags: (symbol) => [`row:${symbol}`, 'rows'],
  })
  async find(symbol: string): Promise<Row | null> {
    this.loads++;
    const name = this.rows.get(symbol);
    return name === undefined ? null : { symbol, name };
  }

  @CachePut({ namespace: 'instruments', key: (row) => row.symbol, unless: (row) => row.name === 'secret' })
  async rename(symbol: string, name: string): Promise<Row> {
    if (this.failing) throw new Error('database');
    this.rows.set(symbol, name);
    return { symbol, name };
  }

  @CachePut({ namespace: 'instruments', key: () => '' })
  async badKey(): Promise<string> {
    return 'result';
  }

  @CachePut({
    namespace: 'instruments',
    key: (_result, symbol) => symbol,
    condition: (_symbol, store) => store,
  })
  async maybe(symbol: string, _store: boolean): Promise<Row> {
    return { symbol, name: 'maybe' };
  }

  @CacheEvict({ namespace: 'instruments', key: (symbol) => symbol })
  async remove(symbol: string): Promise<string> {
    if (this.failing) throw new Error('database');
    this.rows.delete(symbol);
    return `removed ${symbol}`;
  }

  @CacheEvict({ namespace: 'instruments', key: (symbol) => symbol, when: 'before' })
  async removeBefore(symbol: string): Promise<void> {
    this.seen.push(await this.find(symbol));
    this.loads = 0;
    throw new Error('database');
  }

  @CacheEvict({ namespace: 'instruments', key: (...symbols) => symbols })
  async removeMany(...symbols: string[]): Promise<void> {
    for (const symbol of symbols) this.rows.delete(symbol);
  }

  @CacheEvict({ namespace: 'instruments', all: true })
  async reload(): Promise<void> {
    this.rows.clear();
  }

  @CacheEvict({ tags: (symbol) => [`row:${symbol}`] })
  async touched(_symbol: string): Promise<void> {}

  @CacheEvict({ tags: ['rows'] })
  async allTouched(): Promise<void> {}

  @CacheEvict({
    namespace: 'instruments',
    key: (from) => from,
    keyOf: (row) => row.symbol,
    tagsOf: (row) => [`row:${row.symbol}`],
  })
  async move(from: string, to: string): Promise<Row> {
    const name = this.rows.get(from)!;
    this.rows.delete(from);
    this.rows.set(to, name);
    return { symbol: to, name };
  }

  @CacheEvict({ namespace: 'instruments', key: (symbol) => symbol, condition: (_symbol, really) => really })
  async perhaps(_symbol: string, _really: boolean): Promise<void> {}

  @CacheEvict({ namespace: 'instruments', key: () => { throw new Error('key'); } }) // prettier-ignore
  async brokenKey(): Promise<string> {
    return 'done';
  }

  @CacheEvict({ tags: ['rows'] })
  @CacheEvict({ namespace: 'instruments', key: () => 'list' })
  @CachePut({ namespace: 'instruments', key: (row) => row.symbol })
  async create(symbol: string, name: string): Promise<Row> {
    this.rows.set(symbol, name);
    return { symbol, name };
  }
}

let service: Instruments;
beforeEach(async () => {
  service = await bootService(Instruments);
});

describe('@CachePut', () => {
  it('runs the method every time and stores its result where @Cacheable finds it', async () => {
    expect(await service.rename('AAPL', 'Apple Inc.')).toEqual({ symbol: 'AAPL', name: 'Apple Inc.' });
    expect(await service.rename('AAPL', 'Apple plc')).toEqual({ symbol: 'AAPL', name: 'Apple plc' });
    expect(await service.find('AAPL')).toEqual({ symbol: 'AAPL', name: 'Apple plc' });
    expect(service.loads).toBe(0);
  });

  it('stores nothing when the method fails, and lets its error through', async () => {
    await service.find('AAPL');
    service.failing = true;
    await expect(service.rename('AAPL', 'x')).rejects.toThrow('database');
    expect(await service.find('AAPL')).toEqual({ symbol: 'AAPL', name: 'Apple' });
    expect(service.loads).toBe(1);
  });

  it('unless: true leaves nothing older behind either', async () => {
    await service.find('AAPL');
    await service.rename('AAPL', 'secret');
    await service.find('AAPL');
    expect(service.loads).toBe(2);
  });

  it('condition: false only runs the method', async () => {
    await service.maybe('MSFT', false);
    expect((await service.find('MSFT'))?.name).toBe('Microsoft');
    await service.maybe('MSFT', true);
    expect((await service.find('MSFT'))?.name).toBe('maybe');
  });

  it('returns the result although it cannot be stored', async () => {
    expect(await service.badKey()).toBe('result');
  });
});

describe('@CacheEvict', () => {
  const loadsAfter = async (change: () => Promise<unknown>, symbol = 'AAPL') => {
    await service.find('AAPL');
    await service.find('MSFT');
    service.loads = 0;
    await change().catch(() => undefined);
    await service.find(symbol);
    return service.loads;
  };

  it('invalidates after the method has succeeded, and hands on its result', async () => {
    await service.find('AAPL');
    expect(await service.remove('AAPL')).toBe('removed AAPL');
    expect(await service.find('AAPL')).toBeNull();
  });

  it('invalidates nothing when the method failed', async () => {
    service.failing = true;
    expect(await loadsAfter(() => service.remove('AAPL'))).toBe(0);
  });

  it('before: invalidates first, whatever the method does', async () => {
    expect(await loadsAfter(() => service.removeBefore('AAPL'))).toBe(0);
    expect(service.seen).toEqual([{ symbol: 'AAPL', name: 'Apple' }]);
    service.rows.set('AAPL', 'Apple 2');
    await service.removeBefore('AAPL').catch(() => undefined);
    expect(service.seen[1]).toEqual({ symbol: 'AAPL', name: 'Apple 2' });
  });

  it('of several keys', async () => {
    expect(await loadsAfter(() => service.removeMany('AAPL', 'MSFT'), 'AAPL')).toBe(1);
    expect(await loadsAfter(() => service.removeMany('AAPL', 'MSFT'), 'MSFT')).toBe(1);
    expect(await loadsAfter(() => service.removeMany(), 'MSFT')).toBe(0);
  });

  it('of all entries of the namespace', async () => {
    expect(await loadsAfter(() => service.reload(), 'AAPL')).toBe(1);
    expect(await loadsAfter(() => service.reload(), 'MSFT')).toBe(1);
  });

  it('by tags from the arguments, fixed tags, keys and tags from the result', async () => {
    expect(await loadsAfter(() => service.touched('AAPL'))).toBe(1);
    expect(await loadsAfter(() => service.touched('MSFT'))).toBe(0);
    expect(await loadsAfter(() => service.allTouched())).toBe(1);
    await service.find('APPL');
    expect(await loadsAfter(() => service.move('AAPL', 'APPL'), 'AAPL')).toBe(1);
    expect(await service.find('APPL')).toEqual({ symbol: 'APPL', name: 'Apple' });
  });

  it('condition: false leaves the entry', async () => {
    expect(await loadsAfter(() => service.perhaps('AAPL', false))).toBe(0);
    expect(await loadsAfter(() => service.perhaps('AAPL', true))).toBe(1);
  });

  it('a key that throws does not fail the method, which has succeeded, and is logged as an error', async () => {
    const errors: string[] = [];
    const app = await boot({ providers: [Instruments] });
    app.useLogger({ ...silent, error: (message: string) => void errors.push(message) });
    expect(await app.get(Instruments).brokenKey()).toBe('done');
    expect(errors).toEqual([expect.stringContaining('@CacheEvict(Instruments.brokenKey)')]);
  });

  it('stacks with others on one method', async () => {
    const app = await boot({ providers: [Instruments] });
    const cache = app.get(CacheService);
    const stacked = app.get(Instruments);
    await stacked.find('AAPL');
    await cache.set('instruments', 'list', ['AAPL']);
    expect(await stacked.create('TSLA', 'Tesla')).toEqual({ symbol: 'TSLA', name: 'Tesla' });
    expect(await cache.get('instruments', 'list')).toBeUndefined();
    expect(await cache.get('instruments', 'AAPL')).toBeUndefined();
    expect(await cache.get('instruments', 'TSLA')).toEqual({ symbol: 'TSLA', name: 'Tesla' });
  });
});

describe('options that cannot work', () => {
  it.each([
    ['@CachePut without a namespace', CachePut({ key: () => 'x' }), 'namespace'],
    ['@CacheEvict of a key without a namespace', CacheEvict({ key: () => 'x' }), 'namespace'],
    ['@CacheEvict of everything without a namespace', CacheEvict({ all: true }), 'namespace'],
    ['an unknown namespace', CacheEvict({ namespace: 'nowhere', all: true }), 'nowhere'],
  ])('%s fails the boot and says which', async (_name, decorator, says) => {
    @Injectable()
    class Wrong {
      async change(): Promise<number> {
        return 1;
      }
    }
    const descriptor = Object.getOwnPropertyDescriptor(Wrong.prototype, 'change')!;
    (decorator as MethodDecorator)(Wrong.prototype, 'change', descriptor);
    Object.defineProperty(Wrong.prototype, 'change', descriptor);
    const booting = boot({ providers: [Wrong] });
    await expect(booting).rejects.toThrow(DecoratorUsageError);
    await expect(booting).rejects.toThrow(says);
  });
});
