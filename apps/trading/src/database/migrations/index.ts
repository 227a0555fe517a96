import { AddReferencePrice1764547200000 } from './add-reference-price.js';
import { CacheOutbox1764633600000 } from './cache-outbox.js';
import { CreateTradingSchema1763683200000 } from './create-trading-schema.js';

export const migrations = [
  CreateTradingSchema1763683200000,
  AddReferencePrice1764547200000,
  CacheOutbox1764633600000,
];
