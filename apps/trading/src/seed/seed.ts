import { type EntityManager } from 'typeorm';
import { Account } from '../account/account.entity.js';
import { Instrument } from '../instrument/instrument.entity.js';
import { PriceTick } from '../price/price-tick.entity.js';
import { GENERATED, REAL } from './catalogue.js';
import { createRandom, decimalText } from './generator.js';
import { readIndexBars, readStockPrices } from './market-data.js';

const SEED = 20_000_103;
const ACCOUNTS = 20;
/** Generated prices are hourly up to here: fixed, so that the same data is made on any day. */
const GENERATED_UNTIL = Date.UTC(2025, 0, 1);
const GENERATED_TICKS = 24;
const HOUR_MS = 3_600_000;
const ROWS_PER_INSERT = 1_000;

type InstrumentRow = Pick<
  Instrument,
  'symbol' | 'name' | 'type' | 'currency' | 'volume24h' | 'isActive' | 'origin' | 'volumeOrigin'
>;
type TickRow = Pick<PriceTick, 'price' | 'at' | 'origin'> & { symbol: string };

/** Fills an empty database: real symbols and prices where the data sets have them, the rest generated and labelled. */
export async function seed(manager: EntityManager): Promise<void> {
  const random = createRandom(SEED);
  const [stocks, bars] = await Promise.all([readStockPrices(), readIndexBars()]);
  const instruments: InstrumentRow[] = [
    ...REAL.map(({ symbol, name, type, currency }): InstrumentRow => {
      const volume = symbol === 'SPX' ? bars.at(-1)?.volume : undefined;
      const origin = 'vega-datasets' as const;
      const fromData = { volume24h: `${volume}.00`, volumeOrigin: origin };
      const made = { volume24h: generateVolume(random), volumeOrigin: 'generated' as const };
      return { symbol, name, type, currency, isActive: true, origin, ...(volume ? fromData : made) };
    }),
    ...GENERATED.map(({ symbol, name, type, currency }): InstrumentRow => {
      const origin = 'generated' as const;
      const volume24h = generateVolume(random);
      return {
        symbol,
        name,
        type,
        currency,
        volume24h,
        isActive: random() > 0.05,
        origin,
        volumeOrigin: origin,
      };
    }),
  ];
  const ticks: TickRow[] = [
    ...stocks.map(({ symbol, at, price }): TickRow => ({ symbol, at, price, origin: 'vega-datasets' })),
    ...bars.map(({ at, close }): TickRow => ({ symbol: 'SPX', at, price: close, origin: 'vega-datasets' })),
    ...GENERATED.flatMap(({ symbol, around = 1 }) => generateTicks(symbol, around, random)),
  ];
  const ids = await insertInstruments(manager, instruments);
  await insertTicks(manager, ticks, ids);
  await manager.query(
    `UPDATE instruments SET reference_price = (SELECT price FROM price_ticks
      WHERE instrument_id = instruments.id ORDER BY at DESC, id DESC LIMIT 1)`,
  );
  await manager.insert(Account, generateAccounts(random));
}

async function insertInstruments(
  manager: EntityManager,
  rows: InstrumentRow[],
): Promise<Map<string, number>> {
  await manager.insert(Instrument, rows);
  const stored = await manager.find(Instrument, { select: { id: true, symbol: true } });
  return new Map(stored.map((row) => [row.symbol, row.id]));
}

async function insertTicks(
  manager: EntityManager,
  ticks: TickRow[],
  ids: Map<string, number>,
): Promise<void> {
  const rows = ticks.map(({ symbol, ...tick }) => {
    const instrumentId = ids.get(symbol);
    if (instrumentId === undefined)
      throw new Error(`The data has prices of ${symbol}, which is not in the catalogue.`);
    return { instrumentId, ...tick };
  });
  for (let from = 0; from < rows.length; from += ROWS_PER_INSERT) {
    await manager.insert(PriceTick, rows.slice(from, from + ROWS_PER_INSERT));
  }
}

/** Between 100 thousand and 10 billion, spread evenly over the powers of ten, as volumes are. */
function generateVolume(random: () => number): string {
  const cents = BigInt(Math.round(10 ** (7 + random() * 5)));
  return decimalText(cents, 2);
}

/** A random walk of at most half a percent an hour, in units of 0.0001. */
function generateTicks(symbol: string, around: number, random: () => number): TickRow[] {
  let units = around * 10_000;
  return Array.from({ length: GENERATED_TICKS }, (_, index) => {
    units *= 1 + (random() - 0.5) / 100;
    const at = new Date(GENERATED_UNTIL - (GENERATED_TICKS - 1 - index) * HOUR_MS);
    return { symbol, at, price: decimalText(BigInt(Math.max(1, Math.round(units))), 4), origin: 'generated' };
  });
}

function generateAccounts(random: () => number) {
  return Array.from({ length: ACCOUNTS }, (_, index) => ({
    id: index + 1,
    holder: `Account holder ${index + 1}`,
    currency: 'USD',
    balance: decimalText(BigInt(100_000 + Math.round(random() * 9_900_000)), 2),
    origin: 'generated' as const,
  }));
}
