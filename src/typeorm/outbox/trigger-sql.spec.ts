import { dollarQuoted, hashedName, quoteName, quoteTable, quoteText } from './identifiers.js';
import { outboxNames } from './outbox-names.js';
import {
  createFunctionsSql,
  createTriggersSql,
  fingerprint,
  functionNames,
  type TriggerPlan,
} from './trigger-sql.js';

const names = outboxNames({ schema: 'public', name: 'strata_outbox' });
const plan = (some: Partial<TriggerPlan> = {}): TriggerPlan => ({
  source: 'instrument',
  table: { schema: 'public', name: 'instrument' },
  primaryColumns: ['id'],
  columns: null,
  maxRows: 1000,
  notify: true,
  ...some,
});

describe('names in SQL', () => {
  it.each([
    ['instrument', '"instrument"'],
    ['Instrument', '"Instrument"'],
    ['select', '"select"'],
    ['a "quoted" name', '"a ""quoted"" name"'],
    ['a.b', '"a.b"'],
    [`'; DROP TABLE x; --`, `"'; DROP TABLE x; --"`],
    ['é'.repeat(31), `"${'é'.repeat(31)}"`],
  ])('%s is quoted', (name, quoted) => {
    expect(quoteName(name)).toBe(quoted);
  });

  it.each(['', 'a\0b', 'x'.repeat(64), 'é'.repeat(32)])('%j is refused', (name) => {
    expect(() => quoteName(name)).toThrow(/SQL name/);
  });

  it('a table is quoted with its schema', () => {
    expect(quoteTable({ schema: 'My Schema', name: 'User' })).toBe('"My Schema"."User"');
  });

  it('text is quoted whatever standard_conforming_strings says', () => {
    expect(quoteText(`it's`)).toBe(`'it''s'`);
    expect(quoteText(`a\\'b`)).toBe(`E'a\\\\''b'`);
    expect(() => quoteText('a\0')).toThrow(/SQL text/);
  });

  it('a body cannot end its own dollar quotes', () => {
    expect(dollarQuoted('x')).toBe('$strata$x$strata$');
    expect(dollarQuoted('$strata$; DROP')).toBe('$strata1$$strata$; DROP$strata1$');
  });

  it('long names are cut, and stay apart', () => {
    const a = hashedName(`strata_outbox_of_${'ä'.repeat(40)}`, 'a');
    const b = hashedName(`strata_outbox_of_${'ä'.repeat(40)}`, 'b');
    expect(Buffer.byteLength(a)).toBeLessThanOrEqual(63);
    expect(a).not.toBe(b);
    expect(() => quoteName(a)).not.toThrow();
  });

  it.each(['', 'a"b', '1a', 'a.b', 'x'.repeat(41)])('the outbox cannot be called %j', (name) => {
    expect(() => outboxNames({ schema: 'public', name })).toThrow(/outbox\.table/);
  });
});

describe('triggers', () => {
  it('are one per kind of write, on the relation they are asked for', () => {
    const sql = createTriggersSql(names, plan(), { schema: 'My "Schema"', name: 'part_1' });
    expect(sql.map((one) => /AFTER (\w+) ON ("My ""Schema"""\."part_1")/.exec(one)?.[1])).toEqual([
      'INSERT',
      'UPDATE',
      'DELETE',
      'TRUNCATE',
    ]);
  });

  it('name no column but those of the primary key', () => {
    const sql = createFunctionsSql(names, plan({ primaryColumns: [`it's "id"`] })).join();
    expect(sql).toContain(`'it''s "id"', x.j`);
    expect(sql).not.toMatch(/\bstrata_(?:old|new)\.(?!\*)/);
  });

  it('qualify every function and operator, as there is no search_path to rely on', () => {
    const bodies = createFunctionsSql(names, plan({ columns: ['a', 'b'] })).filter((sql) =>
      sql.includes('BEGIN'),
    );
    expect(bodies).toHaveLength(4);
    const body = bodies
      .map((sql) => sql.slice(sql.indexOf('BEGIN')))
      .join('')
      .replaceAll(/'(?:[^']|'')*'/g, "''");
    expect(body.replaceAll(/OPERATOR\(pg_catalog\.\S+\)/g, '')).not.toMatch(/[^\s\w"'.,;:()[\]$*]/);
    const calls = [...body.matchAll(/([\w.]+)\s*\(/g)].map((match) => match[1] ?? '');
    const syntax = ['coalesce', 'OPERATOR', 'THEN', 'ANY', 'FROM', 'SELECT', 'strata_outbox', 'EXISTS'];
    expect(calls.filter((call) => !call.startsWith('pg_catalog.') && !syntax.includes(call))).toEqual([]);
  });

  it('have another fingerprint for whatever changes what they do, and only then', () => {
    const base = fingerprint(names, plan());
    expect(fingerprint(names, plan())).toBe(base);
    const others = [
      plan({ primaryColumns: ['uid'] }),
      plan({ columns: ['symbol'] }),
      plan({ maxRows: 10 }),
      plan({ notify: false }),
      plan({ source: 'x.instrument' }),
    ].map((one) => fingerprint(names, one));
    expect(new Set([base, ...others]).size).toBe(6);
  });

  it('of tables of one name in two schemas have functions of their own', () => {
    const other = plan({ table: { schema: 'archive', name: 'instrument' } });
    expect(functionNames(names, other)).not.toEqual(functionNames(names, plan()));
  });
});
