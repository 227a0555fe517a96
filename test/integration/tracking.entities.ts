import {
  Column,
  DeleteDateColumn,
  Entity,
  Index,
  JoinTable,
  ManyToMany,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  type Relation,
  UpdateDateColumn,
} from 'typeorm';
import { CachedEntity } from '../../src/typeorm/cached-entity.decorator.js';

@Entity()
@CachedEntity({ type: 'Sector' })
export class Sector {
  @PrimaryColumn() code!: string;
  @Column() title!: string;
  /** Asks when it is looked at. */
  @OneToMany(() => Stock, (stock) => stock.sector)
  stocks!: Promise<Relation<Stock>[]>;
}

@Entity()
@CachedEntity()
export class Stock {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ unique: true }) symbol!: string;
  @Column({ default: 0 }) price!: number;
  @Column({ default: true }) active!: boolean;
  @ManyToOne(() => Sector, (sector) => sector.stocks, { eager: true, nullable: true })
  sector!: Relation<Sector> | null;
  @ManyToMany(() => Topic, (topic) => topic.stocks)
  @JoinTable()
  topics!: Relation<Topic>[];
  @UpdateDateColumn() updatedAt!: Date;
  @DeleteDateColumn() deletedAt!: Date | null;
}

@Entity()
@CachedEntity()
export class Topic {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
  @ManyToMany(() => Stock, (stock) => stock.topics)
  stocks!: Relation<Stock>[];
}

@Entity()
@CachedEntity()
export class Trader {
  @PrimaryColumn() id!: number;
  @Column() name!: string;
  @OneToMany(() => Holding, (holding) => holding.trader)
  holdings!: Relation<Holding>[];
}

@Entity()
@CachedEntity()
@Index(['note'])
export class Holding {
  @PrimaryGeneratedColumn() id!: number;
  @Column() traderId!: number;
  @ManyToOne(() => Trader, (trader) => trader.holdings) trader!: Relation<Trader>;
  @ManyToOne(() => Stock, { nullable: true }) stock!: Relation<Stock> | null;
  @Column({ default: 0 }) quantity!: number;
  @Column({ default: '' }) note!: string;
}

/** Not marked. */
@Entity()
export class Memo {
  @PrimaryGeneratedColumn() id!: number;
  @Column() text!: string;
}

export const TRACKING_ENTITIES = [Sector, Stock, Topic, Trader, Holding, Memo];
