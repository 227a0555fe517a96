import { normalizeSymbol } from '../http/symbol.js';

/** What is made from an instrument goes when somebody invalidates by symbol. */
export function instrumentTags(symbol: string): string[] {
  return [`symbol:${normalizeSymbol(symbol)}`];
}
