import { Injectable } from '@nestjs/common';
import { InvalidKeyError } from '#tiered-cache';
import { Cacheable, CacheDefaults, CacheEvict, CacheService, DuplicateClassError } from '../../src/index.js';
import { boot, bootService, closeAll } from './decorators-support.js';

afterEach(closeAll);

describe('default keys', () => {
  @Injectable()
  class Echo {
    calls = 0;

    @Cacheable()
    async one(..._args: unknown[]): Promise<number> {
      return ++this.calls;
    }

    @Cacheable()
    async two(..._args: unknown[]): Promise<number> {
      return ++this.calls;
    }
  }

  class Point {
    constructor(
      readonly x: number,
      readonly y: number,
    ) {}
  }

  /** Each line: calls that must be told apart. */
  const different: [string, unknown[][]][] = [
    ['1 and "1" and 1n and true', [[1], ['1'], [1n], [true], ['true']]],
    ['null, undefined, absent and their names', [[null], [undefined], [], ['null'], ['undefined'], ['']]],
    [
      '["a","b"], "a,b" and a list of them',
      [['a', 'b'], ['a,b'], [['a', 'b']], [['a,b']], [['a'], 'b'], ['a', ['b']]],
    ],
    [
      'Maps of other content, an object, and entries',
      [[new Map([['a', 1]])], [new Map([['a', 2]])], [new Map()], [{}], [{ a: 1 }], [[['a', 1]]]],
    ],
    [
      'Sets of other content, an array',
      [[new Set([1])], [new Set(['1'])], [new Set([1, 2])], [new Set()], [[1]], [[]]],
    ],
    ['Dates, their text and their number', [[new Date(0)], [new Date(1)], [new Date(0).toISOString()], [0]]],
    [
      'BigInts beyond the safe integers',
      [[9_007_199_254_740_993n], [9_007_199_254_740_992n], [9_007_199_254_740_992]],
    ],
    ['NaN, Infinity and null', [[Number.NaN], [Infinity], [-Infinity], [null], ['NaN']]],
    [
      'nested objects',
      [[{ a: { b: 1 } }], [{ a: { b: '1' } }], [{ a: { c: 1 } }], [{ 'a.b': 1 }], [{ a: {}, b: 1 }]],
    ],
    ['instances, and plain objects alike', [[new Point(1, 2)], [new Point(2, 1)], [{ x: 1, y: 2 }]]],
    ['Buffers, typed arrays and text', [[Buffer.from('a')], [new Uint8Array([97])], ['a'], [[97]]]],
    ['what a separator could glue together', [['a:b'], ['a', ':b'], ['a:', 'b'], ['a', 'b:']]],
    ['undefined in objects', [[{ a: undefined }], [{}]]],
    ['trailing undefined', [['a'], ['a', undefined]]],
    ['unicode, lone surrogates, control characters', [['\ud800'], ['\ud801'], ['\ufffd'], ['\0'], ['']]],
    ['long strings that differ in the last character', [['x'.repeat(5_000)], [`${'x'.repeat(4_999)}y`]]],
  ];

  it.each(different)('never collide: %s', async (_name, calls) => {
    const echo = await bootService(Echo);
    const answers: number[] = [];
    for (const args of calls) answers.push(await echo.one(...args));
    expect(new Set(answers).size).toBe(calls.length);
    for (const [index, args] of calls.entries()) expect(await echo.one(...args)).toBe(answers[index]);
  });

  it('are the same for what means the same, in any order of properties', async () => {
    const echo = await bootService(Echo);
    const same: [unknown[], unknown[]][] = [
      [[{ a: 1, b: { c: 2, d: 3 } }], [{ b: { d: 3, c: 2 }, a: 1 }]],
      [[new Map([['a', 1], ['b', 2]])], [new Map([['b', 2], ['a', 1]])]],
      [[new Set([1, 2])], [new Set([2, 1])]],
      [[new Date(5)], [new Date(5)]],
      [[new Point(1, 2)], [new Point(1, 2)]],
      [[0], [-0]],
    ]; // prettier-ignore
    for (const [one, other] of same) expect(await echo.one(...one)).toBe(await echo.one(...other));
  });

  it('tell methods of a class apart', async () => {
    const echo = await bootService(Echo);
    expect(await echo.one('a')).not.toBe(await echo.two('a'));
  });

  it('tell classes apart, and what extends from what is extended', async () => {
    class Base {
      @Cacheable()
      async name(): Promise<string> {
        return this.constructor.name;
      }
    }
    @Injectable()
    class Cats extends Base {}
    @Injectable()
    class Dogs extends Base {}
    const app = await boot({ providers: [Cats, Dogs, Base] });
    for (const type of [Cats, Dogs, Base])
      for (let i = 0; i < 2; i++) expect(await app.get(type).name()).toBe(type.name);
  });

  it('tell an override from what it overrides, so that super has an entry of its own', async () => {
    class Base {
      async load(id: string): Promise<string> {
        return id;
      }
      @Cacheable()
      async find(id: string): Promise<string> {
        return this.load(`base ${id}`);
      }
    }
    @Injectable()
    class Derived extends Base {
      @Cacheable()
      override async find(id: string): Promise<string> {
        await Promise.resolve();
        return `derived ${await super.find(id)}`;
      }
    }
    const derived = await bootService(Derived);
    for (let i = 0; i < 2; i++) expect(await derived.find('x')).toBe('derived base x');
  });

  it('do not depend on which raw argument was seen first', async () => {
    const echo = await bootService(Echo);
    // Above the number of remembered calls, and back.
    const answers = new Map<number, number>();
    for (let i = 0; i < 10_050; i += 1) answers.set(i, await echo.one(i));
    expect(await echo.one(10_049)).toBe(answers.get(10_049));
  });
});

describe('two classes of one name in one cache', () => {
  function make(identity?: string) {
    @CacheDefaults({ ...(identity && { identity }) })
    @Injectable()
    class Prices {
      @Cacheable()
      async find(id: string): Promise<string> {
        return `${identity ?? 'first'} ${id}`;
      }
    }
    return Prices;
  }

  it('fail the boot, naming class and cache', async () => {
    const [One, Two] = [make(), make()];
    const booting = boot({ providers: [One, { provide: 'two', useClass: Two }] });
    await expect(booting).rejects.toThrow(DuplicateClassError);
    await expect(booting).rejects.toThrow('"Prices"');
  });

  it('fail the boot also when one is request-scoped and never made', async () => {
    const One = make();
    const Two = make();
    await expect(boot({ providers: [One, { provide: 'two', useClass: Two, scope: 2 }] })).rejects.toThrow(
      DuplicateClassError,
    );
  });

  it('live together when one is given a name', async () => {
    const [One, Two] = [make(), make('second')];
    const app = await boot({ providers: [One, { provide: 'two', useClass: Two }] });
    expect(await app.get(One).find('x')).toBe('first x');
    expect(await app.get<InstanceType<typeof Two>>('two').find('x')).toBe('second x');
  });

  it('live together when namespace and key say all', async () => {
    const make = () => {
      @Injectable()
      class Same {
        @Cacheable({ namespace: 'instruments', key: (id) => id })
        async find(id: string): Promise<string> {
          return id;
        }
      }
      return Same;
    };
    await boot({ providers: [make(), { provide: 'two', useClass: make() }] });
  });

  it('a class that extends one of its own name fails the boot', async () => {
    const Base = make();
    @Injectable()
    class Prices extends Base {
      @Cacheable()
      override async find(id: string): Promise<string> {
        return `mine ${id}`;
      }
    }
    await expect(boot({ providers: [Prices] })).rejects.toThrow(DuplicateClassError);
  });
});

describe('explicit namespace and key', () => {
  it('are shared by every method that names the same two, in any class', async () => {
    @Injectable()
    class Reader {
      @Cacheable({ namespace: 'instruments', key: (symbol) => symbol })
      async find(symbol: string): Promise<string> {
        return `reader ${symbol}`;
      }
    }
    @Injectable()
    class Other {
      @Cacheable({ namespace: 'instruments', key: (symbol, _x) => symbol })
      async lookUp(symbol: string, _x: number): Promise<string> {
        return `other ${symbol}`;
      }
    }
    const app = await boot({ providers: [Reader, Other] });
    expect(await app.get(Reader).find('A')).toBe('reader A');
    expect(await app.get(Other).lookUp('A', 1)).toBe('reader A');
    expect(await app.get(CacheService).namespace('instruments').get('A')).toBe('reader A');
  });

  it('a key without a namespace stays the method’s own', async () => {
    @Injectable()
    class Own {
      @Cacheable({ key: (id) => id })
      async one(id: string): Promise<string> {
        return `one ${id}`;
      }
      @Cacheable({ key: (id) => id })
      async two(id: string): Promise<string> {
        return `two ${id}`;
      }
    }
    const own = await bootService(Own);
    expect([await own.one('x'), await own.two('x')]).toEqual(['one x', 'two x']);
  });
});

describe('scope', () => {
  class Tenants {
    tenant = 'a';
    calls = 0;

    @Cacheable({ scope: (self) => self.tenant })
    async all(): Promise<string> {
      return `${this.tenant}${++this.calls}`;
    }

    @Cacheable({ namespace: 'instruments', key: (id) => id, scope: (self) => self.tenant })
    async find(id: string): Promise<string> {
      return `${this.tenant} ${id} ${++this.calls}`;
    }

    @CacheEvict({ namespace: 'instruments', key: (id) => id, scope: (self) => self.tenant })
    async drop(_id: string): Promise<void> {}
  }

  it('entries of different scopes never meet, on one instance', async () => {
    const service = await bootService(Tenants);
    expect([await service.all(), await service.find('x')]).toEqual(['a1', 'a x 2']);
    service.tenant = 'b';
    expect([await service.all(), await service.find('x')]).toEqual(['b3', 'b x 4']);
    await service.drop('x');
    expect(await service.find('x')).toBe('b x 5');
    service.tenant = 'a';
    expect([await service.all(), await service.find('x')]).toEqual(['a1', 'a x 2']);
  });

  it('an empty scope rejects: without one the entry would be everybody’s', async () => {
    const service = await bootService(Tenants);
    service.tenant = '';
    await expect(service.all()).rejects.toThrow(InvalidKeyError);
    service.tenant = undefined as unknown as string;
    await expect(service.find('x')).rejects.toThrow(InvalidKeyError);
    expect(service.calls).toBe(0);
  });

  it('without a scope instances of a class share entries', async () => {
    @Injectable({ scope: 1 })
    class Counter {
      calls = 0;
      @Cacheable()
      async count(): Promise<number> {
        return ++this.calls;
      }
    }
    const app = await boot({ providers: [Counter] });
    const [one, two] = [await app.resolve(Counter), await app.resolve(Counter)];
    expect(one).not.toBe(two);
    expect([await one.count(), await two.count(), two.calls]).toEqual([1, 1, 0]);
  });
});
