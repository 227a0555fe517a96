import { Column, CreateDateColumn, Entity, PrimaryColumn, UpdateDateColumn } from 'typeorm';
import { CachedEntity } from 'nestjs-strata/typeorm';
import { type Origin } from '../database/origin.js';

/** A cash account. The database decides about money (row lock, check constraint), never the cache. */
@CachedEntity<Account>({ keys: { accounts: (row) => row.id } })
@Entity('accounts')
export class Account {
  @PrimaryColumn('integer')
  id!: number;

  @Column('varchar', { length: 120 })
  holder!: string;

  @Column('varchar', { length: 3 })
  currency!: string;

  /** Never below zero. A decimal string. */
  @Column('numeric', { precision: 20, scale: 2 })
  balance!: string;

  @Column('varchar', { length: 16 })
  origin!: Origin;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;
}
