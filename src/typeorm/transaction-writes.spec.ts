import { type Invalidation, unknownRow } from './invalidation-batch.js';
import { statementOf } from './statement.js';
import { TransactionWrites } from './transaction-writes.js';

const write = (type: string): Invalidation => unknownRow({ type, namespaces: [] });

describe('the writes of a transaction', () => {
  let writes: TransactionWrites;
  const run = (sql: string, tag?: string): void => {
    writes.statementSent();
    writes.statementAnswered(statementOf(sql), true, tag);
  };
  const types = (): string[] => writes.take().map((one) => one.scope.type);

  beforeEach(() => {
    writes = new TransactionWrites();
    run('START TRANSACTION');
  });

  it('are handed over once', () => {
    writes.add([write('A'), write('B')]);
    expect(types()).toEqual(['A', 'B']);
    expect(types()).toEqual([]);
  });

  it('since a savepoint are forgotten when it is rolled back, also the second time', () => {
    writes.add([write('A')]);
    run('SAVEPOINT s');
    writes.add([write('B')]);
    run('ROLLBACK TO s');
    writes.add([write('C')]);
    run('ROLLBACK TO s');
    expect(types()).toEqual(['A']);
  });

  it('of a released savepoint belong to the one around it', () => {
    run('SAVEPOINT outer_one');
    run('SAVEPOINT inner_one');
    writes.add([write('A')]);
    run('RELEASE inner_one');
    run('ROLLBACK TO outer_one');
    expect(types()).toEqual([]);
  });

  it('belong to the newest savepoint of a name', () => {
    run('SAVEPOINT s');
    writes.add([write('A')]);
    run('SAVEPOINT s');
    writes.add([write('B')]);
    run('ROLLBACK TO s');
    expect(types()).toEqual(['A']);
  });

  it('stay when an unknown savepoint is named', () => {
    run('SAVEPOINT s');
    writes.add([write('A')]);
    run('RELEASE other');
    run('ROLLBACK TO other');
    expect(types()).toEqual(['A']);
  });

  it('are kept by ROLLBACK TO when statements ran side by side: the order of events proves nothing', () => {
    writes.statementSent();
    run('SAVEPOINT s');
    writes.statementAnswered(statementOf('UPDATE a SET b = 1'), true, 'UPDATE');
    writes.add([write('A')]);
    run('ROLLBACK TO s');
    expect(types()).toEqual(['A']);
  });

  it('know what the server made of COMMIT', () => {
    run('COMMIT', 'COMMIT');
    expect(writes.outcome).toBe('committed');
    run('COMMIT', 'ROLLBACK');
    expect(writes.outcome).toBe('rolled-back');
    run('COMMIT');
    expect(writes.outcome).toBe('committed');
  });

  it('know of a failed COMMIT nothing', () => {
    writes.statementSent();
    writes.statementAnswered(statementOf('COMMIT'), false, undefined);
    expect(writes.outcome).toBeUndefined();
  });

  it('take an INSERT for one that replaces rows unless the last one is known not to', () => {
    expect(writes.insertReplaces).toBe(true);
    run('INSERT INTO a VALUES (1)');
    expect(writes.insertReplaces).toBe(false);
    run('INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET b = 1');
    expect(writes.insertReplaces).toBe(true);
  });
});
