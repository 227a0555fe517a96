import {
  Column,
  DataSource,
  DeleteDateColumn,
  Entity,
  JoinTable,
  ManyToMany,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  type Relation,
  UpdateDateColumn,
} from 'typeorm';
import type { InvalidationResult, InvalidationSelector } from '#tiered-cache';
import { CachedEntity } from '../../src/typeorm/cached-entity.decorator.js';

@Entity()
@CachedEntity<Label>({ keys: { labels: (row) => row.name } })
export class Label {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
}

@Entity()
@CachedEntity<Instrument>({
  keys: { instruments: (row) => row.symbol, isins: (row) => row.isin },
  listColumns: ['symbol', 'name', 'isActive'],
})
export class Instrument {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ unique: true }) symbol!: string;
  @Column({ type: 'text', nullable: true }) isin!: string | null;
  @Column() name!: string;
  @Column({ default: 0 }) volume!: number;
  @Column({ default: true }) isActive!: boolean;
  @UpdateDateColumn() updatedAt!: Date;
  @DeleteDateColumn() deletedAt!: Date | null;
  @ManyToMany(() => Label)
  @JoinTable()
  labels!: Label[];
}

@Entity()
@CachedEntity<Account>({
  keys: { accounts: (row) => row.id },
  tags: (row) => [`owner:${row.owner}`],
  namespaces: ['statements'],
})
export class Account {
  @PrimaryColumn() id!: string;
  @Column() owner!: string;
  @Column({ default: 0 }) balance!: number;
  @OneToMany(() => Position, (position) => position.account, { cascade: true })
  positions!: Relation<Position>[];
}

@Entity()
@CachedEntity<Position>({ keys: (row) => [{ namespace: 'positions', id: `${row.accountId}/${row.symbol}` }] })
export class Position {
  @PrimaryColumn() accountId!: string;
  @PrimaryColumn() symbol!: string;
  @Column({ default: 0 }) quantity!: number;
  @ManyToOne(() => Account, (account) => account.positions, { orphanedRowAction: 'delete' })
  account!: Relation<Account>;
}

/** Deleted by the database when its instrument is. */
@Entity()
@CachedEntity<Alert>({ keys: { alerts: (row) => row.id } })
export class Alert {
  @PrimaryGeneratedColumn() id!: number;
  @ManyToOne(() => Instrument, { onDelete: 'CASCADE' })
  instrument!: Relation<Instrument>;
}

/** Not marked: its writes concern no cache. */
@Entity()
export class Note {
  @PrimaryGeneratedColumn() id!: number;
  @Column() text!: string;
}

export const ENTITIES = [Label, Instrument, Account, Position, Alert, Note];
export const NAMESPACES = ['labels', 'instruments', 'isins', 'accounts', 'statements', 'positions', 'alerts'];

/** A cache that only writes down what it is told, in a normal form. */
export class RecordingCache {
  readonly namespaces = NAMESPACES;
  readonly calls: InvalidationSelector[] = [];
  /** What the cache does with the next invalidations. */
  answer: () => Promise<InvalidationResult> = async () => ({ acknowledged: true, position: null });

  async invalidate(selector: InvalidationSelector): Promise<InvalidationResult> {
    this.calls.push(selector);
    return this.answer();
  }

  /** The calls since the last time, each as sorted words: `instruments:AAPL`, `#entity:Label`, `instruments:*`. */
  taken(): string[][] {
    return this.calls.splice(0).map(words);
  }
}

export function words(selector: InvalidationSelector): string[] {
  return [
    ...(selector.keys ?? []).map(({ namespace, id }) => `${namespace}:${id}`),
    // Without those of tables, which tracked lists carry: tracking.int-spec.ts.
    ...(selector.tags ?? []).filter((tag) => !/^entity:[^:?]+\?/.test(tag)).map((tag) => `#${tag}`),
    ...(selector.namespaces ?? []).map((namespace) => `${namespace}:*`),
    ...(selector.all ? ['*'] : []),
  ].sort();
}

export async function seed(dataSource: DataSource): Promise<void> {
  // Raw SQL: no subscriber hears it. DELETE, as TRUNCATE of small tables is many times slower.
  for (const table of [
    'instrument_labels_label',
    'alert',
    'instrument',
    'label',
    'position',
    'account',
    'note',
  ])
    await dataSource.query(`DELETE FROM "${table}"`);
  for (const table of ['instrument', 'label', 'note'])
    await dataSource.query(`SELECT setval('${table}_id_seq', 1, false)`);
  await dataSource.query(`INSERT INTO label (name) VALUES ('tech'), ('car')`);
  await dataSource.query(
    `INSERT INTO instrument (symbol, isin, name) VALUES ('AAPL', 'US037', 'Apple'), ('TSLA', NULL, 'Tesla')`,
  );
  await dataSource.query(`INSERT INTO account (id, owner) VALUES ('a1', 'ann'), ('b1', 'bob')`);
  await dataSource.query(`INSERT INTO position ("accountId", symbol, quantity) VALUES ('a1', 'AAPL', 5)`);
  await dataSource.query(`INSERT INTO note (text) VALUES ('n')`);
}
