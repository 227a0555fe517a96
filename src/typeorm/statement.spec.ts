import { statementOf } from './statement.js';

describe('what a statement does to its transaction', () => {
  it.each([
    ['BEGIN', { kind: 'begin' }],
    ['  start transaction isolation level serializable', { kind: 'begin' }],
    ['COMMIT', { kind: 'commit' }],
    ['END;', { kind: 'commit' }],
    ['ROLLBACK', { kind: 'rollback' }],
    ['ABORT', { kind: 'rollback' }],
    ['SAVEPOINT typeorm_1', { kind: 'savepoint', name: 'typeorm_1' }],
    ['SAVEPOINT Mine', { kind: 'savepoint', name: 'mine' }],
    ['SAVEPOINT "Mine"', { kind: 'savepoint', name: 'Mine' }],
    ['ROLLBACK TO SAVEPOINT typeorm_1', { kind: 'rollback-to', name: 'typeorm_1' }],
    ['rollback work to mine', { kind: 'rollback-to', name: 'mine' }],
    ['RELEASE SAVEPOINT typeorm_1', { kind: 'release', name: 'typeorm_1' }],
    ['RELEASE mine', { kind: 'release', name: 'mine' }],
    ['/* job 7 */ COMMIT', { kind: 'commit' }],
    ['-- job 7\nCOMMIT', { kind: 'commit' }],
    ['INSERT INTO a VALUES ($1)', { kind: 'insert', replaces: false }],
    ['INSERT INTO a VALUES ($1) ON CONFLICT DO NOTHING', { kind: 'insert', replaces: false }],
    ['INSERT INTO a VALUES ($1) ON CONFLICT (id) DO UPDATE SET b = 1', { kind: 'insert', replaces: true }],
    ['INSERT INTO a VALUES (?) ON DUPLICATE KEY UPDATE b = 1', { kind: 'insert', replaces: true }],
    ['SELECT 1', { kind: 'other' }],
    ['SELECT begin FROM commit', { kind: 'other' }],
    ['UPDATE a SET b = 1', { kind: 'other' }],
    ['', { kind: 'other' }],
  ])('%s', (sql, expected) => {
    expect(statementOf(sql)).toEqual(expected);
  });
});
