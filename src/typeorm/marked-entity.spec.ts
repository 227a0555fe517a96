import {
  Column,
  DataSource,
  DeleteDateColumn,
  Entity,
  type EntityMetadata,
  ManyToOne,
  PrimaryGeneratedColumn,
  type Relation,
  UpdateDateColumn,
} from 'typeorm';
import { CachedEntity, type CachedEntityOptions, marksOf } from './cached-entity.decorator.js';
import type { Invalidation } from './invalidation-batch.js';
import { MarkedEntity } from './marked-entity.js';

class Listing {
  @Column() venue!: string;
  @Column() code!: string;
}

@Entity()
class Owner {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
}

@Entity()
class Coin {
  @PrimaryGeneratedColumn() id!: number;
  @Column() symbol!: string;
  @Column({ type: 'text', nullable: true }) alias!: string | null;
  @Column({ default: 'x' }) kind!: string;
  @Column({ generatedType: 'STORED', asExpression: 'upper(symbol)' }) upper!: string;
  @Column(() => Listing) listing!: Listing;
  @Column({ nullable: true }) ownerId!: number | null;
  @ManyToOne(() => Owner) owner!: Relation<Owner>;
  @UpdateDateColumn() updatedAt!: Date;
  @DeleteDateColumn() deletedAt!: Date | null;

  get pair(): string {
    return `${this.symbol}/USD`;
  }
}

describe('what a write of a known row ends', () => {
  let coin: EntityMetadata;
  let faults: string[];

  beforeAll(async () => {
    const dataSource = new DataSource({ type: 'postgres', entities: [Owner, Coin] });
    // Metadata without a connection: TypeORM offers it to nobody but itself.
    await (dataSource as unknown as { buildMetadatas(): Promise<void> }).buildMetadatas();
    coin = dataSource.getMetadata(Coin);
  });
  beforeEach(() => {
    faults = [];
  });

  const mark = (options: CachedEntityOptions<Coin>) =>
    new MarkedEntity({ target: Coin, options: options as CachedEntityOptions }, (_entity, problem) =>
      faults.push(problem),
    );
  const keys = (write: Invalidation) => write.keys.map((key) => `${key.namespace}:${key.id}`);
  const stored = (entity: MarkedEntity, ...sources: object[]) =>
    entity.write(coin, [{ sources, origin: 'stored' }], false);
  const inserted = (entity: MarkedEntity, source: object) =>
    entity.write(coin, [{ sources: [source], origin: 'inserted' }], true);
  const unknown = { keys: [], namespaces: ['coins'], tags: ['entity:Coin', 'entity:Coin:*'] };

  it('one id, several, or none', () => {
    const entity = mark({
      keys: { coins: (row) => row.symbol, both: (row) => [row.symbol, row.alias], none: () => undefined },
    });
    expect(keys(stored(entity, { id: 1, symbol: 'BTC', alias: null }))).toEqual(['coins:BTC', 'both:BTC']);
  });

  it('the first source that knows a column is believed', () => {
    const entity = mark({ keys: { coins: (row) => `${row.symbol}-${row.kind}` } });
    const before = { id: 1, symbol: 'BTC', kind: 'old' };
    expect(keys(stored(entity, { kind: 'new' }, before))).toEqual(['coins:BTC-new']);
    expect(keys(stored(entity, { symbol: undefined, kind: 'new' }, before))).toEqual(['coins:BTC-new']);
  });

  it('a column that was not loaded makes the row unknown', () => {
    const entity = mark({ keys: { coins: (row) => row.symbol } });
    expect(stored(entity, { id: 1, kind: 'k' })).toMatchObject(unknown);
    expect(stored(mark({ keys: { coins: (row) => row.symbol.trim() } }), { id: 1 })).toMatchObject(unknown);
    expect(faults).toEqual([]);
  });

  it('so does a row without its id, and a column that is SQL or computed by the database', () => {
    const entity = mark({ keys: { coins: (row) => row.symbol } });
    expect(stored(entity, { symbol: 'BTC' })).toMatchObject(unknown);
    expect(inserted(entity, { id: 1, symbol: () => 'lower(x)' })).toMatchObject(unknown);
    const computed = mark({ keys: { coins: (row) => row.upper } });
    expect(stored(computed, { id: 1, symbol: 'a', upper: 'A' })).toMatchObject(unknown);
  });

  it('an inserted row without a value has NULL, unless the database gives a default', () => {
    expect(keys(inserted(mark({ keys: { coins: (row) => row.alias } }), { id: 1 }))).toEqual([]);
    expect(inserted(mark({ keys: { coins: (row) => row.kind } }), { id: 1 })).toMatchObject(unknown);
  });

  it('embedded columns, getters, spreads and related rows are read as in the entity', () => {
    const entity = mark({
      keys: {
        coins: ({ listing }) => `${listing.venue}.${listing.code}`,
        pairs: (row) => row.pair,
        owners: (row) => row.owner.name,
        spread: (row) => ({ ...row }).symbol,
      },
    });
    const row = { symbol: 'BTC', owner: { id: 3, name: 'ann' }, listing: { venue: 'X', code: 'B' }, id: 1 };
    expect(keys(stored(entity, row))).toEqual(['coins:X.B', 'pairs:BTC/USD', 'owners:ann', 'spread:BTC']);
    expect(stored(mark({ keys: { coins: (r) => r.listing.code } }), { id: 1 })).toMatchObject(unknown);
    const owned = mark({ keys: { coins: (r) => r.owner.name } });
    expect(stored(owned, { id: 1, owner: { id: 3 } })).toMatchObject(unknown);
    expect(stored(owned, { id: 1, owner: 3 })).toMatchObject(unknown);
  });

  it('an assigned relation wins over its id column, as in a save', () => {
    const entity = mark({ keys: { coins: (row) => row.ownerId } });
    expect(keys(stored(entity, { id: 1, ownerId: 3, owner: { id: 4 } }))).toEqual(['coins:4']);
  });

  it('the row cannot be changed by reading it', () => {
    const entity = mark({
      keys: {
        coins: (row) => {
          (row as Coin).symbol = 'changed';
          return 'x';
        },
      },
    });
    const row = { id: 1, symbol: 'BTC' };
    stored(entity, row);
    expect(row.symbol).toBe('BTC');
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['answers an empty id', () => ''],
  ])('a key function that %s is reported, and the row is unknown', (_how, fail) => {
    expect(stored(mark({ keys: { coins: fail } }), { id: 1 })).toMatchObject(unknown);
    expect(faults).toHaveLength(1);
  });

  it('a key outside the declared namespaces goes, and from then on unknown rows clear everything', () => {
    const entity = mark({ keys: (row) => [{ namespace: row.kind, id: 'a' }], namespaces: ['coins'] });
    expect(keys(stored(entity, { id: 1, kind: 'coins' }))).toEqual(['coins:a']);
    expect(entity.namespaces).toEqual(['coins']);
    expect(keys(stored(entity, { id: 1, kind: 'stray' }))).toEqual(['stray:a']);
    expect(entity.namespaces).toBeNull();
    expect(faults).toHaveLength(1);
  });

  it.each<[string, CachedEntityOptions<Coin>, string[] | null]>([
    ['the keys of a map', { keys: { coins: (row) => row.symbol } }, ['coins']],
    [
      'the keys of a map and what is named',
      { keys: { coins: (row) => row.symbol }, namespaces: ['b'] },
      ['coins', 'b'],
    ],
    ['none without keys', {}, []],
    ['all, when keys is a function', { keys: () => [] }, null],
    ['all, when there are tags', { keys: { coins: (row) => row.symbol }, tags: () => [] }, null],
    ['what is named, when there are tags', { tags: () => [], namespaces: ['b'] }, ['b']],
  ])('the namespaces of unknown rows are %s', (_what, options, expected) => {
    expect(mark(options).namespaces).toEqual(expected);
  });

  it('an update reaches lists by the columns they show', () => {
    const changed = (entity: MarkedEntity, ...paths: string[]) =>
      entity.changesLists(
        coin,
        coin.columns.filter((column) => paths.includes(column.propertyPath)),
        [],
      );
    const listed = mark({ listColumns: ['symbol', 'listing'] });
    expect(changed(listed, 'symbol', 'kind')).toBe(true);
    expect(changed(listed, 'kind')).toBe(false);
    expect(changed(listed, 'listing.code')).toBe(true);
    expect(changed(listed, 'deletedAt')).toBe(true);
    expect(changed(listed)).toBe(true);
    expect(changed(mark({ listColumns: ['updatedAt'] }), 'kind')).toBe(true);
    expect(changed(mark({ listColumns: [] }), 'symbol')).toBe(false);
    expect(changed(mark({}), 'kind')).toBe(true);
  });
});

describe('marks', () => {
  it('of a parent class hold for its children; two caches take two marks', () => {
    @CachedEntity({ type: 'P' })
    class Parent {}
    @CachedEntity({ type: 'C' })
    @CachedEntity({ type: 'C', cache: 'other' })
    class Child extends Parent {}
    expect(marksOf(Child).map((one) => [one.target, one.options.cache])).toEqual([
      [Child, 'other'],
      [Child, undefined],
      [Parent, undefined],
    ]);
    expect(marksOf(Parent)).toHaveLength(1);
    expect(marksOf('an EntitySchema')).toEqual([]);
  });
});

describe('types', () => {
  it('let only what fits compile', () => {
    const unused = (): void => {
      // @ts-expect-error no such column
      CachedEntity<Coin>({ keys: { coins: (row) => row.symbl } });
      // @ts-expect-error an object is no id
      CachedEntity<Coin>({ keys: { coins: (row) => row.listing } });
      // @ts-expect-error no such column
      CachedEntity<Coin>({ listColumns: ['symbl'] });
      // @ts-expect-error tags are strings
      CachedEntity<Coin>({ tags: (row) => [row.id] });
      // @ts-expect-error the mark of one entity on another
      CachedEntity<Coin>({})(Owner);
      CachedEntity<Coin>({ keys: (row) => [{ namespace: 'coins', id: row.symbol }] })(Coin);
      CachedEntity({ keys: { coins: (row) => row['anything'] as string } })(Owner);
    };
    expect(unused).toBeDefined();
  });
});
