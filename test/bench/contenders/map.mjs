/** The floors in memory: a Map, and an async function around one, with nothing that a cache would need besides. */
import { makeIds, makeValue } from '../harness/loop.mjs';

const FRESH = { expected: (n) => n };

export async function setup({ suite, size = 1024 }) {
  const ids = makeIds(size);
  const map = new Map(ids.map((id, i) => [id, makeValue(i)]));
  const load = async () => makeValue(0);

  async function aroundMap(id) {
    const known = map.get(id);
    if (known !== undefined) return known;
    const value = await load(id);
    map.set(id, value);
    return value;
  }

  const scope = { map, aroundMap };
  const hit = { call: 'aroundMap(id)', scope, ids };
  switch (suite) {
    case 'l1':
      return {
        paths: { 'peek hit': { call: 'map.get(id)', scope, ids, kind: 'sync' }, 'fill at capacity': fifo() },
      };
    case 'api':
      return { paths: { 'getOrSet L1 hit': hit, 'get L1 hit': hit } };
    case 'growth':
      return { paths: { [`peek hit, ${size} entries`]: { call: 'map.get(id)', scope, ids, kind: 'sync' } } };
    case 'allocation':
      return {
        paths: {
          'allocation per L1 hit': { ...hit, allocation: true },
          'allocation of the await': {
            call: 'settled',
            scope: { settled: Promise.resolve(makeValue(0)) },
            allocation: true,
            expected: (n) => n,
          },
        },
      };
    case 'decorator':
      return { paths: decorated(map, ids, load) };
    default:
      throw new Error(suite);
  }
}

/** A Map that forgets its oldest key: the least that a bounded cache can do. */
function fifo() {
  const held = new Map();
  const load = async () => makeValue(0);
  async function aroundMap(id) {
    const known = held.get(id);
    if (known !== undefined) return known;
    const value = await load(id);
    if (held.size >= 1024) held.delete(held.keys().next().value);
    held.set(id, value);
    return value;
  }
  return { call: "aroundMap('new' + i)", scope: { aroundMap }, ...FRESH };
}

function decorated(map, ids, load) {
  class Service {
    #all = new Map([['', makeValue(0)]]);
    async find(symbol) {
      return map.get(symbol) ?? load(symbol);
    }
    async all() {
      return this.#all.get('') ?? load('');
    }
    #two = new Map(ids.map((id, i) => [`${id}|7`, makeValue(i)]));
    async two(symbol, days) {
      return this.#two.get(`${symbol}|${days}`) ?? load(symbol);
    }
    #three = new Map(ids.map((id, i) => [`${id}|7|true`, makeValue(i)]));
    async three(symbol, days, flag) {
      return this.#three.get(`${symbol}|${days}|${flag}`) ?? load(symbol);
    }
    #query = new Map(ids.map((id, i) => [JSON.stringify({ symbol: id, limit: 10 }), makeValue(i)]));
    async query(query) {
      return this.#query.get(JSON.stringify(query)) ?? load(query.symbol);
    }
  }
  return decoratedPaths(new Service(), ids);
}

/** The calls of the suite decorator; the same text for everybody. */
export function decoratedPaths(service, ids) {
  const scope = { service };
  const one = { scope, ids, touchAll: true };
  return {
    'decorator hit, no argument': { call: 'service.all()', ...one, expected: (n) => n },
    'decorator hit, 1 argument': { call: 'service.find(id)', ...one },
    'decorator hit, 2 arguments': { call: 'service.two(id, 7)', ...one },
    'decorator hit, 3 arguments': { call: 'service.three(id, 7, true)', ...one },
    'decorator hit, an object': { call: 'service.query({ symbol: id, limit: 10 })', ...one },
  };
}

/** What the methods of the suite decorator answer when they load. */
export const LOADERS = {
  find: (symbol) => makeValue(numberOf(symbol)),
  all: () => makeValue(0),
  two: (symbol) => makeValue(numberOf(symbol)),
  three: (symbol) => makeValue(numberOf(symbol)),
  query: ({ symbol }) => makeValue(numberOf(symbol)),
};

/** A class of its own for each contender: decorators change it. */
export function serviceClass() {
  return class Service {
    async find(symbol) {
      return LOADERS.find(symbol);
    }
    async all() {
      return LOADERS.all();
    }
    async two(symbol) {
      return LOADERS.two(symbol);
    }
    async three(symbol) {
      return LOADERS.three(symbol);
    }
    async query(query) {
      return LOADERS.query(query);
    }
  };
}

export function numberOf(id) {
  return Number(id.slice(id.indexOf(':') + 1));
}
