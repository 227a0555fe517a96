import { statementOf } from './statement.js';

describe('what a statement does to its transaction', () => {
  it.each([
    ['BEGIN', { kind: 'begin' }],
    ['  start transaction isolation level serializable', { kind: 'begin' }],
    ['COMMIT', { kind: 'commit', chained: false }],
    ['END;', { kind: 'commit', chained: false }],
    ['ROLLBACK', { kind: 'rollback', chained: false }],
    ['ABORT', { kind: 'rollback', chained: false }],
    ['COMMIT AND CHAIN', { kind: 'commit', chained: true }],
    ['rollback work and chain', { kind: 'rollback', chained: true }],
    [`PREPARE TRANSACTION 'Two Phases'`, { kind: 'prepare', name: 'Two Phases' }],
    [`COMMIT PREPARED 'Two Phases'`, { kind: 'commit-prepared', name: 'Two Phases' }],
    [`ROLLBACK PREPARED 'Two Phases'`, { kind: 'rollback-prepared', name: 'Two Phases' }],
    ['PREPARE plan AS UPDATE a SET b = 1', { kind: 'other', reads: false }],
    ['SAVEPOINT typeorm_1', { kind: 'savepoint', name: 'typeorm_1' }],
    ['SAVEPOINT Mine', { kind: 'savepoint', name: 'mine' }],
    ['SAVEPOINT "Mine"', { kind: 'savepoint', name: 'Mine' }],
    ['ROLLBACK TO SAVEPOINT typeorm_1', { kind: 'rollback-to', name: 'typeorm_1' }],
    ['rollback work to mine', { kind: 'rollback-to', name: 'mine' }],
    ['RELEASE SAVEPOINT typeorm_1', { kind: 'release', name: 'typeorm_1' }],
    ['RELEASE mine', { kind: 'release', name: 'mine' }],
    ['/* job 7 */ COMMIT', { kind: 'commit', chained: false }],
    ['-- job 7\nCOMMIT', { kind: 'commit', chained: false }],
    ['INSERT INTO a VALUES ($1)', { kind: 'insert', replaces: false }],
    ['INSERT INTO a VALUES ($1) ON CONFLICT DO NOTHING', { kind: 'insert', replaces: false }],
    ['INSERT INTO a VALUES ($1) ON CONFLICT (id) DO UPDATE SET b = 1', { kind: 'insert', replaces: true }],
    ['INSERT INTO a VALUES (?) ON DUPLICATE KEY UPDATE b = 1', { kind: 'insert', replaces: true }],
    ['SELECT 1', { kind: 'other', reads: true }],
    ['SELECT begin FROM commit', { kind: 'other', reads: true }],
    ['UPDATE a SET b = 1', { kind: 'other', reads: false }],
    ['', { kind: 'other', reads: false }],
  ])('%s', (sql, expected) => {
    expect(statementOf(sql)).toEqual(expected);
  });
});
