import { chunks } from './chunks.js';

describe('chunks', () => {
  it('hold at most so many items, and all of them in order', () => {
    expect([...chunks([1, 2, 3, 4, 5], 2)]).toEqual([[1, 2], [3, 4], [5]]);
    expect([...chunks([], 2)]).toEqual([]);
  });

  it('hold at most so many bytes, but for a single item', () => {
    expect([...chunks([3, 3, 9, 1, 1], 10, (size) => size, 5)]).toEqual([[3], [3], [9], [1, 1]]);
  });
});
