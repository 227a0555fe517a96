import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { IdPipe } from '../http/id.pipe.js';
import { MoneyDto } from './account.dto.js';
import { AccountService } from './account.service.js';
import { type AccountView, type EntryView } from './account.view.js';

@Controller('accounts')
export class AccountController {
  constructor(private readonly accounts: AccountService) {}

  @Get(':id')
  get(@Param('id', IdPipe) id: number): Promise<AccountView> {
    return this.accounts.get(id);
  }

  /** The latest movements of money, newest first. */
  @Get(':id/entries')
  entries(@Param('id', IdPipe) id: number): Promise<EntryView[]> {
    return this.accounts.entries(id);
  }

  @Post(':id/deposits')
  deposit(@Param('id', IdPipe) id: number, @Body() { amount }: MoneyDto): Promise<AccountView> {
    return this.accounts.deposit(id, amount);
  }

  @Post(':id/withdrawals')
  withdraw(@Param('id', IdPipe) id: number, @Body() { amount }: MoneyDto): Promise<AccountView> {
    return this.accounts.withdraw(id, amount);
  }
}
