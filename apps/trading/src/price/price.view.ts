import { type Origin } from '../database/origin.js';

/** The latest price of an instrument. */
export interface PriceView {
  symbol: string;
  price: string;
  currency: string;
  /** ISO 8601. */
  at: string;
  origin: Origin;
}
