import { CallMemory, type RememberedCall } from './call-memory.js';

const call = (id: string): RememberedCall => ({
  id,
  key: id,
  self: null,
  loader: () => id,
  options: undefined,
  slot: -1,
  generation: -1,
});

describe('CallMemory', () => {
  it('tells lists of arguments apart by value, type and length', () => {
    const memory = new CallMemory();
    const lists = [
      [],
      [undefined],
      [null],
      [1],
      ['1'],
      [1n],
      [true],
      ['true'],
      ['a', 'b'],
      ['a'],
      ['a', undefined],
      ['a', 'b', 'c'],
    ];
    lists.forEach((list, index) => memory.set(list, call(String(index))));
    lists.forEach((list, index) => expect(memory.get(list)?.id).toBe(String(index)));
    expect(memory.one('a')?.id).toBe(memory.get(['a'])?.id);
    expect(memory.get(['b'])).toBeUndefined();
  });

  it('holds on to nothing that may be large or cannot be compared', () => {
    const memory = new CallMemory();
    for (const list of [
      [{}],
      [[]],
      [() => 1],
      [Symbol('x')],
      ['x'.repeat(257)],
      [1, 2, 3, 4, 5],
      [new Date(0)],
    ]) {
      memory.set(list, call('x'));
      expect(memory.get(list)).toBeUndefined();
    }
  });

  it('is bounded: forgets everything above 10,000 calls, and goes on', () => {
    const memory = new CallMemory();
    for (let i = 0; i <= 10_000; i++) memory.set([i], call(String(i)));
    expect(memory.get([0])).toBeUndefined();
    expect(memory.get([10_000])?.id).toBe('10000');
  });
});
