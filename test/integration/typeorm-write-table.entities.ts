import {
  ChildEntity,
  Column,
  DeleteDateColumn,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  type Relation,
  TableInheritance,
  Tree,
  TreeChildren,
  TreeParent,
  VersionColumn,
} from 'typeorm';
import { CachedEntity } from '../../src/typeorm/cached-entity.decorator.js';
import { entityTag, rowTags } from '../../src/typeorm/entity-tag.js';
import { ENTITIES, NAMESPACES } from './typeorm.fixture.js';

export class Limits {
  @Column({ default: 0 }) max!: number;
  @Column({ default: 'EUR' }) currency!: string;
}

@Entity()
@CachedEntity<Desk>({
  keys: { desks: (row) => row.id },
  tags: (row) => [`currency:${row.limits.currency}`],
  namespaces: ['currencies'],
})
export class Desk {
  @PrimaryColumn() id!: string;
  @Column(() => Limits) limits!: Limits;
  @VersionColumn() version!: number;
  @OneToMany(() => Trader, (trader) => trader.desk, { cascade: true })
  traders!: Relation<Trader>[];
  @OneToMany(() => Badge, (badge) => badge.desk, { cascade: true })
  badges!: Relation<Badge>[];
}

/** An orphan of its desk loses the desk. */
@Entity()
@CachedEntity<Trader>({ keys: { traders: (row) => row.id } })
export class Trader {
  @PrimaryColumn() id!: string;
  @Column() name!: string;
  @ManyToOne(() => Desk, (desk) => desk.traders, { nullable: true })
  desk!: Relation<Desk> | null;
}

/** An orphan of its desk is soft-deleted. */
@Entity()
@CachedEntity<Badge>({ keys: { badges: (row) => row.id } })
export class Badge {
  @PrimaryColumn() id!: string;
  @DeleteDateColumn() deletedAt!: Date | null;
  @ManyToOne(() => Desk, (desk) => desk.badges, { nullable: true, orphanedRowAction: 'soft-delete' })
  desk!: Relation<Desk> | null;
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
@CachedEntity<Party>({ keys: { parties: (row) => row.id } })
export class Party {
  @PrimaryColumn() id!: string;
  @Column() name!: string;
}

@ChildEntity()
export class Person extends Party {
  @Column({ default: 0 }) age!: number;
}

@ChildEntity()
@CachedEntity<Company>({ keys: { companies: (row) => row.vat } })
export class Company extends Party {
  @Column({ nullable: true }) vat!: string;
}

@Entity()
@Tree('closure-table')
@CachedEntity<Region>({ keys: { regions: (row) => row.id } })
export class Region {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
  @TreeParent() parent!: Relation<Region> | null;
  @TreeChildren() children!: Relation<Region>[];
}

export const TABLE_ENTITIES = [...ENTITIES, Desk, Trader, Badge, Party, Person, Company, Region];

export const TABLE_NAMESPACES = [
  ...NAMESPACES,
  'desks',
  'currencies',
  'traders',
  'badges',
  'parties',
  'companies',
  'regions',
  'lists',
  'views',
];

/** An entry that the table watches: what the database says it is, and what it depends on besides its key. */
export interface Watched {
  readonly sql: string;
  readonly tags?: readonly string[];
}

const listOf = (table: string, type: string, order = 'id'): Watched => ({
  sql: `SELECT * FROM ${table} ORDER BY ${order}`,
  tags: [entityTag(type)],
});
const live = '"deletedAt" IS NULL';

/** By `namespace:id`. Some of them say that there is no such row. */
export const WATCHED: Readonly<Record<string, Watched>> = {
  'instruments:AAPL': { sql: `SELECT * FROM instrument WHERE symbol = 'AAPL' AND ${live}` },
  'instruments:TSLA': { sql: `SELECT * FROM instrument WHERE symbol = 'TSLA' AND ${live}` },
  'instruments:MSFT': { sql: `SELECT * FROM instrument WHERE symbol = 'MSFT' AND ${live}` },
  'isins:US037': { sql: `SELECT * FROM instrument WHERE isin = 'US037' AND ${live}` },
  'views:instrument/1': {
    sql: `SELECT i.*, (SELECT count(*) FROM instrument_labels_label l WHERE l."instrumentId" = i.id) FROM instrument i WHERE id = 1`,
    tags: rowTags('Instrument', 1),
  },
  'views:instrument/2': { sql: 'SELECT * FROM instrument WHERE id = 2', tags: rowTags('Instrument', 2) },
  'lists:instruments': {
    sql: `SELECT id, symbol, name, "isActive" FROM instrument WHERE ${live} ORDER BY id`,
    tags: [entityTag('Instrument')],
  },
  'labels:tech': { sql: `SELECT * FROM label WHERE name = 'tech'` },
  'labels:new': { sql: `SELECT * FROM label WHERE name = 'new'` },
  'lists:labels': listOf('label', 'Label'),
  'accounts:a1': { sql: `SELECT * FROM account WHERE id = 'a1'` },
  'accounts:b1': { sql: `SELECT * FROM account WHERE id = 'b1'` },
  'accounts:c1': { sql: `SELECT * FROM account WHERE id = 'c1'` },
  'statements:ann': { sql: `SELECT * FROM account WHERE owner = 'ann' ORDER BY id`, tags: ['owner:ann'] },
  'statements:bob': { sql: `SELECT * FROM account WHERE owner = 'bob' ORDER BY id`, tags: ['owner:bob'] },
  'lists:accounts': listOf('account', 'Account'),
  'positions:a1/AAPL': { sql: `SELECT * FROM position WHERE "accountId" = 'a1' AND symbol = 'AAPL'` },
  'positions:b1/TSLA': { sql: `SELECT * FROM position WHERE "accountId" = 'b1' AND symbol = 'TSLA'` },
  'lists:positions': listOf('position', 'Position', '1, 2'),
  'alerts:1': { sql: `SELECT * FROM alert WHERE id = 1` },
  'lists:alerts': listOf('alert', 'Alert'),
  'desks:d1': { sql: `SELECT * FROM desk WHERE id = 'd1'` },
  'desks:d2': { sql: `SELECT * FROM desk WHERE id = 'd2'` },
  'currencies:EUR': { sql: `SELECT * FROM desk WHERE "limitsCurrency" = 'EUR'`, tags: ['currency:EUR'] },
  'currencies:USD': { sql: `SELECT * FROM desk WHERE "limitsCurrency" = 'USD'`, tags: ['currency:USD'] },
  'lists:desks': listOf('desk', 'Desk'),
  'traders:t1': { sql: `SELECT * FROM trader WHERE id = 't1'` },
  'traders:t2': { sql: `SELECT * FROM trader WHERE id = 't2'` },
  'lists:traders': listOf('trader', 'Trader'),
  'badges:g1': { sql: `SELECT * FROM badge WHERE id = 'g1' AND ${live}` },
  'lists:badges': listOf('badge', 'Badge'),
  'parties:p1': { sql: `SELECT * FROM party WHERE id = 'p1'` },
  'parties:k1': { sql: `SELECT * FROM party WHERE id = 'k1'` },
  'companies:DE1': { sql: `SELECT * FROM party WHERE vat = 'DE1'` },
  'lists:parties': listOf('party', 'Party'),
  'lists:companies': { sql: `SELECT * FROM party WHERE kind = 'Company'`, tags: [entityTag('Company')] },
  'regions:1': { sql: 'SELECT * FROM region WHERE id = 1' },
  'regions:2': { sql: 'SELECT * FROM region WHERE id = 2' },
  'lists:regions': {
    sql: `SELECT r.*, (SELECT count(*) FROM region_closure c WHERE c.id_descendant = r.id) FROM region r ORDER BY id`,
    tags: [entityTag('Region')],
  },
};

export const ENTRIES = Object.keys(WATCHED);

/** The entries in these namespaces, and these. */
export function entries(...names: readonly string[]): string[] {
  return names.flatMap((name) =>
    name.endsWith(':*') ? ENTRIES.filter((entry) => entry.startsWith(name.slice(0, -1))) : [name],
  );
}

/** What the tables hold before each path; raw SQL, so that no subscriber hears it. */
export const SEED = `
  DELETE FROM region_closure; DELETE FROM region; DELETE FROM party; DELETE FROM badge; DELETE FROM trader;
  DELETE FROM desk; DELETE FROM instrument_labels_label; DELETE FROM alert; DELETE FROM instrument; DELETE FROM label;
  DELETE FROM position; DELETE FROM account; DELETE FROM note;
  SELECT setval(name || '_id_seq', 10, true) FROM unnest(ARRAY['instrument', 'label', 'note', 'alert', 'region']) AS name;
  INSERT INTO label (id, name) VALUES (1, 'tech'), (2, 'car');
  INSERT INTO instrument (id, symbol, isin, name) VALUES (1, 'AAPL', 'US037', 'Apple'), (2, 'TSLA', NULL, 'Tesla');
  INSERT INTO alert (id, "instrumentId") VALUES (1, 1);
  INSERT INTO account (id, owner) VALUES ('a1', 'ann'), ('b1', 'bob');
  INSERT INTO position ("accountId", symbol, quantity) VALUES ('a1', 'AAPL', 5);
  INSERT INTO note (text) VALUES ('n');
  INSERT INTO desk (id, version, "limitsMax", "limitsCurrency") VALUES ('d1', 1, 5, 'EUR'), ('d2', 1, 5, 'USD');
  INSERT INTO trader (id, name, "deskId") VALUES ('t1', 'Tim', 'd1'), ('t2', 'Tom', NULL);
  INSERT INTO badge (id, "deskId") VALUES ('g1', 'd1');
  INSERT INTO party (id, name, kind, age, vat) VALUES ('p1', 'Pat', 'Person', 30, NULL), ('k1', 'Kraft', 'Company', NULL, 'DE1');
  INSERT INTO region (id, name, "parentId") VALUES (1, 'Europe', NULL), (2, 'Alps', NULL);
  INSERT INTO region_closure (id_ancestor, id_descendant) VALUES (1, 1), (2, 2);
`;
