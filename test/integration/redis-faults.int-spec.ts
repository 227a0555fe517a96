import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { freePort, startRedis, type DaemonHandle } from '../../apps/services/index.mjs';
import type { RemoteState, RemoteTier } from '../../libs/tiered-cache/src/remote/remote-tier.js';
import { createRedisTier } from '../../libs/tiered-cache/src/remote/redis/redis-tier.js';
import type { RedisTierOptions } from '../../libs/tiered-cache/src/remote/redis/redis-options.js';
import { until } from '../conformance/until.js';
import { describeWithRedis } from '../support/services.js';
import { startProxy } from '../support/tcp-proxy.mjs';

const TIMEOUT = 250;
/** What a busy machine may add. */
const SLACK = 350;
const RECOVERY = 2_000;
const UNAVAILABLE = { code: 'STRATA_REMOTE_UNAVAILABLE' };

describeWithRedis('redis tier, when things break', () => {
  let server: DaemonHandle;
  const cleanups: (() => unknown)[] = [];

  afterEach(async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  });

  interface Joined {
    tier: RemoteTier;
    states: [RemoteState, string | undefined][];
  }

  function join(options: Partial<RedisTierOptions> = {}): Joined {
    const tier = createRedisTier({ prefix: 'faults', url: server.url, commandTimeout: TIMEOUT, ...options });
    const states: Joined['states'] = [];
    tier.start({ wake: () => undefined, stateChanged: (state, reason) => states.push([state, reason]) });
    cleanups.push(() => tier.stop());
    return { tier, states };
  }

  async function ready(options?: Partial<RedisTierOptions>): Promise<Joined> {
    const joined = join(options);
    await until(() => joined.tier.state === 'ready', RECOVERY);
    return joined;
  }

  function admin(): Redis {
    const client = new Redis(server.url);
    client.on('error', () => undefined); // servers die in these tests
    cleanups.push(() => client.disconnect());
    return client;
  }

  const key = 'items:1';
  const value = Buffer.from('a value that must not show up in errors');
  const commands: Record<string, (tier: RemoteTier) => Promise<unknown>> = {
    get: (tier) => tier.get(key),
    'many gets at once': (tier) => Promise.all(['a:1', 'a:2', 'a:3'].map((name) => tier.get(name))),
    getMany: (tier) => tier.getMany([key, 'a:2']),
    acquire: (tier) => tier.acquire({ key, token: 't', leaseMs: 500 }),
    acquireMany: (tier) =>
      tier.acquireMany(['a:1', 'a:2'].map((name) => ({ key: name, token: 't', leaseMs: 500 }))),
    'acquireMany, in parts': (tier) =>
      tier.acquireMany(
        Array.from({ length: 1_000 }, (_, i) => ({ key: `a:${i}`, token: 't', leaseMs: 500 })),
      ),
    'invalidate, in parts': (tier) =>
      tier.invalidate({ keys: Array.from({ length: 1_000 }, (_, i) => `a:${i}`), tags: [] }),
    release: (tier) => tier.release(key, 't'),
    fill: (tier) => tier.fill({ key, token: 't', value, ttlMs: 500 }),
    fillMany: (tier) =>
      tier.fillMany(['a:1', 'a:2'].map((name) => ({ key: name, token: 't', value, ttlMs: 500 }))),
    replace: (tier) => tier.replace(key, value, value, 500),
    nonces: (tier) => tier.nonces(['x']),
    invalidate: (tier) => tier.invalidate({ keys: [key], tags: ['x'] }),
    fence: (tier) => tier.fence([key], 'w', 500),
    vouch: (tier) => tier.vouch('e', ['#ns:items']),
    unfence: (tier) => tier.unfence([key], 'w'),
    'poll, opening': (tier) => tier.poll(null, []),
    poll: (tier) => tier.poll('1-1', []),
    scan: async (tier) => {
      for await (const batch of tier.scan('')) if (batch) return;
    },
  };

  async function rejection(promise: Promise<unknown>): Promise<Error> {
    return promise.then(
      () => {
        throw new Error('was expected to reject');
      },
      (error: Error) => error,
    );
  }

  describe('a server that hangs', () => {
    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(() => server.stop());

    it.each(Object.entries(commands))('costs %s at most the command timeout', async (_name, send) => {
      const { tier } = await ready();
      server.kill('SIGSTOP');
      const start = performance.now();
      const error = await rejection(send(tier));
      const ms = performance.now() - start;
      server.kill('SIGCONT');
      expect(error).toMatchObject(UNAVAILABLE);
      expect(error.cause).toBeInstanceOf(Error);
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(value.toString());
      expect(ms).toBeLessThan(TIMEOUT + SLACK);
      await until(
        () =>
          tier.get(key).then(
            (held) => held === null,
            () => false,
          ),
        RECOVERY,
      );
    });

    it('does not keep the description waiting', async () => {
      const { tier } = await ready();
      server.kill('SIGSTOP');
      const description = await tier.describe();
      server.kill('SIGCONT');
      expect(description).toMatchObject({ kind: 'redis', endpoint: `127.0.0.1:${server.port}` });
      expect(description.server).toBeUndefined();
    });

    it('is down when it goes on hanging, refuses at once, and is back within two seconds of its return', async () => {
      const { tier, states } = await ready();
      server.kill('SIGSTOP');
      await until(async () => {
        await rejection(tier.get(key));
        return tier.state === 'down';
      }, 3_000);
      const start = performance.now();
      for (let i = 0; i < 20; i++) await rejection(tier.get(key));
      expect(performance.now() - start).toBeLessThan(TIMEOUT);
      server.kill('SIGCONT');
      await until(() => tier.state === 'ready', RECOVERY);
      expect(await tier.get(key)).toBeNull();
      expect(states.map(([state]) => state)).toEqual(['connecting', 'ready', 'down', 'ready']);
    });
  });

  describe('a server that dies, changes or refuses', () => {
    beforeEach(async () => {
      server = await startRedis();
      cleanups.push(() => server.stop());
    });

    it('kill -9: in-flight commands reject, state goes down; after the restart ready in two seconds, with the log lost', async () => {
      const { tier, states } = await ready();
      const before = await tier.poll(null, []);
      server.kill('SIGSTOP'); // so that a command is in flight when it dies
      const inFlight = rejection(tier.get(key));
      server.kill('SIGKILL');
      expect(await inFlight).toMatchObject(UNAVAILABLE);
      await until(() => tier.state === 'down', 1_000);
      const start = performance.now();
      expect(await rejection(tier.invalidate({ keys: [key], tags: [] }))).toMatchObject(UNAVAILABLE);
      expect(performance.now() - start).toBeLessThan(50);
      expect(states.at(-1)?.[1]).toBeTruthy();
      await server.restart();
      await until(() => tier.state === 'ready', RECOVERY);
      const after = await tier.poll(before.cursor, []);
      expect(after.lost).toBe(true);
      expect(after.epoch).not.toBe(before.epoch);
      expect(await tier.poll(null, [])).toMatchObject({ lost: false, complete: true });
    });

    it('looks for the master again when a poll finds a replica, although a replica answers polls', async () => {
      const control = admin();
      const { tier, states } = await ready();
      const before = await tier.poll(null, []);
      await control.replicaof('127.0.0.1', await freePort());
      expect(await rejection(tier.poll(before.cursor, []))).toMatchObject(UNAVAILABLE);
      await until(() => states.some(([state]) => state === 'down'), RECOVERY);
      await control.replicaof('NO', 'ONE');
      await until(async () => (await tier.poll(null, []).catch(() => undefined)) !== undefined, RECOVERY);
    });

    it('does not take a log written anew for the one it followed, though its records have the same ids', async () => {
      const { tier } = await ready();
      const control = admin();
      for (let i = 0; i < 2; i++) await tier.invalidate({ keys: [key], tags: [] });
      const before = await tier.poll(null, []);
      const [last] = await control.xrevrange('{faults:#log:0}', '+', '-', 'COUNT', 1);
      await control.del('{faults:#log:0}');
      await control.xadd('{faults:#log:0}', last![0], 'p', '');
      expect(await tier.poll(before.cursor, [])).toMatchObject({ lost: true });
    });

    it('survives CLIENT KILL TYPE normal with nothing lost', async () => {
      const { tier, states } = await ready();
      const before = await tier.poll(null, []);
      await admin().client('KILL', 'TYPE', 'normal');
      await until(() => states.some(([state]) => state === 'down'), 1_000);
      await until(() => tier.state === 'ready', RECOVERY);
      expect(await tier.poll(before.cursor, [])).toMatchObject({ lost: false, epoch: before.epoch });
    });

    it('wakes again after its reader was killed', async () => {
      let wakes = 0;
      const tier = createRedisTier({ prefix: 'faults', url: server.url });
      tier.start({ wake: () => (wakes += 1), stateChanged: () => undefined });
      cleanups.push(() => tier.stop());
      await until(() => tier.state === 'ready');
      await admin().client('KILL', 'TYPE', 'normal');
      const appender = new Redis(server.url);
      cleanups.push(() => appender.disconnect());
      await until(async () => {
        await appender.xadd('{faults:#log:0}', '*', 'p', '');
        return wakes > 0;
      }, RECOVERY);
    });

    it('a wrong password is said without showing it, and the tier joins when it becomes right', async () => {
      const control = admin();
      await control.config('SET', 'requirepass', 'the-right-one');
      const { tier, states } = join({ url: `redis://:pass%2Dword-42@127.0.0.1:${server.port}` });
      await until(() => tier.state === 'down', RECOVERY);
      expect(states.at(-1)?.[1]).toContain('WRONGPASS');
      const error = await rejection(tier.get(key));
      expect(error).toMatchObject(UNAVAILABLE);
      expect(error.message).toContain('WRONGPASS');
      const shown = inspect([error, states, await tier.describe()], { depth: 9, showHidden: true });
      expect(shown).not.toContain('pass-word-42');
      await control.config('SET', 'requirepass', 'pass-word-42');
      await until(() => tier.state === 'ready', RECOVERY);
      expect(await tier.get(key)).toBeNull();
    });

    it('a missing password is said', async () => {
      await admin().config('SET', 'requirepass', 'the-right-one');
      const { tier, states } = join();
      await until(() => tier.state === 'down', RECOVERY);
      expect(states.at(-1)?.[1]).toContain('NOAUTH');
    });

    it('a server that is not there at start is joined when it comes', async () => {
      const port = await freePort();
      const { tier, states } = join({ url: `redis://127.0.0.1:${port}` });
      await until(() => tier.state === 'down', RECOVERY);
      expect(states.map(([state]) => state)).toEqual(['connecting', 'down']);
      expect(states[1]?.[1]).toContain('ECONNREFUSED');
      expect(await rejection(tier.get(key))).toMatchObject(UNAVAILABLE);
      const late = await startRedis({ port });
      cleanups.push(() => late.stop());
      await until(() => tier.state === 'ready', RECOVERY);
      expect(await tier.get(key)).toBeNull();
    });

    it('can be stopped at any moment, also with no server', async () => {
      for (const url of [server.url, `redis://127.0.0.1:${await freePort()}`]) {
        const { tier, states } = join({ url });
        await tier.stop();
        expect(states.map(([state]) => state)).toEqual(['connecting', 'stopped']);
      }
      const { tier } = await ready();
      server.kill('SIGSTOP');
      const inFlight = rejection(tier.get(key));
      await tier.stop();
      expect(await inFlight).toMatchObject(UNAVAILABLE);
      server.kill('SIGCONT');
      await until(async () => !String(await admin().client('LIST')).includes('strata:faults'), RECOVERY);
    });

    it('treats a server that became a replica as unavailable, and works again when it is a primary, in another epoch', async () => {
      const control = admin();
      const { tier, states } = await ready();
      const before = await tier.poll(null, []);
      await control.replicaof('127.0.0.1', await freePort());
      expect(await rejection(tier.invalidate({ keys: [key], tags: [] }))).toMatchObject(UNAVAILABLE);
      // Behind a name that moves, another connection may reach the new primary.
      await until(() => states.some(([state]) => state === 'down'), RECOVERY);
      await control.replicaof('NO', 'ONE');
      await until(
        () =>
          tier.invalidate({ keys: [key], tags: [] }).then(
            () => true,
            () => false,
          ),
        RECOVERY,
      );
      expect((await tier.poll(before.cursor, [])).epoch).not.toBe(before.epoch);
    });

    it('a reply that is an error is unavailable, and shows neither arguments nor values', async () => {
      const { tier } = await ready();
      await admin().lpush('{faults:items:1}:v', 'not an entry');
      for (const send of [
        () => tier.replace(key, value, value, 500),
        () =>
          tier.acquireMany(['a:1', key].map((name) => ({ key: name, token: value.toString(), leaseMs: 50 }))),
        () => tier.acquire({ key, token: value.toString(), leaseMs: 50 }),
      ]) {
        const error = await send().then(
          (answer) => answer,
          (thrown: Error) => thrown,
        );
        if (Array.isArray(error)) expect(error).toEqual([{ outcome: 'granted' }, { outcome: 'unknown' }]);
        else expect(error).toMatchObject({ ...UNAVAILABLE, message: expect.stringContaining('WRONGTYPE') });
        expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(value.toString());
      }
    });

    it('a fence keeps a fill out even when a lease stands beside it', async () => {
      const { tier } = await ready();
      await tier.fence([key], 'w', 5_000);
      await admin().set('{faults:items:1}:l', 't'); // no order of commands leads here; the guard holds all the same
      expect(await tier.fill({ key, token: 't', value, ttlMs: null })).toBe(false);
    });

    it('does not notice that the scripts were flushed', async () => {
      const { tier } = await ready();
      expect(await tier.acquire({ key, token: 't', leaseMs: 5_000 })).toEqual({ outcome: 'granted' });
      expect(await tier.nonces(['x'])).toHaveLength(1);
      await admin().script('FLUSH');
      expect(await tier.fill({ key, token: 't', value, ttlMs: null })).toBe(true);
      const many = Array.from({ length: 20 }, (_, i) => ({ key: `a:${i}`, token: 't', leaseMs: 500 }));
      expect((await tier.acquireMany(many)).map(({ outcome }) => outcome)).toEqual(many.map(() => 'granted'));
      await admin().script('FLUSH');
      expect((await tier.acquireMany(many)).map(({ outcome }) => outcome)).toEqual(many.map(() => 'granted'));
      expect(await tier.nonces(['x'])).toHaveLength(1);
    });

    it('needs none of the dangerous commands but INFO, and describes itself without that too', async () => {
      const control = admin();
      await control.acl(
        'SETUSER',
        'app',
        'on',
        '>pw',
        '~{faults:*',
        '+@all',
        '-@admin',
        '-@dangerous',
        '+info',
      );
      const url = `redis://app:pw@127.0.0.1:${server.port}`;
      const { tier } = await ready({ url });
      await tier.poll(null, []);
      await tier.invalidate({ keys: [key], tags: ['x'] });
      expect((await tier.describe()).server).toMatchObject({
        redis_version: expect.any(String),
        used_memory: expect.any(Number),
      });
      await control.acl('SETUSER', 'app', '-info');
      const description = await tier.describe();
      expect(description).toMatchObject({ state: 'ready', endpoint: `127.0.0.1:${server.port}` });
      expect(description.server).toBeUndefined();
    });

    it('a fill that arrives after its caller gave up changes nothing when the key was invalidated meanwhile', async () => {
      const proxy = await startProxy({ to: server.port });
      cleanups.push(() => proxy.stop());
      const { tier: slow } = await ready({ url: proxy.url });
      const { tier: other } = await ready();
      expect(await slow.acquire({ key, token: 't', leaseMs: 60_000 })).toEqual({ outcome: 'granted' });
      proxy.hold();
      expect(await rejection(slow.fill({ key, token: 't', value, ttlMs: null }))).toMatchObject(UNAVAILABLE);
      await other.invalidate({ keys: [key], tags: [] });
      const processed = async (): Promise<number> =>
        Number((await other.describe()).server!['total_commands_processed']);
      const before = await processed();
      proxy.release();
      await until(
        async () =>
          (await slow.get('a:none').then(
            () => true,
            () => false,
          )) && (await processed()) > before,
      );
      expect(await other.get(key)).toBeNull();
      expect(await other.acquire({ key, token: 't2', leaseMs: 500 })).toEqual({ outcome: 'granted' });
    });

    it('an invalidation that arrives late is in the log all the same', async () => {
      const proxy = await startProxy({ to: server.port });
      cleanups.push(() => proxy.stop());
      const { tier: slow } = await ready({ url: proxy.url });
      const { tier: other } = await ready();
      const from = await other.poll(null, []);
      proxy.hold();
      expect(await rejection(slow.invalidate({ keys: [key], tags: ['x'] }))).toMatchObject(UNAVAILABLE);
      proxy.release();
      await until(async () => (await other.poll(from.cursor, [])).records.length === 1, RECOVERY);
    });

    it('a line that went dead without a word is replaced', async () => {
      const proxy = await startProxy({ to: server.port });
      cleanups.push(() => proxy.stop());
      const { tier } = await ready({ url: proxy.url });
      proxy.silence();
      await until(
        () =>
          tier.get(key).then(
            () => true,
            () => false,
          ),
        1_000 + TIMEOUT + RECOVERY,
      );
    });

    it('takes clients of the host’s making, and sets on them what the protocol needs', async () => {
      const made: Redis[] = [];
      const { tier } = await ready({
        url: undefined,
        client: () => {
          const client = new Redis(server.url);
          made.push(client);
          return client;
        },
      });
      expect(made).toHaveLength(2);
      expect((await tier.describe()).endpoint).toBe(`127.0.0.1:${server.port}`);
      server.kill('SIGSTOP');
      const start = performance.now();
      await rejection(tier.get(key));
      expect(performance.now() - start).toBeLessThan(TIMEOUT + SLACK);
      server.kill('SIGKILL');
      await until(() => tier.state === 'down', 1_000);
      expect(await rejection(tier.get(key))).toMatchObject(UNAVAILABLE);
    });
  });
});
