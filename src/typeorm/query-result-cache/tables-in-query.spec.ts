import type { DataSource } from 'typeorm';
import type { MarkRegistry } from '../mark-registry.js';
import { TablesInQuery } from './tables-in-query.js';

const TABLES: Record<string, string[]> = {
  account: ['Account'],
  order: ['Order'],
  'order-line': ['OrderLine'],
  instrument_labels: ['Instrument', 'Label'],
  note: [],
};

/** A data source with these tables, each marked for the types beside it. */
function tables(names = Object.keys(TABLES)) {
  const dataSource = { entityMetadatas: names.map((tableName) => ({ tableName })) };
  const concerned = ({ tableName }: { tableName: string }) => {
    const unknown = TABLES[tableName]!.map((type) => ({ type }));
    return { row: unknown.slice(0, 1), unknown, cascaded: [] };
  };
  const marks = { concerned } as unknown as MarkRegistry;
  return { dataSource, found: new TablesInQuery(dataSource as unknown as DataSource, marks) };
}

describe('tables that a query names', () => {
  const { found } = tables();

  it.each([
    ['SELECT * FROM "account" "a"', ['Account']],
    ['select * from Account', ['Account']],
    ['SELECT 1 FROM "public"."account", `note`', ['Account']],
    ['SELECT * FROM note WHERE id IN (SELECT x FROM account)', ['Account']],
    ['SELECT * FROM "instrument_labels"', ['Instrument', 'Label']],
    ['SELECT * FROM "order-line" JOIN "order" ON true', ['OrderLine', 'Order']],
    ['SELECT * FROM accounts, my_account, account_, note', []],
    ['SELECT * FROM note -- PARAMETERS: ["account"]', []],
  ])('%s', (sql, types) => {
    const tags = types.map((type) => `entity:${type}`);
    expect([...found.tagsOf(sql)].sort()).toEqual(tags.sort());
    expect(found.tagsOf(sql)).toBe(found.tagsOf(sql));
  });

  it('are looked up anew when the data source is initialised', () => {
    const late = tables([]);
    expect(late.found.tagsOf('SELECT * FROM account')).toEqual([]);
    late.dataSource.entityMetadatas = [{ tableName: 'account' }];
    expect(late.found.tagsOf('SELECT * FROM account')).toEqual(['entity:Account']);
  });
});
