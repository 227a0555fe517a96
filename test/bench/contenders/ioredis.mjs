/** The floors over the wire: what anybody would write with ioredis and JSON. */
import { Redis } from 'ioredis';
import { makeValue } from '../harness/loop.mjs';
import { BATCH_PATHS, L2_IDS, LISTS, tieredPaths } from './two-tiers.mjs';
import { numberOf } from './map.mjs';

const TTL_MS = 3_600_000;

export async function setup({ suite, redisUrl }) {
  const redis = new Redis(redisUrl, { keyPrefix: '' });
  const pipeline = redis.pipeline();
  for (const id of L2_IDS) pipeline.set(`raw:${id}`, JSON.stringify(makeValue(numberOf(id))), 'PX', TTL_MS);
  await pipeline.exec();
  const close = async () => redis.disconnect();
  const load = async () => makeValue(0);

  async function get(id) {
    return JSON.parse(await redis.get(`raw:${id}`));
  }
  async function getOrSet(id) {
    const text = await redis.get(`raw:${id}`);
    if (text !== null) return JSON.parse(text);
    const value = await load(id);
    await redis.set(`raw:${id}`, JSON.stringify(value), 'PX', TTL_MS);
    return value;
  }
  async function getMany(ids) {
    const texts = await redis.mget(ids.map((id) => `raw:${id}`));
    return texts.map((text) => JSON.parse(text));
  }

  if (suite === 'batch') {
    const known = new Map();
    for (const list of LISTS) for (const id of list) known.set(id, makeValue(numberOf(id)));
    const fromMap = async (ids) => {
      const values = new Map();
      for (const id of ids) values.set(id, known.get(id));
      return values;
    };
    return {
      close,
      paths: {
        'getMany 100, L2': { ...BATCH_PATHS.l2, call: 'getMany(id)', scope: { getMany } },
        'getMany 100, L1': { ...BATCH_PATHS.l1, call: 'fromMap(id)', scope: { fromMap } },
      },
    };
  }
  return {
    close,
    paths: tieredPaths({ hit: 'get(id)', miss: "getOrSet('new' + i)", scope: { get, getOrSet } }),
  };
}
