import { analyseSelect, type SelectAnalysis, type TableUse } from './select-analysis.js';

const COLUMNS: Record<string, readonly string[]> = {
  account: ['id', 'owner', 'balance'],
  'app.position': ['id', 'account_id', 'symbol', 'quantity'],
  tag: ['id', 'name'],
};
const columnsOf = (path: string) => (COLUMNS[path] ? new Set(COLUMNS[path]) : undefined);

function analysed(sql: string): readonly TableUse[] {
  const analysis = analyseSelect(sql, columnsOf);
  if ('problem' in analysis) throw new Error(analysis.problem);
  return analysis.tables;
}

function summary(sql: string): string[] {
  return analysed(sql).map(({ path, used, usesAll, equals, shown }) => {
    const narrowed = [...equals].map(
      ([column, values]) =>
        `${column}=${values.map((one) => (one.kind === 'parameter' ? `$${one.index}` : 'text' in one ? one.text : one.value)).join('|')}`,
    );
    return `${path} [${usesAll ? '*' : [...used].sort().join()}] {${narrowed.join()}} (${[...shown.keys()].join()})`;
  });
}

describe('what a SELECT depends on', () => {
  it.each<[string, string, string[]]>([
    [
      'a row by its key',
      'SELECT "A"."id" AS "A_id", "A"."owner" AS "A_owner" FROM "account" "A" WHERE (("A"."id" = $1)) LIMIT 1',
      ['account [id] {id=$1} (id,owner)'],
    ],
    [
      'a list by one column, ordered by another',
      'SELECT "p"."id" AS "p_id" FROM "app"."position" "p" WHERE "p"."account_id" = $1 AND "p"."quantity" > $2 ORDER BY "p"."symbol" ASC',
      ['app.position [account_id,quantity,symbol] {account_id=$1} (id)'],
    ],
    [
      'several values',
      'SELECT "p"."id" AS "p_id" FROM "app"."position" "p" WHERE ("p"."account_id" IN ($1, $2, 3))',
      ['app.position [account_id] {account_id=$1|$2|3} (id)'],
    ],
    [
      'a joined table, by the key of the first',
      'SELECT "A"."id" AS "A_id", "p"."id" AS "p_id" FROM "account" "A" LEFT JOIN "app"."position" "p" ON "p"."account_id"="A"."id" WHERE "A"."id" = $1',
      ['account [id] {id=$1} (id)', 'app.position [account_id] {account_id=$1} (id)'],
    ],
    [
      'either of two conditions: neither counts',
      'SELECT "p"."id" AS "p_id" FROM "app"."position" "p" WHERE "p"."account_id" = $1 OR "p"."symbol" = $2',
      ['app.position [account_id,symbol] {} (id)'],
    ],
    [
      'a condition that is negated',
      'SELECT "p"."id" AS "p_id" FROM "app"."position" "p" WHERE NOT("p"."account_id" = $1)',
      ['app.position [account_id] {} (id)'],
    ],
    [
      'between, which has an AND of its own',
      'SELECT "p"."id" AS "p_id" FROM "app"."position" "p" WHERE "p"."quantity" BETWEEN $1 AND $2 AND "p"."account_id" = $3',
      ['app.position [account_id,quantity] {account_id=$3} (id)'],
    ],
    [
      'a sum, whose rows are not shown',
      'SELECT SUM("p"."quantity") AS "sum" FROM "app"."position" "p" WHERE "p"."account_id" = $1',
      ['app.position [account_id,quantity] {account_id=$1} ()'],
    ],
    ['everything', 'SELECT * FROM "tag" "t"', ['tag [*] {} ()']],
    ['a whole row', 'SELECT to_json(t) AS "x" FROM tag t', ['tag [*] {} ()']],
    [
      'a column nobody knows',
      'SELECT t.id AS "i" FROM tag t WHERE t.legacy = 1',
      ['tag [*] {legacy=1} (id)'],
    ],
    ['a column without its table', 'SELECT t.id AS "i" FROM tag t WHERE name = 1', ['tag [name] {} (id)']],
    [
      'a subquery, whose condition says nothing of the table around it',
      'SELECT "A"."id" AS "A_id" FROM "account" "A" WHERE NOT EXISTS (SELECT 1 FROM "app"."position" "p" WHERE "p"."account_id" = "A"."id" AND "p"."account_id" = $1)',
      ['account [id] {} (id)', 'app.position [account_id] {account_id=$1} ()'],
    ],
    [
      'a LEFT JOIN condition on the first table, which narrows nothing',
      'SELECT "A"."id" AS "A_id", "p"."id" AS "p_id" FROM "account" "A" LEFT JOIN "app"."position" "p" ON "A"."owner" = $1 AND "p"."symbol" = $2',
      ['account [owner] {} (id)', 'app.position [symbol] {symbol=$2} (id)'],
    ],
    [
      'a RIGHT JOIN condition, which narrows nothing',
      'SELECT "A"."id" AS "A_id", "p"."id" AS "p_id" FROM "account" "A" RIGHT JOIN "app"."position" "p" ON "p"."symbol" = $2',
      ['account [] {} (id)', 'app.position [symbol] {} (id)'],
    ],
    [
      'pagination over a join: the joined table does not decide which rows come',
      'SELECT DISTINCT "d"."A_id" AS "ids_A_id", "d"."A_owner" FROM (SELECT "A"."id" AS "A_id", "A"."owner" AS "A_owner", "A"."balance" AS "A_balance", "p"."id" AS "p_id" FROM "account" "A" LEFT JOIN "app"."position" "p" ON "p"."account_id"="A"."id") "d" ORDER BY "A_owner" ASC LIMIT 2',
      ['account [id,owner] {} ()'],
    ],
    [
      'a count of rows with a join that nobody looks at',
      'SELECT COUNT(DISTINCT("A"."id")) AS "cnt" FROM "account" "A" LEFT JOIN "app"."position" "p" ON "p"."account_id"="A"."id"',
      ['account [id] {} ()'],
    ],
    [
      'a count of what is joined',
      'SELECT COUNT(1) AS "cnt" FROM "account" "A" LEFT JOIN "app"."position" "p" ON "p"."account_id"="A"."id"',
      ['account [id] {} ()', 'app.position [account_id] {} ()'],
    ],
    [
      'texts and comments that look like SQL',
      `SELECT t.id AS "i" /* FROM account */ FROM tag t -- , account\n WHERE t.name = 'x'' FROM account' AND t.name <> E'\\' FROM account'`,
      [`tag [name] {name=x' FROM account} (id)`],
    ],
    [
      'a type that is cast to',
      `SELECT t.id AS "i" FROM tag t WHERE t.name = $1::"my"."enum"`,
      ['tag [name] {} (id)'],
    ],
  ])('%s', (_what, sql, expected) => {
    expect(summary(sql)).toEqual(expected);
  });

  it.each([
    ['UPDATE tag SET name = $1', 'no plain SELECT'],
    ['WITH x AS (SELECT 1) SELECT * FROM x', 'no plain SELECT'],
    ['SELECT id FROM tag UNION SELECT id FROM account', 'union'],
    ['SELECT my_report(t.id) FROM tag t', 'function my_report'],
    ['SELECT * FROM my_report(1) r', 'function my_report'],
    ['SELECT public.lower(t.name) FROM tag t', 'function public.lower'],
    ['SELECT x.id FROM tag t', 'x.id'],
    ['SELECT "tag"."id" FROM "tag" WHERE (1', 'could not be read'],
    ['SELECT * FROM tag JOIN account USING (id)', 'using'],
    ['SELECT t.id INTO other FROM tag t', 'into'],
    ['SELECT t.id FROM tag t WHERE t.id IN (WITH x AS (SELECT 1) SELECT * FROM x)', 'no plain SELECT'],
  ])('refuses %s', (sql, why) => {
    const analysis: SelectAnalysis = analyseSelect(sql, columnsOf);
    expect(analysis).toEqual({ problem: expect.stringContaining(why) as string });
  });
});
