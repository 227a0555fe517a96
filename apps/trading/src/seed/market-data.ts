import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface MarketPrice {
  symbol: string;
  at: Date;
  price: string;
}

export interface MarketBar {
  at: Date;
  close: string;
  volume: string;
}

/** Monthly closes of MSFT, AMZN, IBM, GOOG and AAPL, 2000 to 2010. Prices stay the text that the file has. */
export async function readStockPrices(): Promise<MarketPrice[]> {
  const rows = await readCsv('stocks.csv', ['symbol', 'date', 'price']);
  return rows.map(([symbol = '', date = '', price = '']) => ({ symbol, at: new Date(`${date} UTC`), price }));
}

/** 5,104 daily bars of the S&P 500 index, 2000 to 2020. */
export async function readIndexBars(): Promise<MarketBar[]> {
  const rows = await readCsv('sp500-2000.csv', [
    'date',
    'open',
    'high',
    'low',
    'close',
    'adjclose',
    'volume',
  ]);
  return rows.map(([date = '', , , , close = '', , volume = '']) => ({
    at: new Date(`${date}T21:00:00Z`),
    close,
    volume,
  }));
}

/** Both files are plain: no quotes, no commas in a field. The header is checked, so that a new layout is noticed. */
async function readCsv(name: string, columns: string[]): Promise<string[][]> {
  const [header, ...lines] = (await readFile(join(dataFolder(), name), 'utf8')).trim().split(/\r?\n/);
  if (header !== columns.join(','))
    throw new Error(`${name} has columns ${header}; expected ${columns.join(',')}.`);
  return lines.map((line) => line.split(','));
}

/** vega-datasets hides its CSV files from `exports`: they lie beside the folder of its entry point. */
function dataFolder(): string {
  const entry = createRequire(import.meta.url).resolve('vega-datasets');
  return join(dirname(entry), '..', 'data');
}
