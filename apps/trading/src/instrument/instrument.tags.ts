import { normalizeSymbol } from '../http/symbol.js';

/** What is made from an instrument goes when somebody invalidates by symbol. */
export function instrumentTags(symbol: string): string[] {
  return [`symbol:${normalizeSymbol(symbol)}`];
}

/** Lists of one type: an instrument of another one, new or changed, does not concern them. */
export function typeTag(type: string): string {
  return `instruments-of:${type}`;
}
