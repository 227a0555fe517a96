import { entityTag, rowTags } from './entity-tag.js';

describe('entity tags', () => {
  it('name a type, or one row of it', () => {
    expect(entityTag('Instrument')).toBe('entity:Instrument');
    expect(entityTag('Instrument', 42)).toBe('entity:Instrument:42');
    expect(entityTag('Instrument', 'BTC:USD')).toBe('entity:Instrument:BTC:USD');
  });

  it('are the same for an id as number, bigint and the text a driver makes of it', () => {
    expect(new Set([entityTag('A', 7), entityTag('A', 7n), entityTag('A', '7')]).size).toBe(1);
  });

  it('keep composite ids apart', () => {
    expect(entityTag('A', ['a,b', 'c'])).not.toBe(entityTag('A', ['a', 'b,c']));
    expect(entityTag('A', ['a%2Cb', 'c'])).not.toBe(entityTag('A', ['a,b', 'c']));
    expect(entityTag('A', [new Date(0), 'x'])).toBe('entity:A:1970-01-01T00:00:00.000Z,x');
    expect(entityTag('A', Buffer.from([1, 255]))).toBe('entity:A:01ff');
  });

  it('of rows come with the one that unknown writes end', () => {
    expect(rowTags('A', 1, 2)).toEqual(['entity:A:1', 'entity:A:2', 'entity:A:*']);
    expect(rowTags('A')).toEqual(['entity:A:*']);
  });
});
