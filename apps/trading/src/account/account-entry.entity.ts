import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { CachedEntity } from 'nestjs-strata/typeorm';

export type EntryKind = 'deposit' | 'withdrawal';

/** One movement of money, written in the transaction that moves it. It ends the list of its account, and no other. */
@CachedEntity<AccountEntry>({ keys: { 'account-entries': (row) => row.accountId } })
@Entity('account_entries')
export class AccountEntry {
  /** A bigint, so a string. */
  @PrimaryGeneratedColumn('identity', { type: 'bigint' })
  id!: string;

  @Column('integer', { name: 'account_id' })
  accountId!: number;

  @Column('varchar', { length: 16 })
  kind!: EntryKind;

  @Column('numeric', { precision: 20, scale: 2 })
  amount!: string;

  @Column('numeric', { name: 'balance_after', precision: 20, scale: 2 })
  balanceAfter!: string;

  @CreateDateColumn({ type: 'timestamptz' })
  at!: Date;
}
