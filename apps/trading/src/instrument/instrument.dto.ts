import { Transform, Type } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsNotEmpty, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import { IsDecimalText } from '../http/decimal.decorator.js';
import { IfPresent } from '../http/present.decorator.js';
import { normalizeSymbol, SYMBOL_PATTERN, SYMBOL_RULE } from '../http/symbol.js';
import { INSTRUMENT_TYPES, type InstrumentType } from './instrument.entity.js';

const upper = Transform(({ value }) => (typeof value === 'string' ? normalizeSymbol(value) : value));
const CURRENCY_RULE = 'currency must be a three-letter code';

/** Body of POST /instruments. */
export class CreateInstrumentDto {
  @upper
  @Matches(SYMBOL_PATTERN, { message: SYMBOL_RULE })
  symbol!: string;

  @IsString()
  @IsNotEmpty()
  @MaxLength(120)
  name!: string;

  @IsIn(INSTRUMENT_TYPES)
  type!: InstrumentType;

  @upper
  @Matches(/^[A-Z]{3}$/, { message: CURRENCY_RULE })
  currency!: string;

  @IfPresent()
  @IsDecimalText(22, 2)
  volume24h?: string;

  @IfPresent()
  @IsDecimalText(12, 8, { positive: true })
  referencePrice?: string;

  @IfPresent()
  @IsBoolean()
  isActive?: boolean;
}

/** Body of PATCH /instruments/:symbol: what is left out stays as it is. */
export class UpdateInstrumentDto {
  @IfPresent()
  @upper
  @Matches(SYMBOL_PATTERN, { message: SYMBOL_RULE })
  symbol?: string;

  @IfPresent()
  @IsString()
  @IsNotEmpty()
  @MaxLength(120)
  name?: string;

  @IfPresent()
  @IsIn(INSTRUMENT_TYPES)
  type?: InstrumentType;

  @IfPresent()
  @upper
  @Matches(/^[A-Z]{3}$/, { message: CURRENCY_RULE })
  currency?: string;

  @IfPresent()
  @IsDecimalText(22, 2)
  volume24h?: string;

  @IfPresent()
  @IsDecimalText(12, 8, { positive: true })
  referencePrice?: string;

  @IfPresent()
  @IsBoolean()
  isActive?: boolean;
}

/** Body of POST /instruments/reprice. */
export class RepriceDto {
  @IsIn(INSTRUMENT_TYPES)
  type!: InstrumentType;

  /** What reference prices are multiplied by: 0.5 after a split of one into two. */
  @IsDecimalText(3, 8, { positive: true })
  factor!: string;
}

export const SORTS = ['symbol', 'name', 'volume24h'] as const;

/** Query of GET /instruments. */
export class ListInstrumentsDto {
  @IfPresent()
  @IsIn(INSTRUMENT_TYPES)
  type?: InstrumentType;

  @IfPresent()
  @upper
  @Matches(/^[A-Z]{3}$/, { message: CURRENCY_RULE })
  currency?: string;

  @IfPresent()
  @Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean()
  isActive?: boolean;

  /** Part of the symbol or the name, in any case. */
  @IfPresent()
  @IsString()
  @IsNotEmpty()
  @MaxLength(50)
  search?: string;

  @IsIn(SORTS)
  sort: (typeof SORTS)[number] = 'symbol';

  @IsIn(['asc', 'desc'])
  order: 'asc' | 'desc' = 'asc';

  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(500)
  limit = 100;

  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  offset = 0;
}
