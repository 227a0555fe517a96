import { Type } from 'class-transformer';
import { IsDate, MaxDate } from 'class-validator';
import { IsDecimalText } from '../http/decimal.decorator.js';
import { IfPresent } from '../http/present.decorator.js';

const ALLOWED_CLOCK_SKEW_MS = 60_000;

/** Body of POST /prices/:symbol/ticks. */
export class CreateTickDto {
  @IsDecimalText(12, 8, { positive: true })
  price!: string;

  /** When it was observed; default now. One from the far future would stay the latest for ever. */
  @IfPresent()
  @Type(() => Date)
  @IsDate()
  @MaxDate(() => new Date(Date.now() + ALLOWED_CLOCK_SKEW_MS), { message: 'at must not lie in the future' })
  at?: Date;
}
