import { randomInt } from 'node:crypto';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import {
  CacheClosedError,
  CorruptEntryError,
  EntryTooLargeError,
  UnserialisableValueError,
} from '../../errors.js';
import { ClassRegistry } from '../class-registry.js';
import type { RegisteredClass } from '../codec.js';
import { canFreeze } from '../freeze.js';
import { SLICE_MS, SliceQueue, UNITS_PER_LOOK } from './slice-queue.js';
import { createSlicedCodec } from './sliced-codec.js';

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));

class Money {
  constructor(
    readonly amount: bigint,
    readonly currency: string,
  ) {}
}

class Account {
  owner?: unknown;
  constructor(readonly id: string) {}
}

const CLASSES: RegisteredClass[] = [
  { name: 'account', type: Account },
  {
    name: 'money',
    type: Money,
    serialise: (money) => [(money as Money).amount, (money as Money).currency],
    deserialise: (data) => new Money(...(data as [bigint, string])),
  },
];

/** A queue whose clock moves by `msPerLook` whenever it is looked at, and which counts its turns. */
function countingQueue(msPerLook = 0) {
  let time = 0;
  const turns: (() => void)[] = [];
  let count = 0;
  const queue = new SliceQueue(
    () => (time += msPerLook),
    (fn) => turns.push(fn),
  );
  return {
    queue,
    /** Runs turn after turn until nothing is left to do; answers how many there were. */
    run: (most = Infinity): number => {
      while (turns.length > 0 && count < most) {
        count++;
        turns.shift()!();
      }
      return count;
    },
  };
}

function codecOf(queue = new SliceQueue(), classes = CLASSES) {
  return createSlicedCodec(new ClassRegistry(classes), queue);
}

const codec = codecOf();
const roundTrip = (value: unknown) => codec.decode(codec.encode(value));
const open = () => false;

function refusal(value: unknown): string {
  try {
    codec.encode(value);
  } catch (error) {
    expect(error).toBeInstanceOf(UnserialisableValueError);
    return (error as Error).message;
  }
  return 'accepted';
}

const holed: unknown[] = [1];
holed[2] = 3;
const longHoled: unknown[] = [0, 1, 2];
for (let i = 8; i < 300; i++) longHoled[i] = i;
longHoled.length = 1_000_000;

describe('a value in slices comes back the same', () => {
  it.each<[string, unknown]>([
    ['primitives', [null, undefined, true, false, '', 'a', 0, -0, 1, 127, 128, -1, -32_768, 32_768, 2 ** 31, -(2 ** 31), 2 ** 53, 0.1, NaN, Infinity, -Infinity]],
    ['text', ['x'.repeat(300), 'ü\u00ff', '\ud800', '€'.repeat(300), 'é'.repeat(1000), `${'a'.repeat(255)}€`]],
    ['BigInt', [0n, 1n, -1n, 2n ** 200n, -(2n ** 64n)]],
    ['Date', new Date('2026-11-20T10:00:00.123Z')],
    ['Map', new Map<unknown, unknown>([[1, 'a'], ['1', { b: 2 }], [new Date(1), new Map([[{ k: 1 }, new Set([1])]])]])],
    ['Set', new Set<unknown>([1, '1', null, undefined, NaN, { a: 1 }])],
    ['RegExp', /a"\/[\n]+/giu],
    ['URL', new URL('https://user@example.com:81/x?q=1#h')],
    ['sparse array', holed],
    ['long sparse array', longHoled],
    ['very sparse array', Object.assign([], { 1_000_000: 1n })],
    ['empty things', [[], {}, new Map(), new Set(), Buffer.alloc(0)]],
    ['object without prototype', Object.assign(Object.create(null), { a: 1 })],
    ['keys of all sorts', { '': 1, 1: 2, '-1': 3, ü: 4, '€': 5, constructor: 6, toString: 7 }],
    ['many keys', Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, i]))],
    ['rows', Array.from({ length: 50 }, (_, i) => (i % 3 === 0 ? { id: i } : { id: i, name: `n${i}`, tags: ['a', { b: i }] }))],
    ['Money', [new Money(5n, 'EUR'), { in: new Money(6n, 'USD') }, new Map([[new Money(1n, 'A'), new Money(2n, 'B')]]), new Set([new Money(3n, 'C')])]],
    ['a root of a class with deserialise', new Money(5n, 'EUR')],
  ])('%s', (_name, value) => {
    expect(roundTrip(value)).toStrictEqual(value);
  }); // prettier-ignore

  it('binary data keeps its kind, and takes only its own bytes along', () => {
    const pool = Buffer.from('SECRET-of-somebody-else|mine');
    const view = new Uint8Array(pool.buffer, pool.byteOffset + pool.length - 4, 4);
    expect(codec.encode(view).includes('SECRET')).toBe(false);
    const value = {
      view,
      b: Buffer.from([0, 255]),
      f: new Float64Array([1.5, NaN]),
      i: new BigInt64Array([-1n]),
    };
    const back = roundTrip(value) as typeof value;
    expect(back).toStrictEqual(value);
    expect([Buffer.isBuffer(back.view), Buffer.isBuffer(back.b)]).toEqual([false, true]);
    expect([...new Uint8Array(roundTrip(new Uint8Array([7, 8]).buffer) as ArrayBuffer)]).toEqual([7, 8]);
    const data = roundTrip(new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)) as DataView;
    expect([data.byteLength, data.getUint8(0), data.getUint8(1)]).toEqual([2, 2, 3]);
  });

  it('errors keep type, message and stack', () => {
    const error = new RangeError('too far');
    const back = roundTrip({ error }) as { error: RangeError };
    expect(back.error).toBeInstanceOf(RangeError);
    expect([back.error.message, back.error.stack]).toEqual(['too far', error.stack]);
  });

  it('cycles, shared references and cycles through instances', () => {
    const shared = { n: 1 };
    const account = new Account('A1');
    const value: Record<string, unknown> = {
      a: shared,
      b: [shared],
      d: new Date(5),
      m: new Map([[shared, account]]),
    };
    value.self = value;
    value.date = value.d;
    account.owner = { of: [account, value] };
    const back = roundTrip(value) as any;
    expect(back.self).toBe(back);
    expect(back.b[0]).toBe(back.a);
    expect(back.date).toBe(back.d);
    const read = back.m.get(back.a);
    expect(read).toBeInstanceOf(Account);
    expect(read.owner.of[0]).toBe(read);
    expect(read.owner.of[1]).toBe(back);
  });

  it('objects of another realm', () => {
    const foreign = runInNewContext(
      '({ a: [1, { b: "c" }], d: new Date(5), m: new Map([[1, new Set([2])]]) })',
    ) as object;
    expect(roundTrip(foreign)).toEqual({
      a: [1, { b: 'c' }],
      d: new Date(5),
      m: new Map([[1, new Set([2])]]),
    });
  });

  it('any mixture', () => {
    const values = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withSparseArray: true, withTypedArray: true, withNullPrototype: true }); // prettier-ignore
    fc.assert(
      fc.property(values, (value) => {
        let bytes;
        try {
          bytes = codec.encode(value);
        } catch (error) {
          expect((error as Error).message).toContain('__proto__');
          return;
        }
        const back = codec.decode(bytes);
        const shown = inspect(value, { depth: 50 });
        // Jest holds no two invalid dates for equal.
        if (shown.includes('Invalid Date')) expect(inspect(back, { depth: 50 })).toBe(shown);
        else expect(back).toStrictEqual(value);
      }),
      { seed, numRuns: 500 },
    );
  });
});

describe('what would be lost is refused, with its place', () => {
  it.each<[string, unknown, string]>([
    ['function', { a: [() => 1] }, 'a function at a.0'],
    ['symbol', [Symbol('s')], 'a symbol at 0'],
    ['promise', { p: Promise.resolve(1) }, 'an instance of Promise'],
    ['unregistered class', { deep: { er: new (class Secret {})() } }, 'an instance of Secret, which is not a registered class at deep.er'],
    ['symbol key', { a: { [Symbol('x')]: 1 } }, 'symbol'],
    ['hidden property', Object.defineProperty({}, 'x', { value: 1 }), 'hidden'],
    ['accessor', { get x() { throw new Error('called'); } }, 'accessor'],
    ['own __proto__', JSON.parse('{"__proto__": 1}'), '__proto__'],
    ['array with a member', Object.assign([1], { extra: 1 }), 'other than its elements'],
    ['long array with a member', Object.assign(Array.from({ length: 200 }, () => 1), { extra: 1 }), 'other than its elements'],
    ['long array with a symbol', Object.assign(Array.from({ length: 200 }, () => 1), { [Symbol('x')]: 1 }), 'other than its elements'],
    ['Map with a member', Object.assign(new Map(), { extra: 1 }), 'properties of its own'],
    ['error with more', Object.assign(new Error('x'), { code: 'E' }), 'more than message and stack (code)'],
    ['boxed primitive', Object(1), 'Number'],
    ['shared memory', new Uint8Array(new SharedArrayBuffer(1)), 'shared memory'],
    ['a proxy that throws', new Proxy({}, { ownKeys: () => { throw new Error('no'); } }), 'reading it failed'],
  ])('%s', (_name, value, why) => {
    expect(refusal(value)).toContain(why);
  }); // prettier-ignore

  it('more than 1,000 levels', () => {
    const nest = (depth: number) => {
      let value: unknown = 1;
      for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { value };
      return value;
    };
    expect(roundTrip(nest(1_000))).toStrictEqual(nest(1_000));
    expect(refusal(nest(1_001))).toContain('nesting deeper');
    expect(refusal(nest(100_000))).toContain('nesting deeper');
  });

  it('a cycle through an instance whose class has its own deserialise', () => {
    const list: unknown[] = [];
    class Basket {
      constructor(readonly list: unknown[]) {}
    }
    const own = codecOf(undefined, [{ name: 'b', type: Basket, serialise: (b) => (b as Basket).list, deserialise: (data) => new Basket(data as unknown[]) }]); // prettier-ignore
    list.push(new Basket(list));
    expect(() => own.encode(list)).toThrow(/cycle/);
    const basket = new Basket([1]);
    const back = own.decode(own.encode([basket, basket])) as Basket[];
    expect(back[0]).toBe(back[1]);
    expect(back[0]).toStrictEqual(basket);
  });

  it('more bytes than allowed, before they are all written', async () => {
    let read = 0;
    const rows = new Proxy(
      Array.from({ length: 100_000 }, () => 'some text of thirty characters'),
      {
        get: (target, key) => (
          typeof key === 'string' && /^\d/.test(key) && read++,
          Reflect.get(target, key)
        ),
      },
    );
    await expect(codec.write(rows, 100_000, open)).rejects.toThrow(EntryTooLargeError);
    expect(read).toBeLessThan(10_000);
  });
});

describe('slices', () => {
  const shapes: [string, () => unknown][] = [
    ['many small objects', () => Array.from({ length: 20_000 }, (_, i) => ({ a: i }))],
    ['numbers', () => Array.from({ length: 50_000 }, (_, i) => i)],
    ['a Map', () => new Map(Array.from({ length: 10_000 }, (_, i) => [i, `v${i}`]))],
    ['a Set', () => new Set(Array.from({ length: 10_000 }, (_, i) => i))],
    ['a wide object', () => Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`k${i}`, i]))],
    ['a deep one', () => Array.from({ length: 500 }).reduce<unknown>((inner, _, i) => ({ i, inner, more: [1, 2, 3, 4, 5, 6, 7, 8] }), null)],
    ['long texts', () => Array.from({ length: 200 }, (_, i) => String.fromCharCode(97 + (i % 26)).repeat(10_000))],
    ['dates', () => Array.from({ length: 10_000 }, (_, i) => new Date(i))],
  ]; // prettier-ignore

  it.each(shapes)('%s are written and read in many, none of more than its units', async (_name, make) => {
    const value = make();
    // Every look at the clock costs a slice's time: a slice is then what is done between two looks.
    const writing = countingQueue(SLICE_MS);
    const written = codecOf(writing.queue).write(value, 2 ** 30, open);
    const writeTurns = writing.run();
    const payload = await written;
    const reading = countingQueue(SLICE_MS);
    const read = codecOf(reading.queue).read(payload, false, open);
    const readTurns = reading.run();
    expect((await read).value).toStrictEqual(value);
    // A unit is a member or 512 bytes, so no slice can have done more than this and the member it was at.
    const least = payload.length / 512 / (UNITS_PER_LOOK + 10_000 / 512);
    expect(writeTurns).toBeGreaterThanOrEqual(Math.max(5, least));
    expect(readTurns).toBeGreaterThanOrEqual(Math.max(5, least));
  });

  it('jobs take turns, and a slice is shared by all of them', async () => {
    const { queue, run } = countingQueue(SLICE_MS);
    const own = codecOf(queue);
    const order: string[] = [];
    const huge = own.write(Array.from({ length: 50_000 }, (_, i) => i), 2 ** 30, open).then(() => order.push('huge')); // prettier-ignore
    const big = own.write(Array.from({ length: 500 }, (_, i) => i), 2 ** 30, open).then(() => order.push('big')); // prettier-ignore
    run(20);
    await Promise.resolve().then(() => undefined);
    expect(order).toEqual(['big']);
    run();
    await Promise.all([huge, big]);
    expect(order).toEqual(['big', 'huge']);
  });

  it('nothing is done before the turn of others has come', () => {
    const { queue, run } = countingQueue();
    let called = 0;
    const watched = new Proxy({}, { ownKeys: () => (called++, []) });
    void codecOf(queue).write(watched, 1_000, open);
    expect(called).toBe(0);
    run();
    expect(called).toBeGreaterThan(0);
  });

  it('a job ends where it is when the cache closes', async () => {
    const { queue, run } = countingQueue(SLICE_MS);
    let closed = false;
    const written = codecOf(queue).write(Array.from({ length: 50_000 }, (_, i) => i), 2 ** 30, () => closed); // prettier-ignore
    run(3);
    closed = true;
    const outcome = expect(written).rejects.toBeInstanceOf(CacheClosedError);
    expect(run()).toBe(4);
    await outcome;
  });

  it.each<[string, () => unknown, (value: any) => void]>([
    ['an array that grew', () => Array.from({ length: 2_000 }, (_, i) => i), (v) => v.push(1)],
    ['an array that shrank', () => Array.from({ length: 2_000 }, (_, i) => i), (v) => (v.length = 10)],
    ['a Map that grew', () => new Map(Array.from({ length: 2_000 }, (_, i) => [i, i])), (v) => v.set('x', 1)],
    ['a Set that shrank', () => new Set(Array.from({ length: 2_000 }, (_, i) => i)), (v) => v.delete(1_999)],
    ['an object that lost a key', () => Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`k${i}`, i])), (v) => delete v.k1999],
  ])('%s while it was written is refused', async (_name, make, change) => {
    const { queue, run } = countingQueue(SLICE_MS);
    const value = make();
    const written = codecOf(queue).write(value, 2 ** 30, open);
    run(2);
    change(value);
    run();
    await expect(written).rejects.toThrow('changed while it was written');
  }); // prettier-ignore
});

describe('freezing', () => {
  const read = async (value: unknown, freeze = true) => codec.read(codec.encode(value), freeze, open);

  it('freezes everything where everything can be frozen', async () => {
    const { value, frozen }: any = await read({ a: [{ b: 1 }, [undefined, 1n]], n: Object.create(null) });
    expect(frozen).toBe(true);
    for (const one of [value, value.a, value.a[0], value.a[1], value.n])
      expect(Object.isFrozen(one)).toBe(true);
    expect((await read({ a: 1 }, false)).frozen).toBe(false);
    expect(Object.isFrozen((await read({ a: 1 }, false)).value)).toBe(false);
  });

  it('freezes nothing where something cannot be', async () => {
    for (const one of [new Date(1), new Map(), new Set(), Buffer.from('a'), /x/, new Error('x'), new Account('a'), new Money(1n, 'a')]) {
      const { value, frozen }: any = await read({ one, other: {} });
      expect([frozen, Object.isFrozen(value), Object.isFrozen(value.other)]).toEqual([false, false, false]);
    } // prettier-ignore
  });

  it('as canFreeze says', () => {
    fc.assert(
      fc.property(fc.anything({ withDate: true, withMap: true, withSparseArray: true, withNullPrototype: true }), (value) => {
        fc.pre(refusalOrNull(value) === null);
        expect(codec.isPlain(codec.encode(value))).toBe(canFreeze(value));
      }), // prettier-ignore
      { seed },
    );
  });

  function refusalOrNull(value: unknown): string | null {
    const why = refusal(value);
    return why === 'accepted' ? null : why;
  }
});

describe('damaged and hostile bytes are a CorruptEntryError, and cheap', () => {
  const u32 = (n: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(n);
    return [...bytes];
  };
  const str = (text: string) => [0x87, text.length, ...Buffer.from(text, 'latin1')];
  it.each<[string, number[]]>([
    ['nothing', []],
    ['flags only', [0]],
    ['unknown flags', [2, 0x80]],
    ['unknown token', [0, 0xff]],
    ['trailing bytes', [0, 1, 1]],
    ['array of 4 billion', [1, 0x8c, ...u32(0xffffffff)]],
    ['Map of 4 billion', [0, 0x92, ...u32(0xffffffff)]],
    ['object of 4 billion', [1, 0x90, ...u32(0xffffffff)]],
    ['string of 4 GB', [1, 0x88, ...u32(0xffffffff), 65]],
    ['wide string of 4 GB', [1, 0x89, ...u32(0xffffffff), 65]],
    ['bytes of 4 GB', [0, 0x95, ...u32(0xffffffff)]],
    ['__proto__ in a shape', [1, 0x8e, 1, ...str('__proto__'), 0x8c, ...u32(0)]],
    ['__proto__ in an object', [1, 0x90, ...u32(1), ...str('__proto__'), 0x8c, ...u32(0)]],
    ['a key that is no string', [1, 0x90, ...u32(1), 5, 5]],
    ['an unknown shape', [1, 0x8f, 0, 0]],
    ['a reference to nothing', [1, 0x8b, ...u32(0)]],
    ['a Date in what is said to be plain', [1, 0x94, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['an unknown class', [0, 0x9a, ...str('nobody'), 1]],
    ['an instance of a number', [0, 0x9a, ...str('account'), 1]],
    ['an instance that refers to itself before it is made', [0, 0x9a, ...str('money'), 0x8b, ...u32(0)]],
    ['an error that is none', [0, 0x99, ...str('eval'), ...str('1'), ...str('1')]],
    ['a view of unknown kind', [0, 0x96, 99, ...u32(0)]],
    ['a view that is not whole', [0, 0x96, 3, ...u32(1), 0]],
    ['a bad RegExp', [0, 0x97, ...str('('), ...str('')]],
    ['no digits', [1, 0x8a, 0, ...str('zz')]],
    ['sparse indices that go back', [1, 0x8c, ...u32(9), 0x8d, ...u32(2), ...u32(5), 1, ...u32(2), 1]],
    ['sparse indices past the end', [1, 0x8c, ...u32(3), 0x8d, ...u32(1), ...u32(5), 1]],
  ])('%s', (_name, bytes) => {
    const before = process.memoryUsage().rss;
    expect(() => codec.decode(Buffer.from(bytes))).toThrow(CorruptEntryError);
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
    expect(({} as any).polluted).toBeUndefined();
  });

  it('deep nesting does not end the process', () => {
    const deep = Buffer.concat([Buffer.from([1]), ...Array.from({ length: 100_000 }, () => Buffer.from([0x8c, 1, 0, 0, 0])), Buffer.from([1])]); // prettier-ignore
    expect(() => codec.decode(deep)).toThrow(CorruptEntryError);
  });

  it('any bytes: a value or CorruptEntryError, never anything else', () => {
    const valid = codec.encode({
      a: [1, 'two', { b: new Date(1), c: new Map([[1, 2n]]) }],
      m: new Money(1n, 'x'),
    });
    const mutated = fc
      .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const bytes = Buffer.from(valid);
        for (const [at, byte] of changes) bytes[at] = byte;
        return bytes;
      });
    const random = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(mutated, random), (bytes) => {
        try {
          codec.decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(CorruptEntryError);
        }
      }),
      { seed, numRuns: 2_000 },
    );
  });
});
