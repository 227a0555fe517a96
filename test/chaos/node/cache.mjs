/** The cache of a node: the engine's own door, and lives so long that only coherence can make a read right. */
import { TieredCache, createRedisTier } from 'nestjs-strata/engine';
import { SPACES } from '../records.mjs';

export async function openCache({ tier, bound, lease }) {
  const cache = new TieredCache({
    prefix: tier.prefix,
    remote: createRedisTier(tier),
    stalenessBound: bound,
    namespaces: Object.fromEntries(
      SPACES.map(({ name, strict }) => [
        name,
        { ttl: '1h', lease, consistency: strict ? 'strict' : 'bounded' },
      ]),
    ),
  });
  cache.start();
  return cache;
}

/** Does the engine fence, and may a read demand a position? */
export const fences = (cache) => typeof cache.fence === 'function';

export const groupTag = (group) => `group:${group}`;
