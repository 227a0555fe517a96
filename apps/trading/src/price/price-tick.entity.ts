import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn, type Relation } from 'typeorm';
import { type Origin } from '../database/origin.js';
import { Instrument } from '../instrument/instrument.entity.js';

/**
 * One observed price. Not marked as a cached entity: ticks are many, and the one method that writes them puts the
 * new price into the cache itself, which also ends it on the other nodes.
 */
@Entity('price_ticks')
@Index('price_ticks_latest', ['instrumentId', 'at', 'id'])
export class PriceTick {
  /** A bigint, so a string. */
  @PrimaryGeneratedColumn('identity', { type: 'bigint' })
  id!: string;

  @Column('integer', { name: 'instrument_id' })
  instrumentId!: number;

  @ManyToOne(() => Instrument)
  @JoinColumn({ name: 'instrument_id' })
  instrument?: Relation<Instrument>;

  /** In the instrument's currency. A decimal string. */
  @Column('numeric')
  price!: string;

  @Column('timestamptz')
  at!: Date;

  @Column('varchar', { length: 16 })
  origin!: Origin;
}
