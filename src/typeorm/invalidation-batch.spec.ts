import { batch, type EntityScope, type Invalidation, isEmpty, unknownRow } from './invalidation-batch.js';

const scope: EntityScope = { type: 'Coin', namespaces: ['coins'] };
const row = (id: string): Invalidation => ({
  scope,
  keys: [{ namespace: 'coins', id }],
  tags: [`entity:Coin:${id}`],
  namespaces: [],
  all: false,
});

describe('one selector per transaction', () => {
  it('names each key and tag once', () => {
    expect(batch([row('a'), row('b'), row('a')])).toEqual({
      keys: [
        { namespace: 'coins', id: 'a' },
        { namespace: 'coins', id: 'b' },
      ],
      tags: ['entity:Coin:a', 'entity:Coin:b'],
    });
  });

  it('is empty for no writes', () => {
    expect(isEmpty(batch([]))).toBe(true);
    expect(isEmpty(batch([row('a')]))).toBe(false);
  });

  it('clears the namespaces of an unknown row, and names no keys in them', () => {
    expect(batch([row('a'), unknownRow(scope)])).toEqual({
      tags: ['entity:Coin:a', 'entity:Coin', 'entity:Coin:*'],
      namespaces: ['coins'],
    });
  });

  it('clears everything where nobody knows the namespaces', () => {
    expect(batch([row('a'), unknownRow({ type: 'Any', namespaces: null })])).toEqual({
      tags: ['entity:Coin:a', 'entity:Any', 'entity:Any:*'],
      all: true,
    });
  });

  it('stays small however many rows a transaction wrote', () => {
    const rows = Array.from({ length: 20 }, (_, i) => row(String(i)));
    expect(batch(rows, 40).keys).toHaveLength(20);
    expect(batch(rows, 39)).toEqual({ tags: ['entity:Coin', 'entity:Coin:*'], namespaces: ['coins'] });
  });
});
