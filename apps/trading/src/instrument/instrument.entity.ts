import {
  Column,
  CreateDateColumn,
  DeleteDateColumn,
  Entity,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
} from 'typeorm';
import { CachedEntity } from 'nestjs-strata/typeorm';
import { type Origin } from '../database/origin.js';
import { typeTag } from './instrument.tags.js';

export const INSTRUMENT_TYPES = ['stock', 'index', 'crypto', 'forex', 'commodity'] as const;
export type InstrumentType = (typeof INSTRUMENT_TYPES)[number];

/**
 * A tradable instrument. A committed change ends its entry and its price's (a renamed symbol: under the old
 * symbol and the new), and the cached lists of its type (a changed type: of both) and of all types.
 */
@CachedEntity<Instrument>({
  keys: { instruments: (row) => row.symbol, prices: (row) => row.symbol },
  tags: (row) => [typeTag(row.type)],
  namespaces: ['instrument-lists'],
})
@Entity('instruments')
export class Instrument {
  @PrimaryGeneratedColumn('identity')
  id!: number;

  /** Upper case always; the database checks. */
  @Column('varchar', { length: 20, unique: true })
  symbol!: string;

  @Column('varchar', { length: 120 })
  name!: string;

  @Column('varchar', { length: 16 })
  type!: InstrumentType;

  @Column('varchar', { length: 3 })
  currency!: string;

  /** Traded in 24 h, in `currency`. A decimal string: money never passes through a float. */
  @Column('numeric', { name: 'volume_24h', precision: 24, scale: 2 })
  volume24h!: string;

  /** What limits are reckoned from, in `currency`: null where nobody has set one. A decimal string. */
  @Column('numeric', { name: 'reference_price', nullable: true })
  referencePrice!: string | null;

  @Column('boolean', { name: 'is_active', default: true })
  isActive!: boolean;

  @Column('varchar', { length: 16 })
  origin!: Origin;

  /** Apart from `origin`: stocks.csv has real symbols and prices but no volumes. */
  @Column('varchar', { name: 'volume_origin', length: 16 })
  volumeOrigin!: Origin;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' })
  deletedAt!: Date | null;
}
