/**
 * The measured loops. Each is compiled from text for one path of one contender, so that it has type feedback of its
 * own and the engine can inline what it calls, as it would in an application that has one cache. What a call answers
 * is added up, which keeps the engine from leaving the call out, and the sum is compared with what it must be, which
 * keeps a contender from being fast at answering nonsense.
 *
 * A path: `{ call, scope, consume?, kind?, concurrency?, ids?, expected? }`
 * - `call`: an expression over `id`, `i` and the names of `scope`, e.g. 'cache.getOrSet(id, load)'
 * - `consume`: statements over `value` that add to `sum`; default 'sum += value.price;'
 * - `kind`: 'sync', 'async' (default: awaited one after the other) or 'concurrent' (`concurrency` callers at a time)
 */
const COUNT = 1024;

/** Ids as an application would have them. The same text in every process. */
export function makeIds(count = COUNT, prefix = 'AAPL') {
  return Array.from({ length: count }, (_, i) => `${prefix}:${i}`);
}

/** The small object of all suites: 118 bytes of JSON. The price of number i is i % 7 + 1. */
export function makeValue(i) {
  return {
    id: i,
    symbol: `SYM${i % 1000}`,
    name: `Instrument number ${i}`,
    price: (i % 7) + 1,
    volume: i * 10.5,
    currency: 'USD',
    isActive: true,
  };
}

/**
 * @returns {(n: number, from: number) => number | Promise<number>} runs n calls over ids from, from + 1, ... and
 *   answers the sum
 */
export function compileLoop({
  call,
  scope,
  ids,
  consume = 'sum += value.price;',
  kind = 'async',
  concurrency = 1,
}) {
  const names = Object.keys(scope);
  const pick = 'const id = ids[i & mask];';
  const bodies = {
    sync: `return function loop(n, from) {
      let sum = 0;
      for (let i = from, end = from + n; i < end; i++) { ${pick} const value = ${call}; ${consume} }
      return sum;
    }`,
    async: `return async function loop(n, from) {
      let sum = 0;
      for (let i = from, end = from + n; i < end; i++) { ${pick} const value = await ${call}; ${consume} }
      return sum;
    }`,
    concurrent: `return async function loop(n, from) {
      let sum = 0; let next = from; const end = from + n;
      async function caller() {
        while (next < end) { const i = next++; ${pick} const value = await ${call}; ${consume} }
      }
      const callers = [];
      for (let c = 0; c < ${concurrency}; c++) callers.push(caller());
      await Promise.all(callers);
      return sum;
    }`,
  };
  const mask = ids.length - 1;
  if ((ids.length & mask) !== 0)
    throw new Error(`the number of ids must be a power of two, not ${ids.length}`);
  // The texts are this folder's own.
  // oxlint-disable-next-line typescript/no-implied-eval
  const make = new Function('ids', 'mask', ...names, `'use strict'; ${bodies[kind]}`);
  return make(ids, mask, ...names.map((name) => scope[name]));
}

/** What n calls from `from` on must add up to when number i answers makeValue(i & mask). */
export function expectedSum(n, from, count) {
  let sum = 0;
  for (let i = from; i < from + n; i++) sum += ((i & (count - 1)) % 7) + 1;
  return sum;
}
