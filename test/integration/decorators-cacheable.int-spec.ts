import { Injectable } from '@nestjs/common';
import { InvalidKeyError } from '#tiered-cache';
import {
  Cacheable,
  CacheApi,
  CacheDefaults,
  CacheMarket,
  CacheQuery,
  CacheService,
  CacheUser,
  createCacheable,
  DecoratorUsageError,
} from '../../src/index.js';
import { boot, bootService, closeAll, loadsOf } from './decorators-support.js';

afterEach(closeAll);

describe('@Cacheable', () => {
  @Injectable()
  class Instruments {
    loads = 0;
    active = true;

    @Cacheable({ namespace: 'instruments', key: (symbol) => symbol })
    async find(symbol: string): Promise<{ symbol: string; load: number }> {
      return { symbol, load: ++this.loads };
    }

    async twice(symbol: string): Promise<unknown[]> {
      return [await this.find(symbol), await this.find(symbol)];
    }

    @Cacheable()
    async falsy(kind: string): Promise<unknown> {
      this.loads++;
      return { zero: 0, empty: '', no: false, nan: Number.NaN, nothing: null }[kind];
    }

    @Cacheable()
    async fails(): Promise<never> {
      throw Object.assign(new Error(`attempt ${++this.loads}`), { mine: true });
    }

    @Cacheable({ condition: (id) => id > 0 })
    async positive(_id: number): Promise<number> {
      return ++this.loads;
    }

    @Cacheable({ unless: (result, id) => result === null || id === 7 })
    async known(id: number): Promise<string | null> {
      this.loads++;
      return id > 100 ? null : `row ${id}`;
    }

    @Cacheable({ tags: (id) => [`account:${id}`], tagsOf: (result) => [`owner:${result.owner}`] })
    async account(_id: string): Promise<{ owner: string; load: number }> {
      return { owner: 'ada', load: ++this.loads };
    }

    @Cacheable({ tags: ['list'] })
    async list(): Promise<number> {
      return ++this.loads;
    }

    @Cacheable({ ignore: [1] })
    async traced(id: string, requestId: string): Promise<string> {
      return `${id} ${++this.loads} ${requestId}`;
    }

    @Cacheable({ ttl: (result, id) => (result === 'open' ? '1s' : id === 'x' ? 'forever' : 60_000) })
    async status(id: string): Promise<string> {
      this.loads++;
      return id;
    }

    @Cacheable()
    notAsync(id: string): Promise<string> {
      if (id === '') throw new RangeError('empty');
      return Promise.resolve(`${id}${++this.loads}`);
    }
  }

  let service: Instruments;
  beforeEach(async () => {
    service = await bootService(Instruments);
  });

  it('answers the second call from the cache', async () => {
    expect(await service.find('AAPL')).toEqual({ symbol: 'AAPL', load: 1 });
    expect(await service.find('AAPL')).toEqual({ symbol: 'AAPL', load: 1 });
    expect(await service.find('MSFT')).toEqual({ symbol: 'MSFT', load: 2 });
  });

  it('hands out the same settled promise on every hit', async () => {
    await service.find('AAPL');
    expect(service.find('AAPL')).toBe(service.find('AAPL'));
  });

  it('works for calls on this', async () => {
    expect(await service.twice('AAPL')).toEqual([
      { symbol: 'AAPL', load: 1 },
      { symbol: 'AAPL', load: 1 },
    ]);
  });

  it('runs once for all who ask at the same time', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => service.find('AAPL')));
    expect(new Set(all.map((one) => one.load))).toEqual(new Set([1]));
  });

  it.each(['zero', 'empty', 'no', 'nan', 'nothing', 'absent'])(
    'caches a result that is falsy: %s',
    async (kind) => {
      const first = await service.falsy(kind);
      expect(await service.falsy(kind)).toBe(first);
      expect(service.loads).toBe(1);
    },
  );

  it("lets the method's own error through unchanged, to everybody, once, and does not cache it", async () => {
    const [one, two] = await Promise.allSettled([service.fails(), service.fails()]);
    expect(one).toMatchObject({ status: 'rejected', reason: { message: 'attempt 1', mine: true } });
    expect((two as PromiseRejectedResult).reason).toBe((one as PromiseRejectedResult).reason);
    await expect(service.fails()).rejects.toThrow('attempt 2');
  });

  it('turns a synchronous throw of a method that is not async into a rejection', async () => {
    await expect(service.notAsync('')).rejects.toThrow(RangeError);
    expect(await service.notAsync('a')).toBe(await service.notAsync('a'));
  });

  it('condition: false is as if the decorator were not there', async () => {
    expect(await service.positive(0)).not.toBe(await service.positive(0));
    expect(await service.positive(1)).toBe(await service.positive(1));
  });

  it('unless: true returns the result without storing it', async () => {
    expect(await service.known(500)).toBeNull();
    await service.known(500);
    await service.known(7);
    await service.known(7);
    expect(service.loads).toBe(4);
    await service.known(1);
    await service.known(1);
    expect(service.loads).toBe(5);
  });

  it.each(['account:1', 'owner:ada'])(
    'tags from arguments and from the result end the entry: %s',
    async (tag) => {
      const app = await boot({ providers: [Instruments] });
      const mine = app.get(Instruments);
      expect((await mine.account('1')).load).toBe(1);
      expect((await mine.account('1')).load).toBe(1);
      await app.get(CacheService).deleteByTag(tag);
      expect((await mine.account('1')).load).toBe(2);
    },
  );

  it('fixed tags end the entry', async () => {
    const app = await boot({ providers: [Instruments] });
    const mine = app.get(Instruments);
    expect([await mine.list(), await mine.list()]).toEqual([1, 1]);
    await app.get(CacheService).deleteByTag('list');
    expect(await mine.list()).toBe(2);
  });

  it('ignored parameters do not belong to the key', async () => {
    expect(await service.traced('a', 'r1')).toBe('a 1 r1');
    expect(await service.traced('a', 'r2')).toBe('a 1 r1');
    expect(await service.traced('b', 'r3')).toBe('b 2 r3');
  });

  it('ttl may be decided from the result', async () => {
    let now = 1_000_000;
    const clock = {
      now: () => now,
      monotonic: () => now,
      setTimer: () => () => undefined,
    };
    const timed = await bootService(Instruments, { clock });
    for (const id of ['open', 'closed', 'x']) await timed.status(id);
    now += 2_000;
    for (const id of ['open', 'closed', 'x']) await timed.status(id);
    expect(timed.loads).toBe(4);
    now += 3_600_000;
    for (const id of ['closed', 'x']) await timed.status(id);
    expect(timed.loads).toBe(5);
  });

  it('rejects arguments that make no key with a typed error, without calling the method', async () => {
    const anything = service as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    for (const argument of [() => 1, Symbol('x'), new WeakMap(), Promise.resolve(1)])
      await expect(anything['falsy']!(argument)).rejects.toThrow(InvalidKeyError);
    await expect(anything['find']!(5)).rejects.toThrow(InvalidKeyError);
    await expect(anything['find']!('')).rejects.toThrow(InvalidKeyError);
    expect(service.loads).toBe(0);
  });
});

describe('callbacks that throw', () => {
  @Injectable()
  class Rows {
    loads = 0;

    @Cacheable({ key: fail('key') })
    async byKey(id: string): Promise<string> {
      return `${id}${++this.loads}`;
    }

    @Cacheable({ unless: fail('unless') })
    async unless(id: string): Promise<string> {
      return `${id}${++this.loads}`;
    }

    @Cacheable({ tagsOf: fail('tagsOf') })
    async tagged(id: string): Promise<string> {
      return `${id}${++this.loads}`;
    }

    @Cacheable({ ttl: fail('ttl') })
    async timed(id: string): Promise<string> {
      return `${id}${++this.loads}`;
    }
  }

  it('before the method: the call rejects with that error', async () => {
    await expect((await bootService(Rows)).byKey('a')).rejects.toThrow('key threw');
  });

  it.each(['unless', 'tagged', 'timed'] as const)(
    'after the method: the result is returned and not stored (%s)',
    async (method) => {
      const rows = await bootService(Rows);
      expect([await rows[method]('a'), await rows[method]('a')]).toEqual(['a1', 'a2']);
    },
  );

  function fail(what: string): () => never {
    return () => {
      throw new Error(`${what} threw`);
    };
  }
});

describe('presets and defaults', () => {
  const CacheReport = createCacheable({ namespace: 'reports', ttl: '6h', tags: ['reports'] });

  @Injectable()
  class Reports {
    @CacheUser()
    async user(id: string): Promise<string> {
      return id;
    }
    @CacheQuery()
    async query(id: string): Promise<string> {
      return id;
    }
    @CacheApi()
    async api(id: string): Promise<string> {
      return id;
    }
    @CacheMarket()
    async market(id: string): Promise<string> {
      return id;
    }
    @CacheUser({ ttl: '1m' })
    async own(id: string): Promise<string> {
      return id;
    }
    @CacheReport({ key: (id) => id })
    async report(id: string): Promise<string> {
      return id;
    }
  }

  it.each([
    ['user', 30 * 60],
    ['query', 10 * 60],
    ['api', 60],
    ['market', 60],
    ['own', 60],
  ] as const)('%s lives %d seconds', async (method, seconds) => {
    const app = await boot(
      { providers: [Reports] },
      { defaults: {}, namespaces: { reports: { ttl: '1h' } } },
    );
    await app.get(Reports)[method]('x');
    const ttl = await app.get(CacheService).namespace('methods').ttl(`Reports/${method}:x`);
    expect(ttl).toBeGreaterThan((seconds - 5) * 1_000);
    expect(ttl).toBeLessThanOrEqual(seconds * 1_000);
  });

  it('the factory is public: namespace, TTL and tags of its decorators', async () => {
    const app = await boot({ providers: [Reports] }, { namespaces: { reports: { ttl: '1m' } } });
    const cache = app.get(CacheService);
    await app.get(Reports).report('q3');
    expect(await cache.namespace('reports').ttl('q3')).toBeGreaterThan(5 * 3_600_000);
    await cache.deleteByTag('reports');
    expect(await cache.namespace('reports').has('q3')).toBe(false);
  });

  @CacheDefaults({ namespace: 'instruments', ttl: '2h' })
  @Injectable()
  class Base {
    loads = 0;
    @Cacheable({ key: (symbol) => symbol })
    async find(symbol: string): Promise<string> {
      return `${symbol}${++this.loads}`;
    }
    @Cacheable({ namespace: 'other', key: (symbol) => symbol, ttl: '1m' })
    async other(symbol: string): Promise<string> {
      return `${symbol}${++this.loads}`;
    }
  }

  @Injectable()
  class Derived extends Base {
    @Cacheable({ key: (symbol) => `derived ${symbol}` })
    async more(symbol: string): Promise<string> {
      return `${symbol}${++this.loads}`;
    }
  }

  it('class-level defaults hold where a method says nothing, in the class and those that extend it', async () => {
    const namespaces = { instruments: { ttl: '1m' }, other: { ttl: '1h' } } as const;
    const app = await boot({ providers: [Derived] }, { namespaces });
    const service = app.get(Derived);
    await Promise.all([service.find('a'), service.other('a'), service.more('a')]);
    const cache = app.get(CacheService);
    const ttl = (namespace: string, id: string) => cache.namespace(namespace).ttl(id);
    expect(await ttl('instruments', 'a')).toBeGreaterThan(3_600_000);
    expect(await ttl('instruments', 'derived a')).toBeGreaterThan(3_600_000);
    expect(await ttl('other', 'a')).toBeLessThanOrEqual(60_000);
  });

  it('a method without a TTL anywhere fails the boot and says which option', async () => {
    @Injectable()
    class NoTtl {
      @Cacheable()
      async find(): Promise<number> {
        return 1;
      }
    }
    const booting = boot({ providers: [NoTtl] }, { defaults: {} });
    await expect(booting).rejects.toThrow(DecoratorUsageError);
    await expect(booting).rejects.toThrow('@Cacheable(NoTtl.find).ttl');
  });
});

describe('cache faults', () => {
  it('never reach the caller: an unserialisable result is returned, not stored, and counted', async () => {
    @Injectable()
    class Odd {
      loads = 0;
      @Cacheable()
      async make(id: string): Promise<() => string> {
        this.loads++;
        return () => id;
      }
    }
    const app = await boot({ providers: [Odd] });
    const odd = app.get(Odd);
    expect((await odd.make('a'))()).toBe('a');
    expect((await odd.make('a'))()).toBe('a');
    expect(odd.loads).toBe(2);
    expect(app.get(CacheService).stats().notStored).toBe(2);
    expect(loadsOf(app)).toBe(2);
  });

  it('never reach the caller: with Redis unreachable methods work and are called', async () => {
    @Injectable()
    class Plain {
      loads = 0;
      @Cacheable()
      async get(id: string): Promise<string> {
        return `${id}${++this.loads}`;
      }
    }
    const plain = await bootService(Plain, { redis: { host: '127.0.0.1', port: 1 } });
    expect(await plain.get('a')).toBe('a1');
  });

  it('methods go on working, uncached, once the cache is closed', async () => {
    @Injectable()
    class Late {
      loads = 0;
      @Cacheable()
      async get(id: string): Promise<string> {
        return `${id}${++this.loads}`;
      }
    }
    const app = await boot({ providers: [Late] });
    const late = app.get(Late);
    await late.get('a');
    await late.get('a');
    await app.get(CacheService).close();
    expect([await late.get('a'), await late.get('a')]).toEqual(['a2', 'a3']);
  });
});
