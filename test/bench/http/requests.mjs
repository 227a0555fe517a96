/** What is asked of the demo: ids by Zipf's law, a few things of which everybody wants most. */
import { zipf } from '../harness/random.mjs';

const COUNT = 1_000;
const ACCOUNTS = 20;
const LISTS = [
  '/instruments?limit=20',
  '/instruments?type=crypto&limit=20',
  '/instruments?sort=volume24h&order=desc&limit=20',
];

/** Shares of the reads. */
export const READS = { instrument: 0.45, price: 0.2, list: 0.1, account: 0.15, entries: 0.1 };
/** Shares of the writes: one row by the entity, a tick, and SQL of which only the triggers know. */
const WRITES = { patch: 0.25, tick: 0.5, deposit: 0.25 };

/**
 * @param {string[]} symbols all of them have a price
 * @param {() => number} random
 * @param {number} writes share of the requests, 0 to 1
 * @returns {{ kind: string, method: string, path: string, headers?: object, body?: string }[]} to be asked in turn
 */
export function requestsOf(symbols, random, writes = 0) {
  const symbolAt = zipf(symbols.length, random);
  const symbol = () => encodeURIComponent(symbols[symbolAt()]);
  const accountAt = zipf(ACCOUNTS, random);
  const account = () => accountAt() + 1;
  const read = {
    instrument: () => get(`/instruments/${symbol()}`),
    price: () => get(`/prices/${symbol()}`),
    list: () => get(LISTS[Math.floor(random() * LISTS.length)]),
    account: () => get(`/accounts/${account()}`),
    entries: () => get(`/accounts/${account()}/entries`),
  };
  const cents = () => (1 + random() * 1_000).toFixed(2);
  const write = {
    patch: () => send('PATCH', `/instruments/${symbol()}`, { volume24h: cents() }),
    tick: () => send('POST', `/prices/${symbol()}/ticks`, { price: cents() }),
    deposit: () => send('POST', `/accounts/${account()}/deposits`, { amount: cents() }),
  };
  const writesOf = Math.round(COUNT * writes);
  // Exact shares, spread evenly: a short turn has its writes as well.
  return Array.from({ length: COUNT }, (_, at) => {
    const writing = Math.floor(((at + 1) * writesOf) / COUNT) > Math.floor((at * writesOf) / COUNT);
    const kind = pick(writing ? WRITES : READS, random);
    return { kind, ...(writing ? write : read)[kind]() };
  });
}

function pick(shares, random) {
  let left = random();
  for (const [kind, share] of Object.entries(shares)) if ((left -= share) < 0) return kind;
  return Object.keys(shares)[0];
}

function get(path) {
  return { method: 'GET', path };
}

function send(method, path, body) {
  return { method, path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
