import { hasReached, readCursor, writeCursor, writePosition } from './log-cursor.js';

describe('the cursor over the shards of a log', () => {
  it('is read as it was written', () => {
    const places = [{ id: '1-0', prev: '' }, { id: '1700-3', prev: '1700-2' }, { id: '0-1' }];
    expect(readCursor(writeCursor(places), 3)).toEqual(places);
  });

  it.each(['', 'nonsense', '1-0,2-0', '1-0,2-0,x', '1-0,2-0,3-0<y', '1-0,2-0,3-0,4-0'])(
    'stands nowhere: %s',
    (cursor) => {
      expect(readCursor(cursor, 3)).toEqual([{ id: '0-0' }, { id: '0-0' }, { id: '0-0' }]);
    },
  );

  it('has reached what its own shard has passed, whatever the others say', () => {
    const cursor = writeCursor([{ id: '9-0' }, { id: '5-2', prev: '5-1' }]);
    expect(hasReached(cursor, writePosition(1, '5-2'))).toBe(true);
    expect(hasReached(cursor, writePosition(1, '5-1'))).toBe(true);
    expect(hasReached(cursor, writePosition(1, '5-3'))).toBe(false);
    expect(hasReached(cursor, writePosition(1, '10-0'))).toBe(false);
    expect(hasReached(cursor, writePosition(0, '9-0'))).toBe(true);
  });

  it('has not reached what it does not know', () => {
    expect(hasReached('9-0', writePosition(1, '1-0'))).toBe(false);
    expect(hasReached('9-0', '1700-0')).toBe(false);
    expect(hasReached('nonsense', writePosition(0, '1-0'))).toBe(false);
  });
});
