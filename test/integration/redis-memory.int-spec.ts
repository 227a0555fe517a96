import { startRedis } from '../../apps/services/index.mjs';
import { createRedisTier, TieredCache } from '../../libs/tiered-cache/src/index.js';
import { until } from '../conformance/until.js';
import { describeWithRedis } from '../support/services.js';

describeWithRedis('a Redis that is full and evicts nothing', () => {
  it('stores nothing new, and goes on answering what it has', async () => {
    const server = await startRedis({ args: ['--maxmemory', '3mb', '--maxmemory-policy', 'noeviction'] });
    const remote = createRedisTier({ prefix: 'full', url: server.url, commandTimeout: '5s' });
    const cache = new TieredCache({ namespaces: { items: { ttl: '1h', tiers: ['l2'] } }, remote }).start();
    try {
      await until(() => cache.health().l1.serving);
      const items = cache.namespace<string>('items');
      await items.set('small', 'still here');
      const refused = () => cache.stats().errors;
      for (let i = 0; refused() === 0 && i < 200; i++)
        expect(await items.getOrSet(`big-${i}`, () => 'x'.repeat(100_000))).toHaveLength(100_000);
      expect(refused()).toBeGreaterThan(0);
      expect(cache.health()).toMatchObject({ state: 'up', circuit: 'closed' });
      expect(await items.get('small')).toBe('still here');
    } finally {
      await cache.close();
      await server.stop();
    }
  });
});
