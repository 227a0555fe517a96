import { IsDecimalText } from '../http/decimal.decorator.js';

/** Body of deposits and withdrawals. */
export class MoneyDto {
  /** In the account's currency. */
  @IsDecimalText(15, 2, { positive: true })
  amount!: string;
}
