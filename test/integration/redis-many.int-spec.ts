import { Redis } from 'ioredis';
import { createRedisTier, type RemoteTier } from '../../libs/tiered-cache/src/index.js';
import { startRedis } from '../../apps/services/index.mjs';
import { until } from '../conformance/until.js';
import { describeWithRedis } from '../support/services.js';

/** Leases and fills of many entries, which go as one script: each has its own answer. */
describeWithRedis('many leases and fills in one script', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>;
  let control: Redis;
  let tier: RemoteTier;
  const ids = ['n:a', 'n:b', 'n:c'];
  const lease = (key: string, token = `of ${key}`) => ({ key, token, leaseMs: 60_000 });
  const filled = (key: string, token = `of ${key}`) => ({
    key,
    token,
    value: Buffer.from(key),
    ttlMs: 60_000,
  });

  beforeAll(async () => {
    redis = await startRedis();
    control = new Redis(redis.url);
  });

  beforeEach(async () => {
    await control.flushall();
    tier = createRedisTier({ url: redis.url, prefix: 'many', commandTimeout: '2s' });
    tier.start({ wake: () => undefined, stateChanged: () => undefined });
    await until(() => tier.state === 'ready');
  });

  afterEach(() => tier.stop());

  afterAll(async () => {
    control?.disconnect();
    await redis?.stop();
  });

  /** Where the tier keeps the value of an entry. */
  async function valueKey(id: string): Promise<string> {
    const other = `${id}-probe`;
    await tier.acquire(lease(other));
    await tier.fill(filled(other));
    const [name] = await control.keys(`*${other}*`);
    return name!.replace(other, id);
  }

  it('grants, refuses and answers values, each for itself', async () => {
    await tier.acquire(lease('n:a', 'somebody'));
    await tier.acquire(lease('n:b'));
    await tier.fill(filled('n:b'));
    expect(await tier.acquireMany(ids.map((id) => lease(id)))).toEqual([
      { outcome: 'busy' },
      { outcome: 'value', value: Buffer.from('n:b') },
      { outcome: 'granted' },
    ]);
  });

  it('one entry twice: the lease is granted once', async () => {
    const answers = await tier.acquireMany([lease('n:a', 'one'), lease('n:a', 'two')]);
    expect(answers).toEqual([{ outcome: 'granted' }, { outcome: 'busy' }]);
  });

  it('stores what has its lease, and nothing else', async () => {
    await tier.acquireMany([lease('n:a'), lease('n:c')]);
    expect(await tier.fillMany(ids.map((id) => filled(id)))).toEqual([true, false, true]);
    expect(await tier.getMany(ids)).toEqual([Buffer.from('n:a'), null, Buffer.from('n:c')]);
  });

  it('an entry that the server cannot read spoils no other', async () => {
    await control.lpush(await valueKey('n:b'), 'no value');
    expect(await tier.acquireMany(ids.map((id) => lease(id)))).toEqual([
      { outcome: 'granted' },
      { outcome: 'unknown' },
      { outcome: 'granted' },
    ]);
    await expect(tier.acquireMany([lease('n:b')])).rejects.toMatchObject({
      code: 'STRATA_REMOTE_UNAVAILABLE',
      answered: true,
    });
  });

  it('more than a script takes', async () => {
    const many = Array.from({ length: 700 }, (_, i) => `n:${i}`);
    const granted = await tier.acquireMany(many.map((id) => lease(id)));
    expect(new Set(granted.map(({ outcome }) => outcome))).toEqual(new Set(['granted']));
    expect(await tier.fillMany(many.map((id) => filled(id)))).toEqual(many.map(() => true));
    expect((await tier.getMany(many)).map(String)).toEqual(many);
  });
});
