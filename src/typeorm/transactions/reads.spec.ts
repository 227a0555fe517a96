import { onlyReads } from './reads.js';

describe('statements that only read', () => {
  it.each([
    'SELECT "a"."id" AS "a_id", COUNT(DISTINCT("a"."id")) FROM "account" "a" WHERE (("a"."id" = $1)) LIMIT 1',
    '  -- a comment; UPDATE\n select 1',
    "SELECT * FROM t WHERE name = 'update it; (delete(1))'",
    'SELECT "update" FROM "delete"',
    'WITH x AS (SELECT 1) SELECT * FROM x',
    '(SELECT 1) UNION (SELECT 2)',
    'SELECT 1;',
  ])('%s', (sql) => expect(onlyReads(sql)).toBe(true));

  it.each([
    'INSERT INTO t VALUES (1)',
    'update t set a = 1',
    'DELETE FROM t',
    'SELECT * FROM t FOR UPDATE',
    'SELECT * FROM t FOR NO KEY UPDATE',
    'SELECT * FROM t FOR SHARE',
    'SELECT * INTO t2 FROM t',
    'WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone',
    'SELECT 1; DROP TABLE t',
    'SELECT deposit(1, 2)',
    'SELECT * FROM "deposit"(1, 2)',
    'SELECT app.deposit(1)',
    "SELECT setval('s', 1)",
    'TRUNCATE t',
    'CALL deposit(1)',
    'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
    'COPY t FROM STDIN',
    "SELECT E'\\'', deposit(1), ''",
    '',
  ])('counts as a write: %s', (sql) => expect(onlyReads(sql)).toBe(false));
});
