import { Redis } from 'ioredis';
import {
  type CacheEvents,
  createRedisTier,
  type NamespaceOptions,
  TieredCache,
} from '../../libs/tiered-cache/src/index.js';
import { startRedis } from '../../apps/services/index.mjs';
import { until } from '../conformance/until.js';
import { describeWithRedis } from '../support/services.js';

/** What follows the log in the background, whatever is asked. */
const BACKGROUND = new Set(['info', 'xrange', 'hmget', 'multi', 'exec', 'xread', 'client', 'ping']);

/** What an operation sends to Redis, seen by MONITOR: names of commands, those inside scripts left out. */
describeWithRedis('commands per operation', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>;
  let control: Redis;
  let monitor: Redis;
  let seen: string[] = [];
  const open: TieredCache[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    control = new Redis(redis.url);
    monitor = await control.monitor();
    monitor.on('monitor', (_time: string, [name]: string[], source: string) => {
      const command = name!.toLowerCase();
      if (source !== 'lua' && !BACKGROUND.has(command)) seen.push(command);
    });
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((cache) => cache.close()));
  });

  afterAll(async () => {
    monitor?.disconnect();
    control?.disconnect();
    await redis?.stop();
  });

  async function nodes(items: NamespaceOptions = {}): Promise<[TieredCache, TieredCache]> {
    const prefix = `trips-${Math.random().toString(36).slice(2)}`;
    const make = () =>
      new TieredCache({
        prefix,
        remote: createRedisTier({ url: redis.url, prefix, commandTimeout: '2s' }),
        namespaces: { items: { ttl: '1m', ...items } },
      }).start();
    const made: [TieredCache, TieredCache] = [make(), make()];
    open.push(...made);
    await until(() => made.every((cache) => cache.health().l1.serving));
    // Scripts and nonces are met once; what is counted is the steady state.
    await made[0].getOrSet('items', 'warm', () => 1, { tags: ['t'] });
    await made[1].getOrSet('items', 'warm', () => 1, { tags: ['t'] });
    await made[0]
      .namespace('items')
      .getOrSetMany(['warm 1', 'warm 2'], (ids) => new Map(ids.map((id) => [id, 1])));
    await made[0].namespace('items').set('warm', 2);
    const heard = tagHeard(made[1], 't');
    await (await made[0].fence([{ namespace: 'items', id: 'warm' }])).invalidate({ tags: ['t'] });
    // Otherwise its record would come after the nonce was learnt again, and have it forgotten.
    await heard;
    await made[0].getOrSet('items', 'warm', () => 1, { tags: ['t'] });
    await made[1].getOrSet('items', 'warm', () => 1, { tags: ['t'] });
    return made;
  }

  /** The log has brought an invalidation of the tag. */
  function tagHeard(cache: TieredCache, tag: string): Promise<void> {
    return new Promise((resolve) => {
      const listen = ({ tags: named, origin }: CacheEvents['invalidation']) => {
        if (origin !== 'log' || !named.includes(tag)) return;
        cache.off('invalidation', listen);
        resolve();
      };
      cache.on('invalidation', listen);
    });
  }

  async function commandsOf(operation: () => Promise<unknown>): Promise<string[]> {
    await control.echo('before');
    await until(() => seen.includes('echo'));
    seen = [];
    await operation();
    await control.echo('after');
    await until(() => seen.includes('echo'));
    const commands = seen.filter((name) => name !== 'echo');
    seen = [];
    return commands;
  }

  const load = () => 'value';
  const tags = ['t'];

  it('L1 hit: none; L2 hit: one GET', async () => {
    const [one, two] = await nodes();
    await one.getOrSet('items', 'a', load, { tags });
    expect(await commandsOf(() => one.getOrSet('items', 'a', load, { tags }))).toEqual([]);
    expect(await commandsOf(() => two.getOrSet('items', 'a', load, { tags }))).toEqual(['get']);
  });

  it('miss: GET and ACQUIRE before the load, FILL after it', async () => {
    const [one] = await nodes();
    let before: string[] = [];
    const commands = await commandsOf(() =>
      one.getOrSet(
        'items',
        'a',
        async () => {
          await control.echo('loading');
          await until(() => seen.includes('echo'));
          before = seen.filter((name) => name !== 'echo');
          return 'value';
        },
        { tags },
      ),
    );
    expect(before).toEqual(['get', 'evalsha']);
    expect(commands).toEqual(['get', 'evalsha', 'evalsha']);
  });

  it('invalidation of keys, tags and a namespace: one', async () => {
    const [one] = await nodes();
    const keys = ['a', 'b', 'c'].map((id) => ({ namespace: 'items', id }));
    expect(await commandsOf(() => one.invalidate({ keys, tags: ['t', 'u'], namespaces: ['items'] }))).toEqual(
      ['evalsha'],
    );
  });

  it('set: one that invalidates and one that fills; a fenced write: one before COMMIT and one after it', async () => {
    const [one] = await nodes();
    expect(await commandsOf(() => one.set('items', 'a', 1))).toEqual(['evalsha', 'evalsha']);
    const keys = ['a', 'b'].map((id) => ({ namespace: 'items', id }));
    expect(await commandsOf(async () => (await one.fence(keys)).invalidate({ tags }))).toEqual([
      'evalsha',
      'evalsha',
    ]);
  });

  it('strict L2 hit: one GET and one question for all its nonces', async () => {
    const [one, two] = await nodes({ consistency: 'strict' });
    await one.getOrSet('items', 'a', load, { tags });
    expect(await commandsOf(() => two.getOrSet('items', 'a', load, { tags }))).toEqual(['get', 'evalsha']);
  });

  it('100 keys at once: one MGET when they are there, three round trips when they are not', async () => {
    const [one, two] = await nodes();
    const ids = Array.from({ length: 100 }, (_, i) => `k${i}`);
    const many = (wanted: string[]) => new Map(wanted.map((id) => [id, id]));
    const cold = await commandsOf(() => one.namespace('items').getOrSetMany(ids, many));
    expect(cold[0]).toBe('mget');
    expect(cold.slice(1)).toEqual(['evalsha', 'evalsha']); // all leases in one script, all fills in another
    expect(await commandsOf(() => two.namespace('items').getOrSetMany(ids, many))).toEqual(['mget']);
  });
});
