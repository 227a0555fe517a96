import { HttpException, Injectable, NotFoundException, UnprocessableEntityException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { CacheEvict, CacheService, Cacheable } from 'nestjs-strata';
import { type EntryKind, AccountEntry } from './account-entry.entity.js';
import { Account } from './account.entity.js';
import { accountView, type AccountView } from './account.view.js';

@Injectable()
export class AccountService {
  constructor(
    @InjectRepository(Account) private readonly accounts: Repository<Account>,
    private readonly cache: CacheService,
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

  /** @throws NotFoundException */
  @CacheEvict({ namespace: 'accounts', key: (id) => String(id) })
  deposit(id: number, amount: string): Promise<AccountView> {
    return this.move(id, 'deposit', amount);
  }

  /** @throws NotFoundException; UnprocessableEntityException when the balance does not suffice. */
  @CacheEvict({ namespace: 'accounts', key: (id) => String(id) })
  withdraw(id: number, amount: string): Promise<AccountView> {
    return this.move(id, 'withdrawal', amount);
  }

  private async move(id: number, kind: EntryKind, amount: string): Promise<AccountView> {
    try {
      return await this.accounts.manager.transaction((manager) => post(manager, id, kind, amount));
    } catch (error) {
      // A refusal changed nothing. Any other error may be a lost answer to a COMMIT that took place: the decorator
      // evicts after success only, so the entry that might now be wrong goes here.
      if (!(error instanceof HttpException)) await this.cache.delete('accounts', String(id));
      throw error;
    }
  }
}

/**
 * Moves the money in one transaction: the row is locked, the database does the arithmetic (numeric, not floats).
 * Plain SQL, which entity subscribers do not see; hence the evicting decorators above.
 */
async function post(
  manager: EntityManager,
  id: number,
  kind: EntryKind,
  amount: string,
): Promise<AccountView> {
  const account = await manager.findOne(Account, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (!account) return unknown(id);
  const change = kind === 'deposit' ? amount : `-${amount}`;
  const [rows] = await manager.query<[{ balance: string }[], number]>(
    `UPDATE accounts SET balance = balance + $2::numeric, updated_at = now()
      WHERE id = $1 AND balance + $2::numeric >= 0 RETURNING balance`,
    [id, change],
  );
  const balance = rows[0]?.balance;
  if (balance === undefined) {
    throw new UnprocessableEntityException(`The balance of account ${id} does not cover ${amount}.`);
  }
  await manager.insert(AccountEntry, { accountId: id, kind, amount, balanceAfter: balance });
  return { ...accountView(account), balance };
}

function unknown(id: number): never {
  throw new NotFoundException(`There is no account ${id}.`);
}
