import { type Origin } from '../database/origin.js';
import { type Instrument, type InstrumentType } from './instrument.entity.js';

/**
 * What callers and the cache get: plain data (times as ISO strings), so that one frozen object can serve every
 * reader of a node; an entity instance would have to be copied for each.
 */
export interface InstrumentView {
  id: number;
  symbol: string;
  name: string;
  type: InstrumentType;
  currency: string;
  volume24h: string;
  referencePrice: string | null;
  isActive: boolean;
  origin: Origin;
  volumeOrigin: Origin;
  updatedAt: string;
}

export interface InstrumentPage {
  items: InstrumentView[];
  /** Matching instruments before `limit` and `offset`. */
  total: number;
  limit: number;
  offset: number;
}

/** What a bulk change of reference prices has done. */
export interface Repriced {
  type: InstrumentType;
  factor: string;
  /** How many instruments have another reference price now. */
  changed: number;
}

export function instrumentView(row: Instrument): InstrumentView {
  return {
    id: row.id,
    symbol: row.symbol,
    name: row.name,
    type: row.type,
    currency: row.currency,
    volume24h: row.volume24h,
    referencePrice: row.referencePrice,
    isActive: row.isActive,
    origin: row.origin,
    volumeOrigin: row.volumeOrigin,
    updatedAt: row.updatedAt.toISOString(),
  };
}
