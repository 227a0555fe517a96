import { Column, CreateDateColumn, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
import { CachedEntity } from 'nestjs-strata/typeorm';

export type EntryKind = 'deposit' | 'withdrawal';

/**
 * One movement of money, written in the transaction that moves it. Lists of them are tracked: the index says that they are
 * asked for by account, so that an entry ends the list of its account, and no other.
 */
@CachedEntity({ namespaces: ['account-entries'] })
@Entity('account_entries')
@Index('account_entries_of_account', ['accountId', 'at'])
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
