import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { InvalidKeyError } from '../errors.js';
import { entryKey, validateId } from './entry-key.js';
import { hashParts } from './hash-parts.js';

/** Not spelled out in an object literal, which a linter takes for a mistake. */
const THEN = ['t', 'hen'].join('');

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));

class Page {
  constructor(
    readonly limit: number,
    readonly offset: number,
  ) {}
}
class Slice {
  constructor(
    readonly limit: number,
    readonly offset: number,
  ) {}
}
class Amount {
  readonly #cents: number;
  constructor(cents: number) {
    this.#cents = cents;
  }
  toJSON(): string {
    return `${this.#cents}c`;
  }
}
class Opaque {
  readonly #id: number;
  constructor(id: number) {
    this.#id = id;
  }
  id(): number {
    return this.#id;
  }
}

const holed: unknown[] = [1];
holed[2] = 2;

describe('readable forms', () => {
  it.each<[readonly unknown[], string]>([
    [['AAPL'], 'AAPL'],
    [['hello world'], 'hello world'],
    [['42'], '42'],
    [[42], '#42'],
    [[1.5], '#1.5'],
    [[NaN], '#NaN'],
    [[-0], '#0'],
    [[42n], '#42n'],
    [['AAPL', 5], 'AAPL,#5'],
    [[true, null, undefined], '$true,$null,$undefined'],
    [[''], "''"],
    [["it's"], "'it''s'"],
    [['a,b'], "'a,b'"],
    [['#42'], "'#42'"],
    [['$null'], "'$null'"],
    [[['a', 'b']], '(a,b)'],
    [[[]], '()'],
    [[], '$'],
    [[{ b: 1, a: { d: 'x', c: [] } }], '$Object(a=$Object(c=(),d=x),b=#1)'],
    [[new Date(0)], '$Date(1970-01-01T00:00:00.000Z)'],
    [[new Date(NaN)], '$Date(NaN)'],
    [[new Map<unknown, unknown>([['b', 1], ['a', 2]])], '$Map(a=#2,b=#1)'], // prettier-ignore
    [[new Set([3, 1])], '$Set(#1,#3)'],
    [[/a(b)/gi], "$RegExp('a(b)',gi)"],
    [[new URL('http://x/y?z=1')], "$URL('http://x/y?z=1')"],
    [[Buffer.from([1, 255])], '$Buffer(Af8)'],
    [[new Uint8Array([1, 255])], '$Uint8Array(Af8)'],
    [[holed], '(#1,$hole,#2)'],
    [[new Page(10, 0)], '$Class(Page,limit=#10,offset=#0)'],
    [[new Amount(5)], '$JSON(Amount,5c)'],
  ])('%p: %s', (parts, text) => expect(hashParts(parts)).toBe(text));

  it('are replaced by a hash when long', () => {
    expect(hashParts(['x'.repeat(200)])).toBe('x'.repeat(200));
    expect(hashParts(['x'.repeat(201)])).toMatch(/^\$sha256:[\w-]{43}$/);
    expect(hashParts(['x'.repeat(201)])).not.toBe(hashParts(['x'.repeat(202)]));
    expect(hashParts(['\ud800'.repeat(300)])).not.toBe(hashParts(['\ud801'.repeat(300)]));
    const bytes = Buffer.alloc(1_000_000);
    expect(hashParts([bytes])).toMatch(/^\$Buffer\(~[\w-]{43}\)$/);
    expect(hashParts([bytes])).not.toBe(hashParts([Buffer.alloc(1_000_001)]));
    // A string that spells a hash is another argument.
    expect(hashParts([hashParts(['x'.repeat(201)])])).toMatch(/^'/);
  });

  it('are ids', () => {
    for (const parts of [[], [''], ['\0'], [{ é: '\ud800' }], ['x'.repeat(500)]]) {
      expect(() => validateId(hashParts(parts))).not.toThrow();
      expect(entryKey('ns', hashParts(parts))).toMatch(/^ns:/);
    }
  });
});

describe('what differs is told apart', () => {
  const ab = ['a', 'b'];
  const groups: readonly unknown[][][] = [
    [[1], ['1'], [1n], [true], ['#1'], [[1]], [new Set([1])], [Object.assign([], { 0: 1 }), 1]],
    [['a', 'b'], ['a,b'], [ab], [[ab]], ["a','b"], ['a', ['b']], [new Set(ab)], [{ 0: 'a', 1: 'b' }], [new Map([['0', 'a'], ['1', 'b']])]], // prettier-ignore
    [[], [undefined], [null], [''], ['undefined'], ['null'], [[]], [{}], [new Map()], [new Set()], [[undefined]], [Object.assign([], { length: 1 })], ['$']], // prettier-ignore
    [[{}], [{ a: undefined }], [{ a: null }], [{ a: 'undefined' }], [{ A: undefined }]],
    [[new Date(5)], [5], ['1970-01-01T00:00:00.005Z'], [new Date(6)], [new Date(NaN)], [{ d: new Date(5) }]],
    [[Buffer.from('a')], [new Uint8Array([97])], [new Int8Array([97])], [[97]], ['a'], ['YQ'], [new Uint8Array([97]).buffer]], // prettier-ignore
    [[new Page(1, 2)], [new Slice(1, 2)], [{ limit: 1, offset: 2 }], [new Page(2, 1)]],
    [[new Amount(5)], [new Amount(6)], ['5c'], [{}]],
    [[/a/], [/a/g], ['/a/'], [/b/]],
    [[{ a: { b: 1 } }], [{ a: 1, b: 1 }], [{ 'a=$Object(b': 1 }], [{ a: '$Object(b=#1)' }]],
    [[new Map([[1, 'a']])], [new Map([['1', 'a']])], [{ 1: 'a' }]],
    [[NaN], [null], ['NaN'], [Infinity], [-Infinity], [0]],
  ];
  it.each(groups.map((group) => [group] as const))('%p', (group) => {
    const texts = group.map((parts) => hashParts(parts));
    expect(new Set(texts).size).toBe(group.length);
  });

  /** Everything with content, shaped to collide where it can. */
  const nasty = fc.oneof(
    fc.constantFrom('', ',', '(', ')', '=', "'", '#1', '$null', 'a', 'a,b', "a','b", '1', '$hole', '~'),
    fc.constantFrom<unknown>(1, 0, NaN, 1n, true, null, undefined, 1.5),
    fc.string({
      unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
      maxLength: 5,
    }),
  );
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      nasty,
      tie('array'),
      tie('object'),
      tie('map'),
      tie('set'),
      tie('page'),
    ),
    array: fc.array(tie('any'), { maxLength: 4 }),
    object: fc.dictionary(fc.constantFrom('a', 'b', 'a=', '', 'a,b', "'"), tie('any'), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
    map: fc.array(fc.tuple(nasty, tie('any')), { maxLength: 3 }).map((entries) => new Map(entries)),
    set: fc.array(nasty, { maxLength: 3 }).map((items) => new Set(items)),
    page: fc.tuple(fc.nat(2), fc.nat(2)).map(([limit, offset]) => new Page(limit, offset)),
  })).any;
  const parts = fc.array(value, { maxLength: 3 });

  it(`distinct values never collide and equal ones agree (FC_SEED=${seed})`, () => {
    fc.assert(
      fc.property(parts, parts, (one, two) => {
        expect(hashParts(one) === hashParts(two)).toBe(isDeepStrictEqual(one, two));
      }),
      { seed, numRuns: 1_000 },
    );
    // Pairs that differ in one leaf only are rarer at random: all of a sample against each other.
    const sample = fc.sample(parts, { seed, numRuns: 400 });
    const byText = new Map<string, unknown>();
    for (const each of sample) {
      const text = hashParts(each);
      if (byText.has(text)) expect(isDeepStrictEqual(byText.get(text), each)).toBe(true);
      byText.set(text, each);
    }
  });

  it(`does not depend on the order of properties, Maps and Sets, nor on identity (FC_SEED=${seed})`, () => {
    const shuffled = (input: unknown): unknown => {
      if (Array.isArray(input)) return input.map(shuffled);
      if (input instanceof Map) return new Map([...input].reverse().map(([k, v]) => [k, shuffled(v)]));
      if (input instanceof Set) return new Set([...input].reverse());
      if (input instanceof Page) return new Page(input.limit, input.offset);
      if (typeof input !== 'object' || input === null) return input;
      return Object.fromEntries(Object.entries(input).reverse().map(([k, v]) => [k, shuffled(v)])); // prettier-ignore
    };
    fc.assert(
      fc.property(parts, (one) => {
        expect(hashParts(shuffled(one) as unknown[])).toBe(hashParts(one));
      }),
      { seed, numRuns: 300 },
    );
  });
});

describe('what means the same agrees', () => {
  it('0 and -0, shared and copied parts, objects of any realm or none', () => {
    const part = { a: 1 };
    expect(hashParts([-0])).toBe(hashParts([0]));
    expect(hashParts([[-0]])).toBe(hashParts([[0]]));
    expect(hashParts([part, part])).toBe(hashParts([{ a: 1 }, { a: 1 }]));
    expect(hashParts([Object.assign(Object.create(null), part)])).toBe(hashParts([part]));
    expect(hashParts([runInNewContext('({ a: 1, b: [new Date(0), new Map()] })')])).toBe(
      hashParts([{ b: [new Date(0), new Map()], a: 1 }]),
    );
    expect(hashParts([new Map([[{ k: 1 }, 1], [{ k: 2 }, 2]])])).toBe(hashParts([new Map([[{ k: 2 }, 2], [{ k: 1 }, 1]])])); // prettier-ignore
    expect(hashParts([Buffer.from('abcd').subarray(1, 3)])).toBe(hashParts([Buffer.from('bc')]));
  });
});

describe('what has no stable content is refused', () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = [cycle];
  it.each<[string, unknown]>([
    ['function', () => 1],
    ['class', Page],
    ['symbol', Symbol('s')],
    ['promise', Promise.resolve(1)],
    ['thenable instance', Object.assign(Object.create({ [THEN]: () => 1 }), { sql: 'x' })],
    ['stream', Readable.from([])],
    ['web stream', new ReadableStream()],
    ['emitter', Object.assign(new EventEmitter(), { id: 1 })],
    ['abort signal', new AbortController().signal],
    ['generator', (function* () {})()],
    ['iterator of a Map', new Map().entries()],
    ['WeakMap', new WeakMap()],
    ['WeakRef', new WeakRef({})],
    ['cycle', cycle],
    ['error', new Error('x')],
    ['opaque instance', new Opaque(1)],
    ['boxed primitive', Object('a')],
    ['subclass of Map', new (class Index extends Map { id = 1; })()], // prettier-ignore
    ['subclass of Array', new (class List extends Array {})()],
    ['Map with a property', Object.assign(new Map(), { id: 1 })],
    ['array with a property', Object.assign([1], { id: 1 })],
    ['property under a symbol', { [Symbol('s')]: 1 }],
    ['throwing getter', Object.defineProperty({}, 'x', { enumerable: true, get: () => { throw new Error('no'); } })], // prettier-ignore
  ])('%s', (_name, value) => {
    expect(() => hashParts([value])).toThrow(InvalidKeyError);
    expect(() => hashParts(['a', { in: [value] }])).toThrow(InvalidKeyError);
  });

  it('nesting above 100 levels, and sharing that would never end', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    expect(() => hashParts([deep])).toThrow(InvalidKeyError);
    let lattice: unknown = 'x'.repeat(1_000);
    for (let i = 0; i < 60; i++) lattice = [lattice, lattice];
    expect(() => hashParts([lattice])).toThrow(InvalidKeyError);
    expect(() => hashParts([Object.assign([], { length: 4_000_000_000 })])).toThrow(InvalidKeyError);
  });
});
