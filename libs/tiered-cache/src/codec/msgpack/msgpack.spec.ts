import { randomInt } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { CorruptEntryError, MissingPackageError } from '../../errors.js';
import { Allowance } from '../allowance.js';
import { MSGPACK_ID, MsgpackCodec } from './msgpack-codec.js';
import { msgpackExactness } from './msgpack-exact.js';

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));
const codec = new MsgpackCodec();
beforeAll(() => codec.load());

const exactness = (value: unknown) => msgpackExactness(value, Allowance.unlimited());

function roundTrip(value: unknown): unknown {
  const exact = exactness(value);
  expect(exact).not.toBeNull();
  return codec.decode(codec.encode(value, exact === 'plain'));
}

const ANYTHING = { withBigInt: true, withDate: true, withMap: true, withSet: true, withSparseArray: true, withTypedArray: true, withNullPrototype: true }; // prettier-ignore

describe('what MessagePack is exact for comes back the same', () => {
  it.each<[string, unknown, 'plain' | 'typed']>([
    ['primitives', [null, undefined, true, false, '', 'ü€😀', 0, 1, 63, 64, 127, 128, -1, -33, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53, 0.1, NaN, Infinity, -Infinity], 'plain'],
    ['bigints of 64 bits', [0n, -1n, 2n ** 64n - 1n, -(2n ** 63n)], 'plain'],
    ['rows', Array.from({ length: 30 }, (_, i) => ({ id: i, name: `n${i}`, in: { a: i } })), 'plain'],
    ['300 shapes, in one another', Array.from({ length: 300 }, (_, i) => ({ [`k${i}`]: { [`j${i}`]: { k1: i } } })), 'plain'],
    ['empty objects', [{}, [], { a: {} }], 'plain'],
    ['keys of all sorts', { '': 1, 1: 2, 'a-b': 3, 'ü"\n': 4, constructor: 5, class: 6, '\u2028': 7 }, 'plain'],
    ['dates', [new Date(0), new Date(1_700_000_000_123), new Date(-1), new Date(8.64e15), new Date(-8.64e15)], 'typed'],
    ['Map and object', [new Map<unknown, unknown>([['a', 1], [{ k: 1 }, new Map()]]), { a: 1 }], 'typed'],
    ['Set', [new Set([1, 'a', undefined]), new Set()], 'typed'],
    ['Buffer', { b: Buffer.from('abc') }, 'typed'],
  ])('%s', (_name, value, exact) => {
    expect(exactness(value)).toBe(exact);
    expect(roundTrip(value)).toStrictEqual(value);
  }); // prettier-ignore

  it('any value that is said to be exact, and it is said of JSON', () => {
    fc.assert(
      fc.property(fc.anything(ANYTHING), (value) => {
        if (exactness(value) === null) return;
        const back = roundTrip(value);
        const shown = inspect(value, { depth: 50 });
        if (shown.includes('Invalid Date')) expect(inspect(back, { depth: 50 })).toBe(shown);
        else expect(back).toStrictEqual(value);
      }),
      { seed, numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain = JSON.parse(JSON.stringify(value)) as unknown;
        fc.pre(!/"__proto__":|"__keys__":|[\ud800-\udfff]/.test(JSON.stringify(plain)));
        expect(roundTrip(plain)).toStrictEqual(plain);
      }),
      { seed },
    );
  });

  it('any date', () => {
    fc.assert(
      fc.property(
        fc.date({ noInvalidDate: true, min: new Date(-8.64e15), max: new Date(8.64e15) }),
        (date) => {
          expect(roundTrip(date)).toStrictEqual(date);
        },
      ),
      { seed, numRuns: 1_000 },
    );
  });

  it('a decoded Buffer is nobody else’s', () => {
    const payload = codec.encode({ b: Buffer.from('abc') }, false);
    const one = codec.decode(payload) as { b: Buffer };
    one.b[0] = 0;
    expect(codec.decode(payload)).toEqual({ b: Buffer.from('abc') });
  });

  it('the keys of rows are written once', () => {
    const rows = Array.from({ length: 100 }, (_, i) => ({ identifier: i, description: 'x' }));
    expect(codec.encode(rows, true).length).toBeLessThan(JSON.stringify(rows).length / 4);
  });
});

describe('what it would lose is left to others', () => {
  const shared = { a: 1 };
  const cycle: unknown[] = [];
  cycle.push(cycle);
  it.each<[string, unknown]>([
    ['-0', [-0]],
    ['a lone surrogate', ['\ud800']],
    ['a lone surrogate as a key', { '\udfff': 1 }],
    ['a bigger bigint', 2n ** 64n],
    ['shared references', [shared, shared]],
    ['a cycle', cycle],
    ['a typed array', new Uint8Array(1)],
    ['an invalid date', new Date(NaN)],
    ['a RegExp', /a/],
    ['an error', new Error('a')],
    ['a class', new (class A {})()],
    ['an object without prototype', Object.create(null)],
    ['a sparse array', [1, , 3]], // eslint-disable-line no-sparse-arrays
    ['a key that msgpackr uses itself', { __keys__: 1 }],
    ['__proto__', JSON.parse('{"__proto__": 1}')],
    ['an accessor', Object.defineProperty({}, 'x', { enumerable: true, get: () => expect(1).toBe(2) })],
    ['a Map with a member', Object.assign(new Map(), { extra: 1 })],
    ['a function', () => 1],
  ])('%s', (_name, value) => {
    expect(exactness(value)).toBeNull();
    expect(exactness({ in: [value] })).toBeNull();
  }); // prettier-ignore

  it('and what is too much for one go', () => {
    const allowance = new Allowance();
    expect(
      msgpackExactness(
        Array.from({ length: 20_000 }, () => 1),
        allowance,
      ),
    ).toBeNull();
    expect(allowance.exceeded).toBe(true);
  });
});

describe('damaged and hostile bytes are a CorruptEntryError, and cheap', () => {
  const proto = [0xa9, ...Buffer.from('__proto__')];
  it.each<[string, number[]]>([
    ['nothing', []],
    ['flags only', [1]],
    ['unknown flags', [2, 1]],
    ['trailing bytes', [1, 1, 1]],
    ['array of 4 billion', [1, 0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['array of 30 million', [1, 0xdd, 0x01, 0xff, 0xff, 0xff, 1, 2, 3]],
    ['map of 4 billion', [0, 0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['string of 4 GB', [1, 0xdb, 0xff, 0xff, 0xff, 0xff, 65]],
    ['bytes of 4 GB', [0, 0xc6, 0xff, 0xff, 0xff, 0xff]],
    ['a record nobody defined', [1, 0x41]],
    ['__proto__ in a record', [1, 0xd4, 0x72, 0x40, 0x91, ...proto, 0x90]],
    ['a record of 65,535 keys', [1, 0xd4, 0x72, 0x40, 0xdc, 0xff, 0xff, 0xa1, 65]],
    ['keys that are no strings', [1, 0xd4, 0x72, 0x40, 0x91, 0x91, 0xa1, 65, 1]],
    ['a Map in what is said to be plain', [1, 0x81, 1, 1]],
    ['a Buffer in what is said to be plain', [1, 0xc4, 1, 1]],
    ['a date in what is said to be plain', [1, 0xd6, 0xff, 0, 0, 0, 0]],
    ['the extension for errors', [0, 0xd4, 0x65, 0, 0x92, 0xa4, 101, 118, 97, 108, 0xa1, 49]],
    ['the extension for regular expressions', [0, 0xd4, 0x78, 0, 0x92, 0xa1, 40, 0xa0]],
    ['the extension for bundled strings', [0, 0xd6, 0x62, 0, 0, 0, 1, 1]],
    ['the extension for references', [0, 0xd6, 0x70, 0, 0, 0, 1]],
    ['typed arrays', [0, 0xc7, 2, 0x74, 1, 1]],
    ['a Set of something else', [0, 0xd4, 0x73, 0, 1]],
    ['the token that is never used', [0, 0xc1]],
  ])('%s', (_name, bytes) => {
    const before = process.memoryUsage().rss;
    expect(() => codec.decode(Buffer.from(bytes))).toThrow(CorruptEntryError);
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
  }); // prettier-ignore

  it('deep nesting does not end the process', () => {
    const deep = Buffer.alloc(100_000, 0x91);
    deep[0] = 1;
    expect(() => codec.decode(deep)).toThrow(CorruptEntryError);
  });

  it('as deep as is written, and no deeper', () => {
    const nest = (depth: number) => Array.from({ length: depth }).reduce<unknown>((inner) => [inner], 1);
    expect(roundTrip(nest(1_000))).toStrictEqual(nest(1_000));
    expect(exactness(nest(1_001))).toBeNull();
  });

  it('any bytes: a value or CorruptEntryError, never anything else, and never a polluted prototype', () => {
    const value = { a: [1, 'two', { b: new Date(1), c: new Map([[1, 2n]]) }], s: new Set([undefined]), b: Buffer.from('x') };
    const valid = codec.encode(value, false);
    const mutated = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }).map((changes) => {
      const bytes = Buffer.from(valid);
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes;
    });
    const random = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from([bytes[0]! & 1, ...bytes.subarray(1)]));
    fc.assert(
      fc.property(fc.oneof(mutated, random), (bytes) => {
        try {
          codec.decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(CorruptEntryError);
        }
      }),
      { seed, numRuns: 5_000 },
    );
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(codec.decode(valid)).toStrictEqual(value);
  }); // prettier-ignore
});

describe('without the package', () => {
  it('says so, with its name, every time', async () => {
    const absent = new MsgpackCodec(() => Promise.reject(new Error('Cannot find package')));
    await expect(absent.load()).rejects.toThrow(MissingPackageError);
    await expect(absent.load()).rejects.toThrow(/"msgpackr".*npm install msgpackr/);
    expect(absent.isLoaded).toBe(false);
  });

  it('its number on the wire', () => {
    expect(codec.id).toBe(MSGPACK_ID);
    expect(MSGPACK_ID).toBe(3);
    expect([...codec.encode({ a: 1 }, true)]).toEqual([1, 0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1]);
  });
});
