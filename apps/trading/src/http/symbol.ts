import { BadRequestException, Injectable, type PipeTransform } from '@nestjs/common';

/** Letters of either case, digits, and what tickers carry: BRK.B, ^GSPC, BTC-USD, 6E=F. */
export const SYMBOL_PATTERN = /^[A-Za-z0-9^][A-Za-z0-9.^=-]{0,19}$/;
export const SYMBOL_RULE = 'symbol must be 1 to 20 letters, digits or . ^ = -';

/** btc, Btc and BTC are one instrument; the database and the cache's keys hold upper case. */
export function normalizeSymbol(symbol: string): string {
  return symbol.toUpperCase();
}

/** Refuses what cannot be a symbol before it becomes a cached "not found". Leaves the case to the cache. */
@Injectable()
export class SymbolPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    if (!SYMBOL_PATTERN.test(value)) {
      throw new BadRequestException({
        message: SYMBOL_RULE,
        errors: [{ field: 'symbol', messages: [SYMBOL_RULE] }],
      });
    }
    return value;
  }
}
