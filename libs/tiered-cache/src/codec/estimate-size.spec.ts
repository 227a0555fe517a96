import { estimateBytes, MAX_VISITS } from './estimate-size.js';

describe('estimateBytes', () => {
  it('grows with what is held', () => {
    expect(estimateBytes(null)).toBe(0);
    expect(estimateBytes('x'.repeat(1_000))).toBeGreaterThan(1_000);
    expect(estimateBytes({ a: 'x'.repeat(1_000) })).toBeGreaterThan(1_000);
    expect(estimateBytes(Buffer.alloc(5_000))).toBeGreaterThanOrEqual(5_000);
    expect(estimateBytes(new ArrayBuffer(5_000))).toBeGreaterThanOrEqual(5_000);
    expect(estimateBytes(2n ** 80_000n)).toBeGreaterThan(9_000);
    const small = estimateBytes([{ a: 1 }]);
    expect(estimateBytes([{ a: 1 }, { a: 2 }])).toBeGreaterThan(small);
    expect(estimateBytes(new Map([['key', 'value']]))).toBeGreaterThan(estimateBytes(new Map()));
    expect(estimateBytes(new Set([['x'.repeat(500)]]))).toBeGreaterThan(500);
  });

  it('counts a shared part once and ends on cycles', () => {
    const part = { text: 'x'.repeat(10_000) };
    const twice: Record<string, unknown> = { a: part, b: part };
    twice.self = twice;
    expect(estimateBytes(twice)).toBeLessThan(2 * estimateBytes(part));
  });

  it('is near the real size of heap for records', () => {
    const records = Array.from({ length: 5_000 }, (_, i) => ({ id: i, price: i + 0.5, symbol: `SYM${i}` }));
    const perRecord = estimateBytes(records) / records.length;
    // V8: object with three in-object slots 48, heap number 16, string 24 and its slot 8: about a hundred.
    expect(perRecord).toBeGreaterThan(50);
    expect(perRecord).toBeLessThan(250);
  });

  it('extrapolates beyond its bounded work', () => {
    const list = (length: number) => Array.from({ length }, (_, i) => `item number ${i}`);
    const big = estimateBytes(list(20 * MAX_VISITS));
    const expected = 20 * estimateBytes(list(MAX_VISITS));
    expect(big / expected).toBeGreaterThan(0.8);
    expect(big / expected).toBeLessThan(1.3);
    const objects = Array.from({ length: 3 * MAX_VISITS }, (_, id) => ({ id, name: 'x'.repeat(50) }));
    expect(estimateBytes(objects)).toBeGreaterThan(3 * MAX_VISITS * 50);
  });

  it('looks at a bounded number of members only', () => {
    let read = 0;
    const counting = new Proxy(
      Array.from({ length: 1_000_000 }, () => 0),
      {
        get(target, key) {
          if (typeof key === 'string' && key !== 'length') read++;
          return Reflect.get(target, key) as unknown;
        },
      },
    );
    estimateBytes(counting);
    expect(read).toBeLessThanOrEqual(MAX_VISITS + 1);
  });

  it('stops above the limit', () => {
    const list = Array.from({ length: 1_000 }, () => ['x'.repeat(1_000)]);
    expect(estimateBytes(list, 20_000)).toBeGreaterThan(20_000);
  });

  it('survives 100,000 levels and calls no accessor', () => {
    let value: unknown = 1;
    for (let i = 0; i < 100_000; i++) value = [value];
    expect(estimateBytes(value)).toBeGreaterThan(0);
    const trap = Object.defineProperty({}, 'x', { enumerable: true, get: () => { throw new Error('called'); } }); // prettier-ignore
    expect(estimateBytes(trap)).toBeGreaterThan(0);
  });
});
