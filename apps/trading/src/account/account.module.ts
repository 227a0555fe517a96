import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountEntry } from './account-entry.entity.js';
import { AccountController } from './account.controller.js';
import { Account } from './account.entity.js';
import { AccountService } from './account.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([Account, AccountEntry])],
  controllers: [AccountController],
  providers: [AccountService],
})
export class AccountModule {}
