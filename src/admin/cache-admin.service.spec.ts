import type { CacheHealth } from '#tiered-cache';
import type { CacheService } from '../cache.service.js';
import { CacheAdminService } from './cache-admin.service.js';

const quarantined: CacheHealth = {
  state: 'up',
  remote: { configured: true, state: 'ready' },
  circuit: 'closed',
  l1: { serving: true },
  pendingInvalidations: 0,
  quarantined: ['prices'],
  secondBus: null,
};

describe('the status that admin shows', () => {
  const cache = (health: CacheHealth) =>
    ({
      name: 'default',
      prefix: 'strata',
      health: () => health,
      describeRemote: async () => null,
    }) as unknown as CacheService;
  const status = (health: CacheHealth) =>
    new CacheAdminService(cache(health), { readOnly: false }, () => null).health();

  it('is degraded with a reason while a namespace is quarantined', async () => {
    expect(await status(quarantined)).toMatchObject({
      state: 'degraded',
      quarantined: ['prices'],
      secondBus: null,
      reasons: [expect.stringContaining('prices')],
    });
  });

  it('is up without one otherwise', async () => {
    expect(await status({ ...quarantined, quarantined: [] })).toMatchObject({ state: 'up', reasons: [] });
  });
});
