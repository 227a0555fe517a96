import { Redis } from 'ioredis';
import { createRedisTier, type RemoteTier } from '../../libs/tiered-cache/src/index.js';
import { describeWithRedis, keyPrefix, redisUrl } from '../support/services.js';
import { until } from '../conformance/until.js';

const MONTH_S = 30 * 86_400;

describeWithRedis('nonces of tags', () => {
  const prefix = keyPrefix().replace(/:$/, '');
  const key = `{${prefix}:#tag:order/1}:n`;
  let tier: RemoteTier;
  let admin: Redis;

  beforeAll(async () => {
    tier = createRedisTier({ prefix, url: redisUrl(), commandTimeout: '5s' });
    tier.start({ wake: () => undefined, stateChanged: () => undefined });
    admin = new Redis(redisUrl());
    await until(() => tier.state === 'ready');
  });

  afterAll(async () => {
    await tier.stop();
    admin.disconnect();
  });

  it('do not pile up: they end a month after they were last asked for, or when they are changed', async () => {
    await tier.nonces(['order/1']);
    expect(await admin.ttl(key)).toBe(MONTH_S);
    await admin.expire(key, 100);
    const [kept] = await tier.nonces(['order/1']);
    expect(await admin.ttl(key)).toBe(MONTH_S);
    await admin.expire(key, 100);
    await tier.invalidate({ keys: [], tags: ['order/1'] });
    expect(await admin.exists(key)).toBe(0);
    expect(await tier.nonces(['order/1'])).not.toEqual([kept]);
  });
});
