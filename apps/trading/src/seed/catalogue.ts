import { type InstrumentType } from '../instrument/instrument.entity.js';

export interface CatalogueEntry {
  symbol: string;
  name: string;
  type: InstrumentType;
  currency: string;
  /** About what one costs, where the price is generated. */
  around?: number;
}

/** Instruments whose prices come from the data sets; the names are ours, as the files have none. */
export const REAL: readonly CatalogueEntry[] = [
  { symbol: 'AAPL', name: 'Apple Inc.', type: 'stock', currency: 'USD' },
  { symbol: 'AMZN', name: 'Amazon.com, Inc.', type: 'stock', currency: 'USD' },
  { symbol: 'GOOG', name: 'Alphabet Inc.', type: 'stock', currency: 'USD' },
  { symbol: 'IBM', name: 'International Business Machines', type: 'stock', currency: 'USD' },
  { symbol: 'MSFT', name: 'Microsoft Corporation', type: 'stock', currency: 'USD' },
  { symbol: 'SPX', name: 'S&P 500', type: 'index', currency: 'USD' },
];

type Row = readonly [symbol: string, name: string, around: number];

const CRYPTO: readonly Row[] = [
  ['BTC', 'Bitcoin', 60_000],
  ['ETH', 'Ethereum', 3_000],
  ['BNB', 'BNB', 550],
  ['SOL', 'Solana', 150],
  ['XRP', 'XRP', 0.6],
  ['ADA', 'Cardano', 0.45],
  ['DOGE', 'Dogecoin', 0.12],
  ['DOT', 'Polkadot', 6],
  ['AVAX', 'Avalanche', 30],
  ['LINK', 'Chainlink', 14],
  ['LTC', 'Litecoin', 80],
  ['BCH', 'Bitcoin Cash', 400],
  ['ATOM', 'Cosmos', 7],
  ['UNI', 'Uniswap', 8],
  ['XLM', 'Stellar', 0.1],
  ['NEAR', 'NEAR Protocol', 5],
];

const FOREX: readonly Row[] = [
  ['EURUSD', 'Euro / US dollar', 1.08],
  ['GBPUSD', 'Pound sterling / US dollar', 1.27],
  ['AUDUSD', 'Australian dollar / US dollar', 0.66],
  ['NZDUSD', 'New Zealand dollar / US dollar', 0.6],
  ['CHFUSD', 'Swiss franc / US dollar', 1.12],
  ['CADUSD', 'Canadian dollar / US dollar', 0.73],
  ['SEKUSD', 'Swedish krona / US dollar', 0.095],
  ['NOKUSD', 'Norwegian krone / US dollar', 0.094],
];

const COMMODITIES: readonly Row[] = [
  ['XAU', 'Gold, troy ounce', 2_300],
  ['XAG', 'Silver, troy ounce', 28],
  ['XPT', 'Platinum, troy ounce', 950],
  ['XPD', 'Palladium, troy ounce', 980],
  ['WTI', 'Crude oil WTI, barrel', 78],
  ['BRENT', 'Crude oil Brent, barrel', 82],
  ['NATGAS', 'Natural gas, MMBtu', 2.6],
  ['COPPER', 'Copper, pound', 4.4],
  ['COFFEE', 'Coffee, pound', 2.2],
  ['WHEAT', 'Wheat, bushel', 5.8],
];

const STOCKS: readonly Row[] = [
  ['NVDA', 'NVIDIA Corporation', 120],
  ['META', 'Meta Platforms, Inc.', 480],
  ['TSLA', 'Tesla, Inc.', 200],
  ['BRK.B', 'Berkshire Hathaway Inc.', 410],
  ['JPM', 'JPMorgan Chase & Co.', 200],
  ['V', 'Visa Inc.', 270],
  ['MA', 'Mastercard Incorporated', 450],
  ['JNJ', 'Johnson & Johnson', 155],
  ['PG', 'Procter & Gamble Company', 165],
  ['XOM', 'Exxon Mobil Corporation', 115],
  ['CVX', 'Chevron Corporation', 155],
  ['KO', 'Coca-Cola Company', 63],
  ['PEP', 'PepsiCo, Inc.', 170],
  ['COST', 'Costco Wholesale Corporation', 850],
  ['WMT', 'Walmart Inc.', 68],
  ['DIS', 'Walt Disney Company', 100],
  ['NFLX', 'Netflix, Inc.', 650],
  ['ADBE', 'Adobe Inc.', 520],
  ['CRM', 'Salesforce, Inc.', 250],
  ['ORCL', 'Oracle Corporation', 140],
  ['INTC', 'Intel Corporation', 31],
  ['AMD', 'Advanced Micro Devices, Inc.', 160],
  ['CSCO', 'Cisco Systems, Inc.', 47],
  ['QCOM', 'QUALCOMM Incorporated', 200],
];

const INDICES: readonly Row[] = [
  ['NDX', 'Nasdaq-100', 19_000],
  ['DJI', 'Dow Jones Industrial Average', 39_000],
];

/** Instruments that exist in the world, with prices and volumes of the seed's generator. */
export const GENERATED: readonly CatalogueEntry[] = [
  ...entries('crypto', CRYPTO),
  ...entries('forex', FOREX),
  ...entries('commodity', COMMODITIES),
  ...entries('stock', STOCKS),
  ...entries('index', INDICES),
];

function entries(type: InstrumentType, rows: readonly Row[]): CatalogueEntry[] {
  return rows.map(([symbol, name, around]) => ({ symbol, name, type, currency: 'USD', around }));
}
