import { readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startRedisWithTls, type Certificates, type DaemonHandle } from '../../apps/services/index.mjs';
import type { RemoteState, RemoteTier } from '../../libs/tiered-cache/src/remote/remote-tier.js';
import { createRedisTier } from '../../libs/tiered-cache/src/remote/redis/redis-tier.js';
import type { RedisTierOptions } from '../../libs/tiered-cache/src/remote/redis/redis-options.js';
import { describeRemoteTier } from '../conformance/remote-tier.conformance.js';
import { until } from '../conformance/until.js';
import { ACL_COMMANDS, aclUser, watchCommands } from '../support/redis-acl.js';
import { describeWithRedis } from '../support/services.js';

const FORBIDDEN =
  'FLUSHALL;FLUSHDB;KEYS *;CONFIG GET *;MONITOR;ACL LIST;SHUTDOWN;REPLICAOF NO ONE;SCRIPT FLUSH;CLIENT KILL TYPE normal';

type TlsServer = DaemonHandle & { readonly certificates: Certificates };

describeWithRedis('redis over TLS', () => {
  let server: TlsServer;
  let strict: TlsServer;
  const cleanups: (() => unknown)[] = [];

  beforeAll(async () => {
    server = await startRedisWithTls();
    strict = await startRedisWithTls({ clientCertificates: true });
  });
  // The clients first, some of them amid a handshake that is about to be refused: that must end no process.
  afterAll(async () => {
    for (const clean of cleanups.splice(0)) await clean();
    await Promise.all([server?.stop(), strict?.stop()]);
  });

  async function join(options: Partial<RedisTierOptions>): Promise<[RemoteState, string | undefined]> {
    const tier = createRedisTier({ prefix: 'tls', ...options });
    cleanups.push(() => tier.stop());
    let why: string | undefined;
    tier.start({ wake: () => undefined, stateChanged: (_state, reason) => (why = reason) });
    await until(() => tier.state === 'ready' || tier.state === 'down');
    if (tier.state === 'ready') expect(await tier.get('a:1')).toBeNull();
    return [tier.state, why];
  }

  it('joins a server whose authority it trusts', async () => {
    const { ca } = server.certificates;
    expect(await join({ url: server.url, tls: { ca } })).toEqual(['ready', undefined]);
    const { port } = server;
    expect(await join({ host: 'localhost', port, tls: { ca } })).toEqual(['ready', undefined]);
  });

  it.each([
    ['another authority', () => ({ ca: strict.certificates.ca }), /certificate/],
    ['the system’s authorities only', () => true as const, /certificate/],
    ['another name', () => ({ ca: server.certificates.ca, servername: 'elsewhere.example' }), /altnames/],
  ])('refuses a server under %s, and says so', async (_name, tls, words) => {
    expect(await join({ url: server.url, tls: tls() })).toEqual(['down', expect.stringMatching(words)]);
  });

  it('does not fall back to plain text', async () => {
    const [state] = await join({ host: '127.0.0.1', port: server.port, connectTimeout: 300 });
    expect(state).toBe('down');
  });

  it('shows a certificate of its own where the server wants one', async () => {
    const { ca, clientCert: cert, clientKey: key } = strict.certificates;
    expect((await join({ url: strict.url, tls: { ca } }))[0]).toBe('down');
    expect(await join({ url: strict.url, tls: { ca, cert, key } })).toEqual(['ready', undefined]);
  });
});

describeWithRedis('redis as the user with the least rights', () => {
  let server: TlsServer;
  let admin: Redis;
  let watch: Awaited<ReturnType<typeof watchCommands>>;
  let prefixes = 0;

  const url = (): string => `rediss://app:pa%24s@127.0.0.1:${server.port}`;
  const tls = () => ({ ca: server.certificates.ca });

  beforeAll(async () => {
    server = await startRedisWithTls({
      acl: ['user default off', 'user admin on >adm ~* &* +@all', aclUser('app', 'pa$s', 'acl*')],
    });
    admin = new Redis(`rediss://admin:adm@127.0.0.1:${server.port}`, { tls: tls() });
    watch = await watchCommands(admin);
  });
  afterAll(async () => {
    watch?.stop();
    admin?.disconnect();
    await server?.stop();
  });

  describeRemoteTier('redis, TLS, least rights', () => {
    const log = (prefix: string): string => `{${prefix}:#log:0}`;
    return {
      create: (prefix) => createRedisTier({ url: url(), tls: tls(), prefix, commandTimeout: '5s' }),
      prefix: () => `acl${prefixes++}`,
      pass: (ms) => sleep(ms),
      trimLog: async (prefix, keep) => void (await admin.xtrim(log(prefix), 'MAXLEN', keep)),
      flush: async (prefix) => void (await admin.del(log(prefix))),
      punchLog: async (prefix, back) => {
        const newest = await admin.xrevrange(log(prefix), '+', '-', 'COUNT', back + 1);
        await admin.xdel(log(prefix), newest[back]![0]);
      },
    };
  });

  describe('of the rights', () => {
    it('nothing was refused, and MONITOR saw each of them and no other', async () => {
      expect(await admin.acl('LOG')).toEqual([]);
      expect([...watch.seen].sort()).toEqual([...ACL_COMMANDS].sort());
    });

    it('are those that the documentation gives', () => {
      const docs = readFileSync(joinPath(import.meta.dirname, '../../docs/redis.md'), 'utf8');
      const words = (text: string): string[] => text.split(/[\s\\]+/).filter(Boolean);
      const line = /^user app [^`]+/m.exec(docs)?.[0] ?? '';
      expect(words(line)).toEqual(words(aclUser('app', 'secret', 'shop')));
    });

    let withAll: Record<string, unknown>;
    beforeAll(async () => {
      withAll = await everything();
    });

    it('all are enough', async () => {
      expect(await everything()).toEqual(withAll);
      expect(Object.values(withAll).filter((answer) => String(answer).includes('NOPERM'))).toEqual([]);
      expect(withAll).toMatchObject({ named: true, woken: true, filled: true, hit: true, scanned: 1 });
    });

    it.each(ACL_COMMANDS)('%s cannot be left out', async (command) => {
      await admin.acl('SETUSER', 'app', `-${command}`);
      try {
        expect(await everything()).not.toEqual(withAll);
      } finally {
        await admin.acl('SETUSER', 'app', `+${command}`);
      }
    });

    it('other keys cannot be read, nor the data be destroyed', async () => {
      const app = new Redis(url(), { tls: tls() });
      try {
        await admin.set('another', 'secret');
        await expect(app.get('another')).rejects.toThrow('NOPERM');
        for (const line of FORBIDDEN.split(';')) {
          const [name = '', ...rest] = line.split(' ');
          await expect(app.call(name, ...rest)).rejects.toThrow('NOPERM');
        }
      } finally {
        app.disconnect();
      }
    });
  });

  /** Everything that the port can be asked for, and what it answered: true, a number, or an error's words. */
  async function everything(): Promise<Record<string, unknown>> {
    const prefix = `acl-all-${++prefixes}`;
    const tier: RemoteTier = createRedisTier({ url: url(), tls: tls(), prefix, commandTimeout: '1s' });
    const answers: Record<string, unknown> = {};
    const ask = async <T>(what: string, send: () => Promise<T>, see: (answer: T) => unknown = () => true) => {
      answers[what] = await send().then(see, (error: Error) => error.message.replaceAll(prefix, 'prefix'));
    };
    let wakes = 0;
    // So that scripts are sent in full once more.
    await admin.script('FLUSH');
    tier.start({ wake: () => wakes++, stateChanged: () => undefined });
    try {
      await until(() => tier.state === 'ready');
      await ask(
        'described',
        () => tier.describe(),
        ({ server: figures }) => figures !== undefined,
      );
      let epoch = '';
      let cursor = '';
      await ask(
        'opened',
        () => tier.poll(null, []),
        (page) => {
          ({ epoch, cursor } = page);
          return page.lost;
        },
      );
      await ask('vouched', () => tier.vouch(epoch, ['ns']));
      await ask(
        'polled',
        () => tier.poll(cursor, ['ns']),
        (page) => page.unvouched.length,
      );
      const value = Buffer.alloc(64, 'v');
      const fill = { key: 'ns:1', token: 't', value, ttlMs: 60_000 };
      await ask(
        'acquired',
        () => tier.acquire({ key: 'ns:1', token: 't', leaseMs: 5_000 }),
        ({ outcome }) => outcome,
      );
      await ask(
        'filled',
        () => tier.fill(fill),
        (stored) => stored,
      );
      await ask(
        'hit',
        () => tier.get('ns:1'),
        (found) => found?.equals(value),
      );
      await ask(
        'hits',
        () => tier.getMany(['ns:1', 'ns:2']),
        (found) => found.filter(Boolean).length,
      );
      await ask('replaced', () => tier.replace('ns:1', value.subarray(0, 32), value, 60_000), Boolean);
      await ask(
        'nonces',
        () => tier.nonces(['a']),
        ({ length }) => length,
      );
      await ask(
        'nonces again',
        () => tier.nonces(['a']),
        ({ length }) => length,
      );
      await ask(
        'scanned',
        async () => {
          let count = 0;
          for await (const batch of tier.scan('ns:')) count += batch.length;
          return count;
        },
        (count) => count,
      );
      await ask('fenced', () => tier.fence(['ns:1'], 'f', 5_000));
      await ask(
        'refused',
        () => tier.acquire({ key: 'ns:1', token: 't', leaseMs: 5_000 }),
        ({ outcome }) => outcome,
      );
      await ask('unfenced', () => tier.unfence(['ns:1'], 'f'));
      await ask(
        'acquired again',
        () => tier.acquire({ key: 'ns:1', token: 't', leaseMs: 5_000 }),
        ({ outcome }) => outcome,
      );
      await ask('released', () => tier.release('ns:1', 't'));
      await ask('invalidated', () => tier.invalidate({ keys: ['ns:1'], tags: ['a'] }));
      const clients = String(await admin.client('LIST'));
      answers['named'] = clients.includes(`name=strata:${prefix}:commands`);
      answers['woken'] = await until(() => wakes > 0, 1_000).then(
        () => true,
        () => false, // which is an answer
      );
    } finally {
      await tier.stop();
    }
    return answers;
  }
});
