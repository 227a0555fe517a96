import { runInNewContext } from 'node:vm';
import { canFreeze, deepFreeze, freezeTree } from './freeze.js';
import { MAX_DEPTH } from './json-codec.js';

describe('canFreeze', () => {
  it.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['string', 'a'],
    ['number', NaN],
    ['bigint', 1n],
    ['symbol', Symbol('s')],
    ['plain nesting', { a: [{ b: null }, []], c: Object.create(null) }],
    ['holes', Object.assign([], { length: 2 })],
    ['another realm', runInNewContext('({ a: [1, {}] })')],
  ])('accepts %s', (_name, value) => expect(canFreeze(value)).toBe(true));

  class Point {
    x = 1;
  }
  it.each<[string, unknown]>([
    ['function', () => 1],
    ['method', { run: () => 1 }],
    ['Map', new Map()],
    ['Set inside', { a: [new Set()] }],
    ['Date', [new Date()]],
    ['Buffer', { b: Buffer.from('x') }],
    ['typed array', new Uint8Array(1)],
    ['RegExp', /a/],
    ['class instance', { p: new Point() }],
    ['error', new Error('x')],
    ['Promise', Promise.resolve()],
    ['under a symbol', { [Symbol('s')]: new Map() }],
    ['under a hidden property', Object.defineProperty({}, 'x', { value: new Map() })],
    ['accessor', Object.defineProperty({}, 'x', { get: () => 1 })],
    ['Map without prototype', Object.setPrototypeOf(new Map(), null)],
    ['subclass of Array', new (class List extends Array {})()],
  ])('refuses %s', (_name, value) => expect(canFreeze(value)).toBe(false));
});

describe('deepFreeze', () => {
  it('freezes everything, in place', () => {
    const value = { a: [{ b: 1 }], c: { d: {} }, [Symbol.for('s')]: { e: 1 } };
    Object.defineProperty(value, 'hidden', { value: { f: 1 } });
    expect(deepFreeze(value)).toBe(value);
    for (const part of [
      value,
      value.a,
      value.a[0],
      value.c,
      value.c.d,
      (value as any)[Symbol.for('s')],
      (value as any).hidden,
    ]) {
      // prettier-ignore
      expect(Object.isFrozen(part)).toBe(true);
    }
    expect(() => value.a.push({ b: 2 })).toThrow(TypeError);
  });

  it('walks cycles, and on beyond what is frozen already', () => {
    const inner = { x: 1 };
    const value: Record<string, unknown> = Object.freeze({ inner });
    const cycle: Record<string, unknown> = { value };
    cycle.self = cycle;
    expect(canFreeze(cycle)).toBe(true);
    deepFreeze(cycle);
    expect(Object.isFrozen(inner)).toBe(true);
  });

  it('survives 100,000 levels', () => {
    let value: unknown = {};
    for (let i = 0; i < 100_000; i++) value = [value];
    expect(canFreeze(value)).toBe(true);
    deepFreeze(value);
    expect(Object.isFrozen((value as unknown[])[0])).toBe(true);
  });

  it('leaves primitives alone', () => {
    for (const value of [1, 'a', null, undefined, 1n]) expect(deepFreeze(value)).toBe(value);
  });
});

describe('freezeTree', () => {
  it('freezes all that JSON gives, at every level', () => {
    const value = JSON.parse('{"a":[1,{"b":null}],"c":{"d":"x"}}') as { a: [number, object]; c: object };
    expect(freezeTree(value)).toBe(true);
    for (const part of [value, value.a, value.a[1], value.c]) expect(Object.isFrozen(part)).toBe(true);
  });

  it('leaves alone what is nested deeper than anything written here', () => {
    const deep = JSON.parse('['.repeat(MAX_DEPTH + 1) + ']'.repeat(MAX_DEPTH + 1)) as object;
    expect(freezeTree(deep)).toBe(false);
    expect(Object.isFrozen(deep)).toBe(false);
    expect(freezeTree(JSON.parse('['.repeat(MAX_DEPTH) + ']'.repeat(MAX_DEPTH)) as object)).toBe(true);
  });
});
