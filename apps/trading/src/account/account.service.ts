import { Injectable, NotFoundException, UnprocessableEntityException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { CacheEvict, Cacheable } from 'nestjs-strata';
import { AccountEntry } from './account-entry.entity.js';
import { Account } from './account.entity.js';
import { accountView, type AccountView, entryView, type EntryView } from './account.view.js';

const LATEST = 50;

/**
 * Money moves by plain SQL, of which entity subscribers hear nothing; triggers do, in the same transaction, whatever
 * becomes of this process. So nothing here has to mention the cache: deposits do not, and are seen everywhere within
 * the staleness bound. Withdrawals do, so that the very next read on this node is right already.
 */
@Injectable()
export class AccountService {
  constructor(
    @InjectRepository(Account) private readonly accounts: Repository<Account>,
    @InjectRepository(AccountEntry) private readonly accountEntries: Repository<AccountEntry>,
  ) {}

  @Cacheable({ namespace: 'accounts', key: (id) => String(id) })
  async find(id: number): Promise<AccountView | null> {
    const row = await this.accounts.findOneBy({ id });
    return row && accountView(row);
  }

  /** @throws NotFoundException */
  async get(id: number): Promise<AccountView> {
    return (await this.find(id)) ?? unknown(id);
  }

  /** Newest first, at most 50. @throws NotFoundException */
  async entries(id: number): Promise<EntryView[]> {
    await this.get(id);
    return this.latestEntries(id);
  }

  /** Not a word on what ends it: the query says so. */
  @Cacheable({ namespace: 'account-entries', key: (id) => String(id), track: true })
  async latestEntries(id: number): Promise<EntryView[]> {
    const rows = await this.accountEntries.find({
      where: { accountId: id },
      order: { at: 'DESC', id: 'DESC' },
      take: LATEST,
    });
    return rows.map(entryView);
  }

  /** One statement moves the money and writes the entry. @throws NotFoundException */
  async deposit(id: number, amount: string): Promise<AccountView> {
    const [account] = await this.accounts.query<AccountView[]>(
      `WITH moved AS (
         UPDATE accounts SET balance = balance + $2::numeric, updated_at = now() WHERE id = $1 RETURNING *
       ), entry AS (
         INSERT INTO account_entries (account_id, kind, amount, balance_after)
         SELECT id, 'deposit', $2::numeric, balance FROM moved
       )
       SELECT id, holder, currency, balance, origin FROM moved`,
      [id, amount],
    );
    return account ?? unknown(id);
  }

  /** @throws NotFoundException; UnprocessableEntityException when the balance does not suffice. */
  @CacheEvict({ namespace: 'accounts', key: (id) => String(id) })
  withdraw(id: number, amount: string): Promise<AccountView> {
    return this.accounts.manager.transaction((manager) => withdraw(manager, id, amount));
  }
}

/** The row is locked, and the database does the arithmetic (numeric, not floats): it decides, never the cache. */
async function withdraw(manager: EntityManager, id: number, amount: string): Promise<AccountView> {
  const account = await manager.findOne(Account, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (!account) return unknown(id);
  const [rows] = await manager.query<[{ balance: string }[], number]>(
    `UPDATE accounts SET balance = balance - $2::numeric, updated_at = now()
      WHERE id = $1 AND balance >= $2::numeric RETURNING balance`,
    [id, amount],
  );
  const balance = rows[0]?.balance;
  if (balance === undefined) {
    throw new UnprocessableEntityException(`The balance of account ${id} does not cover ${amount}.`);
  }
  await manager.insert(AccountEntry, { accountId: id, kind: 'withdrawal', amount, balanceAfter: balance });
  return { ...accountView(account), balance };
}

function unknown(id: number): never {
  throw new NotFoundException(`There is no account ${id}.`);
}
