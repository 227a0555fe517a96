import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { Matches } from 'class-validator';

/**
 * A non-negative decimal that stays text all the way to a numeric column. A JSON number is taken by its shortest
 * decimal form, which is what the client wrote as long as it has at most 15 digits.
 */
export function IsDecimalText(digits: number, decimals: number, options: { positive?: boolean } = {}) {
  const pattern = new RegExp(
    `^${options.positive ? '(?=.*[1-9])' : ''}(0|[1-9]\\d{0,${digits - 1}})(\\.\\d{1,${decimals}})?$`,
  );
  const kind = options.positive ? 'positive' : 'non-negative';
  return applyDecorators(
    Transform(({ value }) => (typeof value === 'number' ? String(value) : value)),
    Matches(pattern, {
      message: `$property must be a ${kind} decimal with at most ${digits} digits before and ${decimals} after the point`,
    }),
  );
}
