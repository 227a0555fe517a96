import {
  Controller,
  forwardRef,
  Get,
  Inject,
  Injectable,
  Module,
  Param,
  type OnModuleInit,
  Scope,
  SetMetadata,
} from '@nestjs/common';
import { ModuleRef, Reflector } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import {
  Cacheable,
  CacheDefaults,
  CacheEvict,
  CacheModule,
  CacheNotFoundError,
  CacheNotVisibleError,
  CachePut,
  CacheService,
  DecoratorUsageError,
  getCacheToken,
} from '../../src/index.js';
import { boot, bootBare, bootService, closeAll, silent } from './decorators-support.js';

afterEach(closeAll);

@Injectable()
class Counter {
  calls = 0;

  @Cacheable()
  async count(id = 'x'): Promise<string> {
    return `${id}${++this.calls}`;
  }
}

describe('where decorated methods work', () => {
  it('in onModuleInit of the provider itself and of others', async () => {
    @Injectable()
    class Early extends Counter implements OnModuleInit {
      seen: string[] = [];
      async onModuleInit(): Promise<void> {
        this.seen.push(await this.count(), await this.count());
      }
    }
    @Injectable()
    class Other implements OnModuleInit {
      seen = '';
      constructor(private readonly early: Early) {}
      async onModuleInit(): Promise<void> {
        this.seen = await this.early.count();
      }
    }
    const app = await boot({ providers: [Other, Early] });
    expect(app.get(Early).seen).toEqual(['x1', 'x1']);
    expect(app.get(Other).seen).toBe('x1');
  });

  it('on inherited methods', async () => {
    @Injectable()
    class Derived extends Counter {}
    const derived = await bootService(Derived);
    expect([await derived.count(), await derived.count()]).toEqual(['x1', 'x1']);
  });

  it('on an override that is not decorated: the override is not cached, what it calls by super is', async () => {
    @Injectable()
    class Derived extends Counter {
      outer = 0;
      override async count(id?: string): Promise<string> {
        return `${++this.outer} ${await super.count(id)}`;
      }
    }
    const derived = await bootService(Derived);
    expect([await derived.count(), await derived.count()]).toEqual(['1 x1', '2 x1']);
  });

  it('on abstract bases and generic repositories', async () => {
    abstract class Repository<T> {
      calls = 0;
      protected abstract load(id: string): Promise<T>;
      @Cacheable()
      async find(id: string): Promise<T> {
        this.calls++;
        return this.load(id);
      }
    }
    @Injectable()
    class Numbers extends Repository<number> {
      protected async load(id: string): Promise<number> {
        return id.length;
      }
    }
    const numbers = await bootService(Numbers);
    expect([await numbers.find('abc'), await numbers.find('abc'), numbers.calls]).toEqual([3, 3, 1]);
  });

  it('on request-scoped providers, whose instances share entries', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest extends Counter {}
    const app = await boot({ providers: [PerRequest] });
    const [one, two] = [await app.resolve(PerRequest), await app.resolve(PerRequest)];
    expect(one).not.toBe(two);
    expect([await one.count(), await two.count(), await one.count()]).toEqual(['x1', 'x1', 'x1']);
    expect([one.calls, two.calls]).toEqual([1, 0]);
  });

  it('on transient providers', async () => {
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient extends Counter {}
    @Injectable()
    class A {
      constructor(readonly counter: Transient) {}
    }
    @Injectable()
    class B {
      constructor(readonly counter: Transient) {}
    }
    const app = await boot({ providers: [Transient, A, B] });
    const [a, b] = [app.get(A).counter, app.get(B).counter];
    expect(a).not.toBe(b);
    expect([await a.count(), await b.count(), b.calls]).toEqual(['x1', 'x1', 0]);
  });

  it('on providers that refer to each other (forwardRef)', async () => {
    @Injectable()
    class Left {
      calls = 0;
      constructor(@Inject(forwardRef(() => Right)) readonly right: { via(): Promise<string> }) {}
      @Cacheable()
      async count(): Promise<string> {
        return `left${++this.calls}`;
      }
    }
    @Injectable()
    class Right {
      calls = 0;
      constructor(@Inject(forwardRef(() => Left)) readonly left: Left) {}
      @Cacheable()
      async via(): Promise<string> {
        return `${await this.left.count()} right${++this.calls}`;
      }
    }
    const app = await boot({ providers: [Left, Right] });
    const left = app.get(Left);
    for (let i = 0; i < 2; i++) expect(await left.right.via()).toBe('left1 right1');
    expect(await left.count()).toBe('left1');
  });

  it('on controllers, with their routes and parameters', async () => {
    @Controller('instruments')
    class Instruments {
      calls = 0;
      @Get(':symbol')
      @Cacheable({ namespace: 'instruments', key: (symbol) => symbol })
      async above(@Param('symbol') symbol: string): Promise<{ symbol: string; call: number }> {
        return { symbol, call: ++this.calls };
      }
      @Cacheable({ namespace: 'instruments', key: (symbol) => `below ${symbol}` })
      @Get('below/:symbol')
      async below(@Param('symbol') symbol: string): Promise<{ symbol: string; call: number }> {
        return { symbol, call: ++this.calls };
      }
    }
    const module = await Test.createTestingModule({
      imports: [CacheModule.forRoot({ namespaces: { instruments: { ttl: '1m' } } })],
      controllers: [Instruments],
    })
      .setLogger(silent)
      .compile();
    const app = module.createNestApplication();
    await app.init();
    try {
      for (let i = 0; i < 2; i++) {
        const above = await request(app.getHttpServer()).get('/instruments/AAPL');
        expect(above.body).toEqual({ symbol: 'AAPL', call: 1 });
      }
      for (let i = 0; i < 2; i++) {
        const below = await request(app.getHttpServer()).get('/instruments/below/AAPL');
        expect(below.body).toEqual({ symbol: 'AAPL', call: 2 });
      }
    } finally {
      await app.close();
    }
  });

  it('on objects that a factory or a value provides', async () => {
    const value = new Counter();
    class FromFactory extends Counter {}
    const app = await boot({
      providers: [
        { provide: 'value', useValue: value },
        { provide: 'factory', useFactory: async () => new FromFactory() },
        { provide: 'alias', useExisting: 'factory' },
        { provide: 'plain', useValue: { count: 1 } },
        { provide: 'null', useValue: null },
        { provide: 'text', useValue: 'text' },
      ],
    });
    for (const token of ['value', 'factory', 'alias']) {
      const counter = app.get<Counter>(token);
      expect([await counter.count(), await counter.count()]).toEqual(['x1', 'x1']);
    }
  });

  it('on instances made by ModuleRef.create', async () => {
    const app = await boot({ providers: [Counter] });
    class Made extends Counter {}
    const made = await app.get(ModuleRef).create(Made);
    expect([await made.count(), await made.count()]).toEqual(['x1', 'x1']);
  });

  it('are as they were written on instances that Nest did not make', async () => {
    const counter = new Counter();
    expect([await counter.count(), await counter.count()]).toEqual(['x1', 'x2']);
    // Without an instance, as any method that uses `this`.
    await expect(async () => Counter.prototype.count.call(undefined as never)).rejects.toThrow(TypeError);
  });

  it('are as they were written in applications without a cache, and beside a double of it', async () => {
    const without = await bootBare({ providers: [Counter] });
    const plain = without.get(Counter);
    expect([await plain.count(), await plain.count()]).toEqual(['x1', 'x2']);

    const doubled = await Test.createTestingModule({
      imports: [CacheModule.forRoot({ isGlobal: true })],
      providers: [Counter],
    })
      .overrideProvider(CacheService)
      .useValue({})
      .setLogger(silent)
      .compile();
    const uncached = doubled.get(Counter);
    expect([await uncached.count(), await uncached.count()]).toEqual(['x1', 'x2']);
    await doubled.close();
  });

  it('leave no trace on instances: nothing enumerable, JSON and spread are the same', async () => {
    const counter = await bootService(Counter);
    await counter.count();
    expect(Object.keys(counter)).toEqual(['calls']);
    expect(JSON.stringify(counter)).toBe('{"calls":1}');
    expect(Object.assign({}, counter)).toEqual({ calls: 1 });
    expect(structuredClone(counter)).toEqual({ calls: 1 });
  });
});

describe('other decorators', () => {
  const Role = (role: string) => SetMetadata('role', role);
  /** A decorator that replaces the method, as tracing ones do, and copies nothing. */
  const Shout = (): MethodDecorator => (_target, _name, descriptor) => {
    const original = descriptor.value as unknown as (...args: unknown[]) => Promise<string>;
    descriptor.value = async function (this: unknown, ...args: unknown[]) {
      return `${await original.apply(this, args)}!`;
    } as never;
  };

  @Injectable()
  class Mixed {
    calls = 0;

    @Role('above')
    @Cacheable()
    async above(id: string, _page?: number): Promise<string> {
      return `${id}${++this.calls}`;
    }

    @Cacheable()
    @Role('below')
    async below(id: string, _page?: number): Promise<string> {
      return `${id}${++this.calls}`;
    }

    @Role('stacked')
    @CacheEvict({ tags: ['x'] })
    @Cacheable()
    @SetMetadata('deep', 1)
    @CachePut({ namespace: 'instruments', key: (result) => result })
    async stacked(id: string): Promise<string> {
      return `${id}${++this.calls}`;
    }

    @Shout()
    @Cacheable()
    async shoutsOutside(id: string): Promise<string> {
      return `${id}${++this.calls}`;
    }

    @Cacheable()
    @Shout()
    async shoutsInside(id: string): Promise<string> {
      return `${id}${++this.calls}`;
    }
  }

  it('keep their metadata, above and below', async () => {
    const mixed = await bootService(Mixed);
    const reflector = new Reflector();
    const at = (method: 'above' | 'below' | 'stacked') => mixed[method] as (id: string) => unknown;
    expect(reflector.get('role', at('above'))).toBe('above');
    expect(reflector.get('role', at('below'))).toBe('below');
    expect(reflector.get('role', at('stacked'))).toBe('stacked');
    expect(reflector.get('deep', at('stacked'))).toBe(1);
    expect(Reflect.getMetadata('design:paramtypes', Mixed.prototype, 'above')).toEqual([String, Number]);
  });

  it('see the name and the length of the method', () => {
    expect([Mixed.prototype.above.name, Mixed.prototype.above.length]).toEqual(['above', 2]);
    expect([Mixed.prototype.stacked.name, Mixed.prototype.stacked.length]).toEqual(['stacked', 1]);
  });

  it('may wrap the method, inside or outside', async () => {
    const mixed = await bootService(Mixed);
    for (let i = 0; i < 2; i++) {
      expect(await mixed.shoutsOutside('a')).toBe('a1!');
      expect(await mixed.shoutsInside('b')).toBe('b2!');
    }
  });
});

describe('several applications and several caches', () => {
  it('two applications in one process share classes and nothing else', async () => {
    const dynamic = CacheModule.forRoot({ isGlobal: true, defaults: { ttl: '5m' } });
    const one = await bootBare({ imports: [dynamic], providers: [Counter] });
    const two = await bootBare({ imports: [dynamic], providers: [Counter] });
    expect(await one.get(Counter).count()).toBe('x1');
    expect(await two.get(Counter).count()).toBe('x1');
    expect(two.get(Counter).calls).toBe(1);
    await two.get(Counter).count();
    const stats = [one, two].map((app) => app.get(CacheService).stats());
    expect(stats.map(({ hits, misses }) => [hits, misses])).toEqual([
      [0, 1],
      [1, 1],
    ]);
    await one.close();
    expect(await two.get(Counter).count()).toBe('x1');
  });

  @Injectable()
  class Both {
    calls = 0;
    @Cacheable({ namespace: 'instruments', key: () => 'one' })
    async usual(): Promise<number> {
      return ++this.calls;
    }
    @Cacheable({ cache: 'market', namespace: 'ticks', key: () => 'one' })
    async market(): Promise<number> {
      return ++this.calls;
    }
  }

  @CacheDefaults({ cache: 'market', namespace: 'ticks' })
  @Injectable()
  class Market {
    calls = 0;
    @Cacheable({ key: () => 'two' })
    async tick(): Promise<number> {
      return ++this.calls;
    }
  }
  @Injectable()
  class MoreMarket extends Market {
    @Cacheable({ key: () => 'three' })
    async more(): Promise<number> {
      return ++this.calls;
    }
  }

  const market = () =>
    CacheModule.forRoot({ name: 'market', isGlobal: true, namespaces: { ticks: { ttl: '1s' } } });

  it('a method names its cache, or its class does for it', async () => {
    const app = await boot({ imports: [market()], providers: [Both, MoreMarket] });
    const both = app.get(Both);
    const more = app.get(MoreMarket);
    await Promise.all([both.usual(), both.market(), more.tick(), more.more()]);
    const usual = app.get(CacheService);
    const other = app.get<CacheService>(getCacheToken('market'));
    expect(other).not.toBe(usual);
    expect(await usual.get('instruments', 'one')).toBe(1);
    expect(await other.get('ticks', 'one')).toBe(2);
    expect([await other.get('ticks', 'two'), await other.get('ticks', 'three')]).toEqual([1, 2]);
    expect([usual.stats().sourceLoads, other.stats().sourceLoads]).toEqual([1, 3]);
  });

  it('a cache that does not exist fails the boot, naming method and cache', async () => {
    const booting = boot({ providers: [Both] });
    await expect(booting).rejects.toThrow(CacheNotFoundError);
    await expect(booting).rejects.toThrow(/@Cacheable\(Both\.market\).*"market".*default/);
  });

  it.each([
    ['a class', Counter],
    ['a request-scoped class', { provide: 'x', useClass: Counter, scope: Scope.REQUEST }],
    ['a value', { provide: 'x', useValue: new Counter() }],
    ['a factory’s object', { provide: 'x', useFactory: () => new Counter() }],
  ])(
    '%s in a module that does not see the cache fails the boot, naming module and provider',
    async (_n, provider) => {
      @Module({ providers: [provider as never] })
      class Blind {}
      const booting = boot({ imports: [Blind] }, { isGlobal: false });
      await expect(booting).rejects.toThrow(CacheNotVisibleError);
      await expect(booting).rejects.toThrow(/@Cacheable\(Counter\.count\).*Blind/);
    },
  );

  it('a module sees the cache through what it imports re-exports', async () => {
    const cache = CacheModule.forRoot({ defaults: { ttl: '5m' } });
    @Module({ imports: [cache], exports: [CacheModule] })
    class Shared {}
    @Module({ imports: [Shared], providers: [Counter] })
    class Feature {}
    const app = await bootBare({ imports: [Feature] });
    const counter = app.get(Counter, { strict: false });
    expect([await counter.count(), await counter.count()]).toEqual(['x1', 'x1']);
  });
});

describe('what is refused when the class is defined', () => {
  it('a static method', () => {
    expect(() => {
      class Statics {
        @Cacheable()
        static async find(): Promise<number> {
          return 1;
        }
      }
      return Statics;
    }).toThrow(/@Cacheable\(Statics\.find\).*static/);
  });

  it('a method annotated to return something else than a promise', () => {
    expect(() => {
      class Numbers {
        @(Cacheable() as MethodDecorator)
        find(): number {
          return 1;
        }
      }
      return Numbers;
    }).toThrow(/@Cacheable\(Numbers\.find\) returns.*"Number".*Promise/);
  });

  it('an accessor', () => {
    expect(() => {
      class Accessors {
        @(Cacheable() as MethodDecorator)
        get find(): Promise<number> {
          return Promise.resolve(1);
        }
      }
      return Accessors;
    }).toThrow(DecoratorUsageError);
  });

  it.each([
    ['ttl 0', { ttl: 0 }, 'ttl'],
    ['a negative ttl', { ttl: -5 }, 'ttl'],
    ['ttl NaN', { ttl: Number.NaN }, 'ttl'],
    ['a ttl above the maximum', { ttl: '11y' }, 'ttl'],
    ['a ttl that is no duration', { ttl: 'soon' }, 'ttl'],
    ['a key that is no function', { key: 'id' }, 'key'],
    ['tags that are no strings', { tags: [1] }, 'tags'],
    ['an option that does not exist', { tll: '5m' }, 'tll'],
    ['grace that is no duration', { grace: 'long' }, 'grace'],
    ['ignored positions that are names', { ignore: ['id'] }, 'ignore'],
    ['a name that cannot be a cache’s', { cache: 'a b' }, 'cache'],
  ])('%s, naming option and method', (_name, options, option) => {
    expect(() => {
      class Wrong {
        @Cacheable(options as never)
        async find(): Promise<number> {
          return 1;
        }
      }
      return Wrong;
    }).toThrow(`@Cacheable(Wrong.find).${option}`);
  });

  it('@CacheEvict that names nothing, or needs a result before there is one', () => {
    const decorate = (options: unknown) => () => {
      class Wrong {
        @CacheEvict(options as never)
        async drop(): Promise<void> {}
      }
      return Wrong;
    };
    expect(decorate({})).toThrow('at least one of');
    expect(decorate({ namespace: 'a', keyOf: () => 'x', when: 'before' })).toThrow('when');
    expect(decorate({ tags: ['a'], ttl: '5m' })).toThrow('ttl');
  });
});
