import { randomInt } from 'node:crypto';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { CorruptEntryError, InvalidOptionsError, UnserialisableValueError } from '../errors.js';
import { createCodecs } from './codecs.js';
import { isJsonPlain } from './json-codec.js';

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));
const JSON_ID = 1;
const RICH_ID = 2;

class Money {
  constructor(
    readonly amount: bigint,
    readonly currency: string,
  ) {}
  plus(other: Money): Money {
    return new Money(this.amount + other.amount, this.currency);
  }
}

class Account {
  owner?: Person;
  balance = new Money(0n, 'USD');
  constructor(readonly id: string) {}
}

class Person {
  accounts: Account[] = [];
}

class SavingsAccount extends Account {}

const holed: unknown[] = [1];
holed[2] = 3;

const CLASSES = [
  { name: 'account', type: Account },
  { name: 'person', type: Person },
  {
    name: 'money',
    type: Money,
    serialise: (money: Money) => [money.amount, money.currency],
    deserialise: (data: unknown) => new Money(...(data as [bigint, string])),
  },
];

const codecs = createCodecs(CLASSES);

function roundTrip(value: unknown): unknown {
  const { codec, payload } = codecs.encode(value);
  return codecs.decode(codec, payload);
}

function codecFor(value: unknown): number {
  return codecs.encode(value).codec;
}

function refusal(value: unknown): string {
  try {
    codecs.encode(value);
  } catch (error) {
    expect(error).toBeInstanceOf(UnserialisableValueError);
    return (error as Error).message;
  }
  return 'accepted';
}

describe('the choice of codec', () => {
  it('is plain JSON text for what JSON gives back exactly', () => {
    for (const value of [
      null,
      true,
      '',
      'ü\ud800"',
      0,
      1.5,
      -1e300,
      [],
      {},
      [1, [null]],
      { a: { b: ['c'] }, '': 1 },
    ]) {
      expect(codecs.encode(value)).toEqual({ codec: JSON_ID, payload: Buffer.from(JSON.stringify(value)) });
      expect(roundTrip(value)).toStrictEqual(value);
    }
  });

  it('is rich for what JSON would lose', () => {
    const shared = { a: 1 };
    for (const value of [
      undefined,
      NaN,
      Infinity,
      -0,
      1n,
      { a: undefined },
      holed,
      [undefined],
      new Date(0),
      Object.create(null),
      [shared, shared],
    ]) {
      // prettier-ignore
      expect(isJsonPlain(value)).toBe(false);
      expect(codecFor(value)).toBe(RICH_ID);
    }
  });

  it('calls no accessor and no toJSON', () => {
    let called = 0;
    const accessor = Object.defineProperty({}, 'x', { enumerable: true, get: () => ++called });
    expect(refusal({ accessor })).toContain('accessor');
    expect(refusal({ toJSON: () => ++called })).toContain('a function');
    expect(called).toBe(0);
  });

  it('is JSON for any JSON value, which then comes back strictly equal', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain = JSON.parse(JSON.stringify(value)) as unknown; // fast-check's may hold -0
        fc.pre(!JSON.stringify(plain).includes('"__proto__":'));
        expect(codecFor(plain)).toBe(JSON_ID);
        expect(roundTrip(plain)).toStrictEqual(plain);
      }),
      { seed },
    );
  });

  it('treats objects of another realm as its own', () => {
    const foreign: unknown = runInNewContext('({ a: [1, { b: "c" }] })');
    expect(codecFor(foreign)).toBe(JSON_ID);
    const rich = runInNewContext('({ d: new Date(5), m: new Map([[1, new Set([2])]]), e: new TypeError("no") })') as object; // prettier-ignore
    expect(roundTrip(rich)).toEqual({
      d: new Date(5),
      m: new Map([[1, new Set([2])]]),
      e: new TypeError('no'),
    });
  });
});

describe('values keep their type', () => {
  it.each<[string, unknown]>([
    ['Date', new Date('2026-11-20T10:00:00.123Z')],
    ['Map with keys of any type', new Map<unknown, unknown>([[1, 'a'], ['1', { b: 2 }], [new Date(1), new Map()]])], // prettier-ignore
    ['Set', new Set<unknown>([1, '1', null, undefined, NaN])],
    ['BigInt', -(2n ** 80n)],
    ['undefined', undefined],
    ['member undefined', { a: undefined }],
    ['NaN', NaN],
    ['Infinity', [Infinity, -Infinity]],
    ['RegExp', /a"\/[\n]+/giu],
    ['URL', new URL('https://user@example.com:81/x?q=1#h')],
    ['sparse array', holed],
    ['very sparse array', Object.assign([], { 1_000_000: 1n })],
    ['object without prototype', Object.assign(Object.create(null), { a: 1 })],
    ['lone surrogate', { '\ud800': '\udfff', big: 1n }],
    ['empty string, zero, false', ['', 0, false, null, 1n]],
  ])('%s', (_name, value) => {
    expect(roundTrip(value)).toStrictEqual(value);
    expect(roundTrip({ in: [value] })).toStrictEqual({ in: [value] });
  });

  it('invalid Date', () => {
    const [back] = roundTrip([new Date(NaN)]) as [Date];
    expect([back instanceof Date, back.getTime()]).toEqual([true, NaN]);
  });

  it('negative zero', () => {
    expect(Object.is(roundTrip(-0), -0)).toBe(true);
    expect(Object.is((roundTrip([-0]) as number[])[0], -0)).toBe(true);
  });

  it('Buffer stays Buffer, typed arrays stay what they are', () => {
    const buffer = roundTrip(Buffer.from([0, 255, 128]));
    expect(Buffer.isBuffer(buffer)).toBe(true);
    expect((buffer as Buffer).toString('hex')).toBe('00ff80');
    for (const view of [
      new Uint8Array([1, 2]),
      new Float64Array([1.5, NaN]),
      new BigInt64Array([-1n]),
      new Int16Array(0),
      new Uint8ClampedArray([9]),
    ]) {
      // prettier-ignore
      const back = roundTrip({ view }) as { view: Uint8Array };
      expect(back.view).toStrictEqual(view);
      expect(Buffer.isBuffer(back.view)).toBe(false);
    }
    expect([...new Uint8Array(roundTrip(new Uint8Array([7, 8]).buffer) as ArrayBuffer)]).toEqual([7, 8]);
    const view = roundTrip(new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)) as DataView;
    expect([view.byteLength, view.getUint8(0), view.getUint8(1)]).toEqual([2, 2, 3]);
  });

  it('a view takes only its own bytes along', () => {
    const pool = Buffer.from('SECRET-of-somebody-else|mine');
    const view = new Uint8Array(pool.buffer, pool.byteOffset + pool.length - 4, 4);
    const { payload } = codecs.encode(view);
    const stored = Buffer.from(/"ArrayBuffer","([^"]*)"/.exec(payload.toString())![1]!, 'base64');
    expect(stored.toString()).toBe('mine');
    expect(
      Buffer.from(roundTrip(new Uint16Array(new Uint16Array([1, 2, 3]).buffer, 2, 1)) as never),
    ).toHaveLength(1);
  });

  it('errors of the language keep type, message and stack', () => {
    const error = new RangeError('too far');
    const back = roundTrip({ error }) as { error: RangeError };
    expect(Object.prototype.toString.call(back.error)).toBe('[object Error]');
    expect(back.error).toBeInstanceOf(RangeError);
    expect([back.error.message, back.error.stack, back.error.name]).toEqual([
      'too far',
      error.stack,
      'RangeError',
    ]);
    expect(Object.keys(back.error)).toEqual([]);
  });

  it('cycles and shared references', () => {
    const shared = { n: 1 };
    const value: Record<string, unknown> = {
      a: shared,
      b: shared,
      m: new Map<unknown, unknown>([['s', shared]]),
    };
    value.self = value;
    const back = roundTrip(value) as Record<string, unknown>;
    expect(back.self).toBe(back);
    expect(back.a).toBe(back.b);
    expect((back.m as Map<string, unknown>).get('s')).toBe(back.a);
  });

  it('gives every reader a value of its own', () => {
    const { codec, payload } = codecs.encode({ d: new Date(0), b: Buffer.from('abc') });
    const one = codecs.decode(codec, payload) as { d: Date; b: Buffer };
    one.d.setFullYear(1999);
    one.b[0] = 0;
    expect(codecs.decode(codec, payload)).toEqual({ d: new Date(0), b: Buffer.from('abc') });
  });

  it('any mixture', () => {
    const values = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withSparseArray: true, withTypedArray: true, withNullPrototype: true }); // prettier-ignore
    fc.assert(
      fc.property(values, (value) => {
        let stored;
        try {
          stored = codecs.encode(value);
        } catch (error) {
          // Only what is said to be refused: a key named __proto__.
          expect((error as Error).message).toContain('__proto__');
          return;
        }
        const back = codecs.decode(stored.codec, stored.payload);
        const shown = inspect(value, { depth: 50 });
        // Jest holds no two invalid dates for equal.
        if (shown.includes('Invalid Date')) expect(inspect(back, { depth: 50 })).toBe(shown);
        else expect(back).toStrictEqual(value);
      }),
      { seed, numRuns: 300 },
    );
  });
});

describe('instances of registered classes', () => {
  it('keep class, nesting and custom form', () => {
    const account = new Account('A1');
    account.balance = new Money(12_345n, 'EUR');
    const back = roundTrip({ list: [account], byId: new Map([['A1', account]]) }) as any;
    expect(back.list[0]).toBeInstanceOf(Account);
    expect(back.list[0].balance).toBeInstanceOf(Money);
    expect(back.list[0].balance.plus(new Money(5n, 'EUR')).amount).toBe(12_350n);
    expect(back.byId.get('A1')).toBe(back.list[0]);
    expect(back.list[0]).toStrictEqual(account);
  });

  it('keep cycles through instances', () => {
    const person = new Person();
    const account = new Account('A1');
    account.owner = person;
    person.accounts.push(account, account);
    for (const root of [person, account, { account, person }]) {
      const back = roundTrip({ root }) as any;
      const owner: Person = back.root instanceof Person ? back.root : (back.root.owner ?? back.root.person);
      expect(owner).toBeInstanceOf(Person);
      expect(owner.accounts[0]).toBeInstanceOf(Account);
      expect(owner.accounts[0]!.owner).toBe(owner);
      expect(owner.accounts[1]).toBe(owner.accounts[0]);
      expect(owner.accounts[0]!.id).toBe('A1');
    }
  });

  it('hand complete data to a deserialise of their own', () => {
    class Basket {
      constructor(readonly accounts: Account[]) {}
    }
    let seen: string[] = [];
    const own = createCodecs([
      { name: 'account', type: Account },
      { name: 'money', type: Money, serialise: (m: any) => ({ ...m }) },
      {
        name: 'basket',
        type: Basket,
        serialise: (basket: any) => basket.accounts,
        deserialise: (data: any) => {
          seen = data.map((account: Account) => account.id);
          return new Basket(data);
        },
      },
    ] as never);
    const { codec, payload } = own.encode(new Basket([new Account('A1'), new Account('A2')]));
    expect(own.decode(codec, payload)).toStrictEqual(new Basket([new Account('A1'), new Account('A2')]));
    expect(seen).toEqual(['A1', 'A2']);
  });

  it('refuse a cycle through a deserialise of their own, which would see half of its data', () => {
    const own = createCodecs([{ name: 'p', type: Person, deserialise: (data: unknown) => Object.assign(new Person(), data) }]); // prettier-ignore
    const person = new Person() as Person & { self?: unknown };
    person.self = [person];
    expect(() => own.encode(person)).toThrow(/cycle/);
    const twice = new Person();
    expect(() => own.encode([twice, { twice }])).not.toThrow();
  });

  it('run no setter and survive read-only accessors', () => {
    class Guarded {
      get total(): number {
        return 1;
      }
      set price(_value: number) {
        throw new Error('called');
      }
    }
    const own = createCodecs([{ name: 'g', type: Guarded }]);
    const instance = Object.defineProperty(new Guarded(), 'price', { value: 5, enumerable: true, writable: true, configurable: true }); // prettier-ignore
    const { codec, payload } = own.encode(instance);
    const back = own.decode(codec, payload) as Guarded & { price: number };
    expect([back instanceof Guarded, back.price, back.total]).toEqual([true, 5, 1]);
  });

  it.each<[string, unknown, string]>([
    [
      'double name',
      [
        { name: 'a', type: Money },
        { name: 'a', type: Account },
      ],
      'classes[1].name',
    ],
    [
      'double type',
      [
        { name: 'a', type: Money },
        { name: 'b', type: Money },
      ],
      'classes[1].type',
    ],
    ['no name', [{ type: Money }], 'classes[0].name'],
    ['a reserved name', [{ name: 'Buffer', type: Money }], 'classes[0].name'],
    ['an arrow function', [{ name: 'a', type: () => 1 }], 'classes[0].type'],
    ['Object', [{ name: 'a', type: Object }], 'classes[0].type'],
    ['Array', [{ name: 'a', type: Array }], 'classes[0].type'],
    ['serialise no function', [{ name: 'a', type: Money, serialise: 'x' }], 'classes[0].serialise'],
    ['nothing', [null], 'classes[0]'],
  ])('refuse at creation: %s', (_name, classes, option) => {
    expect(() => createCodecs(classes as never)).toThrow(InvalidOptionsError);
    expect(() => createCodecs(classes as never)).toThrow(`"${option}"`);
  });
});

describe('what would be lost is refused, with its place', () => {
  class SubMap extends Map<unknown, unknown> {}
  class Secret {
    readonly #pin = 1;
    get pin(): number {
      return this.#pin;
    }
  }
  it.each<[string, unknown, string]>([
    ['function', { a: [() => 1] }, 'a function at a.0'],
    ['symbol', new Map([['k', Symbol('s')]]), 'a symbol'],
    ['promise', { p: Promise.resolve(1) }, 'an instance of Promise'],
    ['unregistered class', { deep: { er: new Secret() } }, 'an instance of Secret, which is not a registered class at deep.er'], // prettier-ignore
    ['subclass of a registered class', new SavingsAccount('x'), 'an instance of SavingsAccount'],
    ['subclass of a built-in', new SubMap(), 'an instance of SubMap'],
    ['WeakMap', new WeakMap(), 'WeakMap'],
    ['symbol key', { [Symbol('x')]: 1 }, 'symbol'],
    ['hidden property', Object.defineProperty({}, 'x', { value: 1 }), 'hidden'],
    ['own __proto__', JSON.parse('{"__proto__": 1}'), '__proto__'],
    ['array with a member', Object.assign([1n], { extra: 1 }), 'other than its elements'],
    ['Map with a member', Object.assign(new Map(), { extra: 1 }), 'properties of its own'],
    ['Date with a member', Object.assign(new Date(), { extra: 1 }), 'properties of its own'],
    ['error with more', Object.assign(new Error('x'), { code: 'E' }), 'more than message and stack (code)'],
    ['error with a cause', new Error('x', { cause: 1 }), 'cause'],
    ['boxed primitive', Object(1), 'Number'],
    ['shared memory', new Uint8Array(new SharedArrayBuffer(1)), 'shared memory'],
    ['Object.create(plain)', Object.create({ a: 1 }), 'an instance of Object'],
    ['impostor without prototype', Object.setPrototypeOf(new Map([[1, 2]]), null), 'an unnamed class'],
  ])('%s', (_name, value, why) => {
    expect(refusal(value)).toContain(why);
  });

  it('an instance of a registered subclass of a built-in without its own form', () => {
    const own = createCodecs([{ name: 'm', type: SubMap }]);
    expect(() => own.encode(new SubMap([[1, 2]]))).toThrow(/extends a built-in/);
  });

  it('never names a value in the message', () => {
    expect(refusal({ token: Object.assign(() => 1, { secret: 'hunter2' }), x: 'hunter2' })).not.toContain(
      'hunter2',
    );
  });

  it('whatever throws while being read', () => {
    const proxy = new Proxy({}, { ownKeys: () => { throw new Error('trap'); } }); // prettier-ignore
    expect(refusal(proxy)).toContain('reading it failed');
    const own = createCodecs([{ name: 'p', type: Person, serialise: () => { throw new Error('mine'); } }]); // prettier-ignore
    expect(() => own.encode(new Person())).toThrow(UnserialisableValueError);
  });

  it.each(['array', 'object', 'Map', 'instance'])('nesting of 100,000 levels of %s', (kind) => {
    let value: unknown = 1n;
    for (let i = 0; i < 100_000; i++) {
      if (kind === 'array') value = [value];
      else if (kind === 'object') value = { value };
      else if (kind === 'Map') value = new Map([[1, value]]);
      else value = Object.assign(new Person(), { value });
    }
    expect(refusal(value)).toContain('deeper than 1000');
  });

  it('but 1,000 levels come back, by either codec', () => {
    const nest = (levels: number, leaf: unknown) => {
      let value = leaf;
      for (let i = 0; i < levels; i++) value = [value];
      return value;
    };
    for (const leaf of [1, 1n]) {
      expect(roundTrip(nest(1_000, leaf))).toStrictEqual(nest(1_000, leaf));
      expect(refusal(nest(1_001, leaf))).toContain('deeper than 1000');
    }
    let chain = new Person();
    for (let i = 0; i < 300; i++) chain = Object.assign(new Person(), { accounts: [chain] });
    expect(roundTrip(chain)).toStrictEqual(chain);
  });
});

describe('decoding', () => {
  function reason(codec: number, text: string, own = codecs): string {
    try {
      own.decode(codec, Buffer.from(text));
    } catch (error) {
      if (error instanceof CorruptEntryError) return error.reason;
      throw error;
    }
    return 'accepted';
  }

  it('rejects an unknown codec and broken payloads with a typed error', () => {
    expect(reason(9, '1')).toBe('codec');
    for (const text of ['', '{', 'undefined', '[1', '\ud800']) {
      expect(reason(JSON_ID, text)).toBe('payload');
      expect(reason(RICH_ID, text)).toBe('payload');
    }
  });

  it('rejects any rich payload that is not one, without another exception', () => {
    const { payload } = codecs.encode({
      m: new Map([[1n, new Date(0)]]),
      a: new Account('x'),
      b: Buffer.from('x'),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(payload.length - 1), fc.nat(127)), { maxLength: 5 }), (edits) => {
        const bytes = Buffer.from(payload);
        for (const [at, byte] of edits) bytes[at] = byte;
        expect(reason(RICH_ID, bytes.toString())).toMatch(/accepted|payload/);
      }),
      { seed, numRuns: 700 },
    );
  });

  it('revives only registered classes', () => {
    expect(reason(RICH_ID, '[["~",1],[2,3],"Function",{}]')).toBe('payload');
    expect(reason(RICH_ID, '[["~",1],[2,3],"constructor",{}]')).toBe('payload');
    expect(reason(RICH_ID, '[["~",1],[2,3],"person",{}]')).toBe('accepted');
    expect(reason(RICH_ID, '[["~",1],[2,3],"person",5]')).toBe('payload');
    expect(reason(RICH_ID, '[["Function",1],"return 1"]')).toBe('payload');
    expect(reason(RICH_ID, '[["~",0]]')).toBe('payload');
  });

  it('pollutes no prototype', () => {
    for (const text of [
      '{"__proto__":{"hacked":1}}',
      '{"a":[{"__proto__":1}]}',
      '{"\\u005f_proto__":{"hacked":1}}',
      '{"__\\u0070roto__":1}',
    ]) {
      // prettier-ignore
      expect(reason(JSON_ID, text)).toBe('payload');
    }
    expect(reason(RICH_ID, '[{"__proto__":1},{"hacked":2},1]')).toBe('payload');
    expect(reason(RICH_ID, '[["~",1],[2,3],"person",{"__proto__":4},{}]')).toBe('payload');
    expect(({} as { hacked?: unknown }).hacked).toBeUndefined();
    expect(roundTrip({ note: '"__proto__":' })).toEqual({ note: '"__proto__":' });
  });

  it('allocates nothing for a forged sparse length', () => {
    const before = process.memoryUsage().rss;
    expect(reason(RICH_ID, '[[-7,4294967295]]')).toBe('accepted');
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('turns what a deserialise throws into a rejected entry', () => {
    const own = createCodecs([{ name: 'p', type: Person, deserialise: () => { throw new Error('mine'); } }]); // prettier-ignore
    const { codec, payload } = own.encode(new Person());
    expect(reason(codec, payload.toString(), own)).toBe('payload');
  });
});
