import { randomBytes } from 'node:crypto';
import type {
  LogPage,
  LogRecord,
  RemoteState,
  RemoteTier,
} from '../../libs/tiered-cache/src/remote/remote-tier.js';
import { FINGERPRINT_BYTES } from '../../libs/tiered-cache/src/remote/remote-tier.js';
import { until } from './until.js';

/** What the suite needs to know of an adapter: how to make tiers that meet, and how to hurt what is behind them. */
export interface RemoteTierHarness {
  /** A tier that is not started; tiers of one prefix share everything, others nothing. */
  create(prefix: string): RemoteTier;
  /** A prefix of this run's own, as odd as prefixes may be. */
  prefix(): string;
  /** Lets so many milliseconds pass, for leases, fences and values. */
  pass(ms: number): Promise<void>;
  /** Keeps the newest `keep` records of the log of `prefix`. */
  trimLog(prefix: string, keep: number): Promise<void>;
  /** Loses the log of `prefix` (and, if the adapter likes, all its other data). */
  flush(prefix: string): Promise<void>;
  /** Records come in the order of their making only where one log holds them all. */
  unordered?: boolean;
  /** Breaks the chain of the log of `prefix`: the last record but `back` goes. */
  punchLog?(prefix: string, back: number): Promise<void>;
  /** Another server with another identity; data may be lost. */
  restart?(): Promise<void>;
  close?(): Promise<void>;
}

/** The suite every adapter of the port passes: each sentence of remote-tier.ts is a test. */
export function describeRemoteTier(
  name: string,
  make: () => Promise<RemoteTierHarness> | RemoteTierHarness,
): void {
  describe(`remote tier: ${name}`, () => {
    let harness: RemoteTierHarness;
    let prefix: string;
    let a: RemoteTier;
    let b: RemoteTier;
    const started: RemoteTier[] = [];
    const wakes = new Map<RemoteTier, number>();
    const states = new Map<RemoteTier, RemoteState[]>();

    async function join(tier: RemoteTier): Promise<RemoteTier> {
      started.push(tier);
      states.set(tier, []);
      wakes.set(tier, 0);
      tier.start({
        wake: () => wakes.set(tier, (wakes.get(tier) ?? 0) + 1),
        stateChanged: (state) => states.get(tier)?.push(state),
      });
      await until(() => tier.state === 'ready');
      return tier;
    }

    beforeAll(async () => {
      harness = await make();
      prefix = harness.prefix();
      a = await join(harness.create(prefix));
      b = await join(harness.create(prefix));
    });
    afterAll(async () => {
      await Promise.all(started.map((tier) => tier.stop()));
      await harness?.close?.();
    });

    let serial = 0;
    const inOrder = (keys: string[]): string[] => (harness.unordered ? [...keys].sort() : keys);
    const newKey = (): string => `items:${++serial}-${randomBytes(3).toString('hex')}`;
    const newToken = (): string => randomBytes(9).toString('base64url');
    const bytes = (length = 64): Buffer => randomBytes(length);
    const head = (value: Buffer): Buffer => value.subarray(0, FINGERPRINT_BYTES);
    const lease = async (tier: RemoteTier, key: string, leaseMs = 5_000): Promise<string> => {
      const token = newToken();
      expect(await tier.acquire({ key, token, leaseMs })).toEqual({ outcome: 'granted' });
      return token;
    };
    const stored = async (key: string, value = bytes(), ttlMs: number | null = 60_000): Promise<Buffer> => {
      const token = await lease(a, key);
      expect(await a.fill({ key, token, value, ttlMs })).toBe(true);
      return value;
    };

    describe('life', () => {
      it('goes from idle over connecting to ready to stopped, and says so', async () => {
        const tier = harness.create(prefix);
        expect(tier.state).toBe('idle');
        await join(tier);
        await tier.stop();
        await tier.stop();
        expect(tier.state).toBe('stopped');
        expect(states.get(tier)).toEqual(['connecting', 'ready', 'stopped']);
      });

      it('refuses commands before start and after stop, as unavailable', async () => {
        const tier = harness.create(prefix);
        const unavailable = { code: 'STRATA_REMOTE_UNAVAILABLE' };
        await expect(tier.get('items:x')).rejects.toMatchObject(unavailable);
        await join(tier);
        await tier.stop();
        await expect(tier.get('items:x')).rejects.toMatchObject(unavailable);
        await expect(tier.invalidate({ keys: ['items:x'], tags: [] })).rejects.toMatchObject(unavailable);
        await expect(tier.acquireMany([{ key: 'items:x', token: 't', leaseMs: 5 }])).rejects.toMatchObject(
          unavailable,
        );
        await expect(tier.poll(null, [])).rejects.toMatchObject(unavailable);
      });

      it('describes itself with its kind, state and connections', async () => {
        const description = await a.describe();
        expect(description).toMatchObject({ kind: a.kind, state: 'ready' });
        expect(description.connections.length).toBeGreaterThan(0);
      });

      it('never answers in the same turn', async () => {
        const order: string[] = [];
        const asked = a.get(newKey()).then(() => order.push('answer'));
        order.push('asked');
        await asked;
        expect(order).toEqual(['asked', 'answer']);
      });
    });

    describe('get', () => {
      it('answers null for what is not there, and exactly the bytes that were filled', async () => {
        const key = newKey();
        expect(await a.get(key)).toBeNull();
        const all = Buffer.from(Array.from({ length: 1_024 }, (_, i) => i % 256));
        await stored(key, all);
        expect(Buffer.compare((await b.get(key))!, all)).toBe(0);
      });

      it('hands out bytes that are the caller’s own', async () => {
        const key = newKey();
        const value = await stored(key);
        const copy = Buffer.from(value);
        value.fill(0);
        (await a.get(key))!.fill(1);
        expect(await b.get(key)).toEqual(copy);
      });

      it('answers many in the order asked, repeated and missing ones included', async () => {
        const [x, y, none] = [newKey(), newKey(), newKey()];
        const [vx, vy] = [await stored(x), await stored(y)];
        expect(await a.getMany([y, none, x, y])).toEqual([vy, null, vx, vy]);
        expect(await a.getMany([])).toEqual([]);
      });

      it('answers each of many single reads made at once with its own value', async () => {
        const keys = Array.from({ length: 600 }, newKey);
        const held = new Map<string, Buffer>();
        for (const key of keys.slice(0, 20)) held.set(key, await stored(key));
        const answers = await Promise.all(keys.map((key) => b.get(key)));
        expect(answers).toEqual(keys.map((key) => held.get(key) ?? null));
      });

      it('keeps apart keys with braces, colons, line ends, spaces, globs and any script', async () => {
        const odd = [
          '{a}',
          'a}',
          '{a',
          '}{',
          'a:b',
          'a b',
          'a\nb',
          'a\r\nb',
          '*',
          '?',
          '[a]',
          '\\',
          'ä',
          '日本',
          '😀',
          '\0',
        ].map((id) => `odd${serial}:${id}`);
        odd.push('a}:v', 'a}:l', '#tag:x', '#log:0');
        const values = new Map<string, Buffer>();
        for (const key of odd) values.set(key, await stored(key, Buffer.from(`value of ${key}`)));
        for (const key of odd) expect([key, await b.get(key)]).toEqual([key, values.get(key)]);
        await a.invalidate({ keys: odd.slice(0, 1), tags: [] });
        expect(await b.get(odd[0]!)).toBeNull();
        expect(await b.getMany(odd.slice(1))).toEqual(odd.slice(1).map((key) => values.get(key)));
      });

      it('holds values of a megabyte', async () => {
        const key = newKey();
        const value = await stored(key, bytes(1_048_576));
        expect((await b.get(key))!.equals(value)).toBe(true);
      });

      it('ends a value with its life; null lives for ever', async () => {
        const [short, long] = [newKey(), newKey()];
        await stored(short, bytes(), 60);
        const kept = await stored(long, bytes(), null);
        await harness.pass(90);
        expect(await a.get(short)).toBeNull();
        expect(await a.get(long)).toEqual(kept);
      });
    });

    describe('acquire', () => {
      it('grants one of two, and the other is busy', async () => {
        const key = newKey();
        const outcomes = await Promise.all(
          [a, b].map((tier) => tier.acquire({ key, token: newToken(), leaseMs: 5_000 })),
        );
        expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['busy', 'granted']);
      });

      it('grants to the next when the lease has run out', async () => {
        const key = newKey();
        const late = await lease(a, key, 60);
        await harness.pass(90);
        const token = await lease(b, key);
        // The late one can neither fill nor release what is the other's now.
        expect(await a.fill({ key, token: late, value: bytes(), ttlMs: null })).toBe(false);
        await a.release(key, late);
        expect(await a.acquire({ key, token: newToken(), leaseMs: 50 })).toEqual({ outcome: 'busy' });
        expect(await b.fill({ key, token, value: bytes(), ttlMs: null })).toBe(true);
      });

      it('answers granted again to the same token, and renews the lease', async () => {
        const key = newKey();
        const token = await lease(a, key, 120);
        await harness.pass(70);
        expect(await a.acquire({ key, token, leaseMs: 5_000 })).toEqual({ outcome: 'granted' });
        await harness.pass(90);
        expect(await b.acquire({ key, token: newToken(), leaseMs: 50 })).toEqual({ outcome: 'busy' });
      });

      it('answers the value that is there instead of a lease', async () => {
        const key = newKey();
        const value = await stored(key);
        expect(await b.acquire({ key, token: newToken(), leaseMs: 500 })).toEqual({
          outcome: 'value',
          value,
        });
        // No lease was left behind.
        await a.invalidate({ keys: [key], tags: [] });
        await lease(a, key);
      });

      it('answers a value that is not the rejected one, even to the holder of the lease', async () => {
        const key = newKey();
        const value = await stored(key);
        const token = newToken();
        expect(await a.acquire({ key, token, leaseMs: 500, rejected: head(value), keep: true })).toEqual({
          outcome: 'granted',
        });
        expect(await a.acquire({ key, token, leaseMs: 500, rejected: bytes(32) })).toEqual({
          outcome: 'value',
          value,
        });
      });

      it('deletes a rejected value and grants', async () => {
        const key = newKey();
        const value = await stored(key);
        const token = newToken();
        expect(await b.acquire({ key, token, leaseMs: 500, rejected: head(value) })).toEqual({
          outcome: 'granted',
        });
        expect(await a.get(key)).toBeNull();
      });

      it('keeps a rejected value when asked to, until the fill replaces it', async () => {
        const key = newKey();
        const value = await stored(key);
        const token = newToken();
        expect(await b.acquire({ key, token, leaseMs: 500, rejected: head(value), keep: true })).toEqual({
          outcome: 'granted',
        });
        expect(await a.get(key)).toEqual(value);
        const next = bytes();
        expect(await b.fill({ key, token, value: next, ttlMs: null })).toBe(true);
        expect(await a.get(key)).toEqual(next);
      });

      it('knows values by their first bytes only, and whole when they are shorter', async () => {
        const [key, short] = [newKey(), newKey()];
        const value = await stored(key, bytes(500));
        expect(
          await b.acquire({
            key,
            token: newToken(),
            leaseMs: 500,
            rejected: Buffer.concat([head(value), bytes()]),
          }),
        ).toEqual({ outcome: 'granted' });
        const small = await stored(short, Buffer.from('tiny'));
        expect(
          await b.acquire({ key: short, token: newToken(), leaseMs: 500, rejected: Buffer.from('tin') }),
        ).toEqual({ outcome: 'value', value: small });
        expect(await b.acquire({ key: short, token: newToken(), leaseMs: 500, rejected: small })).toEqual({
          outcome: 'granted',
        });
      });

      it('answers many in order, one refusal not failing the others', async () => {
        const keys = [newKey(), newKey(), newKey(), newKey()] as const;
        const value = await stored(keys[1]);
        await lease(b, keys[2]);
        await b.fence([keys[3]], 'f', 5_000);
        const answers = await a.acquireMany(keys.map((key) => ({ key, token: newToken(), leaseMs: 500 })));
        expect(answers).toEqual([
          { outcome: 'granted' },
          { outcome: 'value', value },
          { outcome: 'busy' },
          { outcome: 'fenced' },
        ]);
        expect(await a.acquireMany([])).toEqual([]);
      });

      it('answers each of many single requests made at once', async () => {
        const keys = Array.from({ length: 300 }, newKey);
        const value = await stored(keys[7]!);
        const answers = await Promise.all(
          keys.map((key) => a.acquire({ key, token: newToken(), leaseMs: 500 })),
        );
        expect(answers[7]).toEqual({ outcome: 'value', value });
        expect(answers.filter(({ outcome }) => outcome === 'granted')).toHaveLength(299);
      });

      it('gives a lease back only to the token that holds it', async () => {
        const key = newKey();
        const token = await lease(a, key);
        await b.release(key, newToken());
        expect(await b.acquire({ key, token: newToken(), leaseMs: 50 })).toEqual({ outcome: 'busy' });
        await a.release(key, token);
        await lease(b, key);
      });
    });

    describe('fill', () => {
      it('is rejected without a lease, with another token, and a second time', async () => {
        const key = newKey();
        expect(await a.fill({ key, token: newToken(), value: bytes(), ttlMs: null })).toBe(false);
        const token = await lease(a, key);
        expect(await b.fill({ key, token: newToken(), value: bytes(), ttlMs: null })).toBe(false);
        const value = bytes();
        expect(await a.fill({ key, token, value, ttlMs: null })).toBe(true);
        expect(await a.fill({ key, token, value: bytes(), ttlMs: null })).toBe(false);
        expect(await b.get(key)).toEqual(value);
      });

      it('ends the lease', async () => {
        const key = newKey();
        const value = await stored(key);
        expect(await b.acquire({ key, token: newToken(), leaseMs: 500, rejected: head(value) })).toEqual({
          outcome: 'granted',
        });
      });

      it('is rejected when the key was invalidated during the load', async () => {
        const key = newKey();
        const token = await lease(a, key);
        await b.invalidate({ keys: [key], tags: [] });
        expect(await a.fill({ key, token, value: bytes(), ttlMs: null })).toBe(false);
        expect(await a.get(key)).toBeNull();
      });

      it('is rejected when the lease ran out', async () => {
        const key = newKey();
        const token = await lease(a, key, 60);
        await harness.pass(90);
        expect(await a.fill({ key, token, value: bytes(), ttlMs: null })).toBe(false);
      });

      it('is not rejected by the bump of a tag: the vector in the value is for that', async () => {
        const key = newKey();
        const token = await lease(a, key);
        await b.invalidate({ keys: [], tags: ['some-tag'] });
        expect(await a.fill({ key, token, value: bytes(), ttlMs: null })).toBe(true);
      });

      it('answers many in order', async () => {
        const [x, y, z] = [newKey(), newKey(), newKey()];
        const [tx, tz] = [await lease(a, x), await lease(a, z)];
        const fill = (key: string, token: string) => ({ key, token, value: bytes(), ttlMs: 5_000 });
        expect(await a.fillMany([fill(x, tx), fill(y, newToken()), fill(z, tz)])).toEqual([
          true,
          false,
          true,
        ]);
        expect(await a.fillMany([])).toEqual([]);
      });
    });

    describe('replace', () => {
      it('replaces the value it names, with the new life, and logs the key', async () => {
        const key = newKey();
        const value = await stored(key);
        const from = await a.poll(null, []);
        const next = bytes();
        expect(await b.replace(key, head(value), next, 60)).toHaveLength(1);
        expect(await a.get(key)).toEqual(next);
        expect((await a.poll(from.cursor, [])).records).toMatchObject([{ keys: [key], tags: [] }]);
        await harness.pass(90);
        expect(await a.get(key)).toBeNull();
      });

      it('lets null live for ever', async () => {
        const key = newKey();
        const value = await stored(key, bytes(), 60);
        const next = bytes();
        expect(await a.replace(key, head(value), next, null)).toHaveLength(1);
        await harness.pass(90);
        expect(await b.get(key)).toEqual(next);
      });

      it('touches neither another value nor none, and logs nothing then', async () => {
        const [key, none] = [newKey(), newKey()];
        const value = await stored(key);
        const from = await a.poll(null, []);
        expect(await a.replace(key, bytes(32), bytes(), null)).toBeNull();
        expect(await a.replace(none, bytes(32), bytes(), null)).toBeNull();
        expect(await b.getMany([key, none])).toEqual([value, null]);
        expect((await a.poll(from.cursor, [])).records).toEqual([]);
      });
    });

    describe('nonces', () => {
      it('makes a nonce where there is none, and every caller gets the winner', async () => {
        const tag = `tag-${newKey()}`;
        const answers = await Promise.all([a, b, a, b].map((tier) => tier.nonces([tag])));
        expect(new Set(answers.flat()).size).toBe(1);
        expect(answers[0]![0]).not.toBe('');
        expect(await b.nonces([tag])).toEqual(answers[0]);
      });

      it('answers in order, each tag its own', async () => {
        const tags = Array.from({ length: 700 }, (_, i) => `order-${serial}-${i}`);
        const nonces = await a.nonces(tags);
        expect(new Set(nonces).size).toBe(tags.length);
        expect(await b.nonces([...tags].reverse())).toEqual([...nonces].reverse());
        expect(await a.nonces([])).toEqual([]);
      });

      it('changes with every bump, and never comes back', async () => {
        const tag = `tag-${newKey()}`;
        const seen = new Set<string>();
        for (let i = 0; i < 20; i++) {
          seen.add((await b.nonces([tag]))[0]!);
          await a.invalidate({ keys: [], tags: [tag] });
        }
        seen.add((await b.nonces([tag]))[0]!);
        expect(seen.size).toBe(21);
      });

      it('does not change other tags', async () => {
        const before = await a.nonces(['stays']);
        await b.invalidate({ keys: [newKey()], tags: ['goes'] });
        expect(await a.nonces(['stays'])).toEqual(before);
      });

      it('keeps apart tags with braces, colons, line ends and any script', async () => {
        const tags = ['{a}', 'a}', '{a', 'a:b', 'a%3Ab', 'a b', 'a\nb', 'ä', '😀', '*', '~', 'a}:n'];
        expect(new Set(await a.nonces(tags)).size).toBe(tags.length);
      });
    });

    describe('nonces with the end of the log', () => {
      it('are the same nonces, and are seen by who has read up to it', async () => {
        const tags = Array.from({ length: 300 }, (_, i) => `end-${serial}-${i}`);
        const before = await a.poll(null, []);
        const { nonces, at } = await b.noncesAt(tags);
        expect(nonces).toEqual(await a.nonces(tags));
        expect(at === null).toBe(!b.atomicLog);
        if (at === null) return;
        expect(a.reached(before.cursor, at)).toBe(true);
        await a.invalidate({ keys: [], tags: [tags[7]!] });
        const after = await b.noncesAt(tags);
        expect(after.nonces[7]).not.toBe(nonces[7]);
        expect(after.nonces.filter((nonce, i) => nonce !== nonces[i])).toHaveLength(1);
        expect(a.reached(before.cursor, after.at!)).toBe(false);
        const page = await a.poll(before.cursor, []);
        expect(a.reached(page.cursor, after.at!)).toBe(true);
        expect(page.cursor).toBe(after.at);
      });
    });

    describe('the tag of an entry', () => {
      it('changes with every invalidation and every set of its key, and with no other', async () => {
        const [x, y] = [newKey(), newKey()];
        const tags = [`#key:${x}`, `#key:${y}`];
        const first = await a.nonces(tags);
        expect(new Set(first).size).toBe(2);
        expect(await b.nonces(tags)).toEqual(first);
        await b.invalidate({ keys: [x], tags: [] });
        const second = await a.nonces(tags);
        expect(second[0]).not.toBe(first[0]);
        expect(second[1]).toBe(first[1]);
        const token = newToken();
        await b.invalidate({ keys: [x], tags: [], hold: { tokens: [token], leaseMs: 1_000 } });
        expect((await a.nonces(tags))[0]).not.toBe(second[0]);
        expect(await b.fill({ key: x, token, value: bytes(), ttlMs: null })).toBe(true);
      });
    });

    describe('invalidate', () => {
      it('deletes values and leases, bumps tags and appends one record with their names', async () => {
        const [x, y] = [newKey(), newKey()];
        await stored(x);
        const token = await lease(b, y);
        const [nonce] = await a.nonces(['t{1}']);
        const from = await b.poll(null, []);
        const [position] = await a.invalidate({ keys: [x, y], tags: ['t{1}'], pattern: 'items:*' });
        expect(await b.get(x)).toBeNull();
        expect(await b.fill({ key: y, token, value: bytes(), ttlMs: null })).toBe(false);
        expect((await b.nonces(['t{1}']))[0]).not.toBe(nonce);
        const page = await b.poll(from.cursor, []);
        expect(page.records).toEqual([{ position, keys: [x, y], tags: ['t{1}'], pattern: 'items:*' }]);
        expect(b.reached(page.cursor, position!)).toBe(true);
        expect(b.reached(from.cursor, position!)).toBe(false);
        expect(JSON.stringify(page)).not.toContain(nonce);
      });

      it('leaves leases to the writer in the same step, which the next invalidation ends', async () => {
        const [kept, none, overtaken] = [newKey(), newKey(), newKey()];
        const loading = await lease(b, kept);
        const token = newToken();
        const late = newToken();
        const hold = { tokens: [token, '', late], leaseMs: 5_000 };
        await a.invalidate({ keys: [kept, none, overtaken], tags: ['held'], hold });
        expect(await b.fill({ key: kept, token: loading, value: bytes(), ttlMs: null })).toBe(false);
        expect(await b.acquire({ key: kept, token: newToken(), leaseMs: 50 })).toEqual({ outcome: 'busy' });
        expect(await b.acquire({ key: none, token: newToken(), leaseMs: 50 })).toEqual({
          outcome: 'granted',
        });
        await b.invalidate({ keys: [overtaken], tags: [] });
        expect(await a.fill({ key: overtaken, token: late, value: bytes(), ttlMs: null })).toBe(false);
        const value = bytes();
        expect(await a.fill({ key: kept, token, value, ttlMs: null })).toBe(true);
        expect(await b.get(kept)).toEqual(value);
      });

      it('deletes nothing by pattern', async () => {
        const key = newKey();
        const value = await stored(key);
        await b.invalidate({ keys: [], tags: [], pattern: '*' });
        expect(await a.get(key)).toEqual(value);
      });

      it('may be repeated', async () => {
        const key = newKey();
        await stored(key);
        for (let i = 0; i < 3; i++) await a.invalidate({ keys: [key, key], tags: ['again', 'again'] });
        expect(await b.get(key)).toBeNull();
      });

      it('takes 5,000 keys and 600 tags at once, and answers the position of every record', async () => {
        const keys = Array.from({ length: 5_000 }, newKey);
        const tags = Array.from({ length: 600 }, (_, i) => `many-${i}`);
        const before = await a.nonces(tags);
        await stored(keys[0]!);
        await stored(keys[4_999]!);
        const from = await b.poll(null, []);
        const positions = await a.invalidate({ keys, tags });
        expect(await b.getMany(keys)).toEqual(keys.map(() => null));
        const after = await b.nonces(tags);
        expect(after.filter((nonce, i) => nonce === before[i])).toEqual([]);
        expect(new Set([...before, ...after]).size).toBe(2 * tags.length);
        const { records, end } = await readAll(b, from);
        expect(records.map((record) => record.position).sort()).toEqual([...positions].sort());
        expect(positions.every((position) => b.reached(end.cursor, position))).toBe(true);
        expect(records.flatMap((record) => record.keys).sort()).toEqual([...keys].sort());
        expect(records.flatMap((record) => record.tags).sort()).toEqual([...tags].sort());
      });

      it('wakes the others', async () => {
        const before = wakes.get(b)!;
        await until(async () => {
          await a.invalidate({ keys: [newKey()], tags: [] });
          return wakes.get(b)! > before;
        });
      });
    });

    describe('fence', () => {
      it('deletes value and lease, and nobody fills or acquires while it stands', async () => {
        const key = newKey();
        await stored(key);
        const other = newKey();
        const token = await lease(a, other);
        await b.fence([key], 'w1', 5_000);
        await b.fence([other], 'w1', 5_000);
        expect(await a.get(key)).toBeNull();
        expect(await a.fill({ key: other, token, value: bytes(), ttlMs: null })).toBe(false);
        expect(await a.acquire({ key, token: newToken(), leaseMs: 50 })).toEqual({ outcome: 'fenced' });
      });

      it('stands until every writer has taken its own away', async () => {
        const key = newKey();
        await a.fence([key], 'w1', 5_000);
        await b.fence([key], 'w2', 5_000);
        await a.unfence([key], 'w1');
        await a.unfence([key], 'w1');
        expect(await a.acquire({ key, token: newToken(), leaseMs: 50 })).toEqual({ outcome: 'fenced' });
        await b.unfence([key], 'w2');
        await lease(a, key);
      });

      it('lets no writer keep a lease beside it but its own', async () => {
        const [other, own] = [newKey(), newKey()];
        await a.fence([other, own], 'w1', 60);
        const [x, y] = [newToken(), newToken()];
        await b.invalidate({ keys: [other], tags: [], hold: { tokens: [x], leaseMs: 5_000 } });
        await a.invalidate({ keys: [own], tags: [], hold: { tokens: [y], leaseMs: 5_000 }, fenceId: 'w1' });
        await harness.pass(90);
        const fill = (key: string, token: string) => a.fill({ key, token, value: bytes(), ttlMs: null });
        expect(await fill(other, x)).toBe(false);
        expect(await fill(own, y)).toBe(true);
      });

      it('falls by itself when its time has passed, each fence at its own', async () => {
        const key = newKey();
        await a.fence([key], 'w1', 300);
        await a.fence([key], 'w2', 60);
        await harness.pass(90);
        expect(await b.acquire({ key, token: newToken(), leaseMs: 50 })).toEqual({ outcome: 'fenced' });
        await harness.pass(260);
        await lease(b, key);
      });

      it('is removed by the invalidation of its writer, not by others', async () => {
        const key = newKey();
        await a.fence([key], 'w1', 5_000);
        await b.invalidate({ keys: [key], tags: [] });
        await b.invalidate({ keys: [key], tags: ['x'], fenceId: 'w2' });
        expect(await a.acquire({ key, token: newToken(), leaseMs: 50 })).toEqual({ outcome: 'fenced' });
        await a.invalidate({ keys: [key], tags: ['x'], fenceId: 'w1' });
        await lease(a, key);
      });
    });

    describe('fence and log', () => {
      it('names the fenced keys in the log, so that every L1 lets go of them', async () => {
        const [x, y] = [newKey(), newKey()];
        const from = await b.poll(null, []);
        const positions = await a.fence([x, y], 'w1', 50);
        const { records, end } = await readAll(b, from);
        expect(records.flatMap(({ keys }) => keys)).toEqual([x, y]);
        expect(records.map(({ position }) => position)).toEqual(positions);
        expect(positions.every((position) => b.reached(end.cursor, position))).toBe(true);
      });
    });

    describe('vouch', () => {
      const tags = ['#ns:one', '#ns:two', '#ns:three'];

      it('ends what a namespace held, marks it, and says so in the log; a second time nothing', async () => {
        const fresh = harness.prefix();
        const x = await join(harness.create(fresh));
        const y = await join(harness.create(fresh));
        const from = await x.poll(null, tags);
        expect(from.unvouched).toEqual(tags);
        const before = await x.nonces(tags);
        expect(await x.vouch(from.epoch, ['#ns:one', '#ns:two'])).toBe(true);
        const after = await y.nonces(tags);
        expect(after.map((nonce, i) => nonce === before[i])).toEqual([false, false, true]);
        expect((await y.poll(null, tags)).unvouched).toEqual(['#ns:three']);
        expect(await y.vouch(from.epoch, ['#ns:two', '#ns:three'])).toBe(true);
        expect(await x.nonces(['#ns:one', '#ns:two'])).toEqual(after.slice(0, 2));
        const { records } = await readAll(y, from);
        expect(records.flatMap((record) => record.tags)).toEqual(tags);
        expect((await x.poll(null, tags)).unvouched).toEqual([]);
      });

      it('vouches for no other data set than the one it was asked about', async () => {
        const before = await a.nonces(tags);
        expect(await a.vouch('0'.repeat(40), tags)).toBe(false);
        expect(await a.nonces(tags)).toEqual(before);
        expect((await a.poll(null, tags)).unvouched).toEqual(tags);
      });
    });

    describe('poll', () => {
      it('opens an empty log with a record to hold on to, once for all', async () => {
        const fresh = harness.prefix();
        const [x, y] = [await join(harness.create(fresh)), await join(harness.create(fresh))];
        const [px, py] = await Promise.all([x.poll(null, []), y.poll(null, [])]);
        expect(px).toMatchObject({ records: [], complete: true, lost: false });
        expect(px.cursor).toBe(py.cursor);
        expect(px.epoch).toBe(py.epoch);
        expect(await x.poll(px.cursor, [])).toEqual({ ...px, records: [] });
      });

      it('opens at the newest record, and answers those after a position in order, again and again', async () => {
        const from = await a.poll(null, []);
        const keys = [newKey(), newKey(), newKey()];
        for (const key of keys) await b.invalidate({ keys: [key], tags: [] });
        const page = await a.poll(from.cursor, []);
        expect(page).toMatchObject({ complete: true, lost: false, epoch: from.epoch });
        expect(inOrder(page.records.map(({ keys: [key] }) => key!))).toEqual(inOrder(keys));
        expect(page.records.every((record) => record.keys.length === 1)).toBe(true);
        expect(page.records.map(({ position }) => a.reached(page.cursor, position))).toEqual([
          true,
          true,
          true,
        ]);
        expect(page.records.map(({ position }) => a.reached(from.cursor, position))).toEqual([
          false,
          false,
          false,
        ]);
        expect(await a.poll(from.cursor, [])).toEqual(page);
        expect((await b.poll(null, [])).cursor).toBe(page.cursor);
      });

      it('carries names of any script', async () => {
        const from = await a.poll(null, []);
        const [keys, tags] = [
          ['odd:"\\\n\0{}', 'odd:😀'],
          ['ä"', "t'1"],
        ];
        await b.invalidate({ keys, tags, pattern: 'odd:"*' });
        expect((await a.poll(from.cursor, [])).records).toMatchObject([{ keys, tags, pattern: 'odd:"*' }]);
      });

      it('says when there is more than a page, and loses nothing between pages', async () => {
        const from = await a.poll(null, []);
        const keys = Array.from({ length: 1_200 }, newKey);
        await Promise.all(keys.map((key) => b.invalidate({ keys: [key], tags: [] })));
        const first = await a.poll(from.cursor, []);
        expect(first.complete).toBe(false);
        const { records } = await readAll(a, from);
        expect(inOrder(records.map((record) => record.keys[0]!))).toEqual(inOrder(keys));
      });

      it('is lost when the log was trimmed beyond the position, and not when it was trimmed before it', async () => {
        const old = await a.poll(null, []);
        await a.invalidate({ keys: [newKey()], tags: [] });
        const kept = await a.poll(null, []);
        await a.invalidate({ keys: [newKey()], tags: [] });
        await harness.trimLog(prefix, 2);
        expect(await b.poll(old.cursor, [])).toMatchObject({ lost: true, records: [] });
        expect(await b.poll(kept.cursor, [])).toMatchObject({ lost: false });
        expect((await b.poll(kept.cursor, [])).records).toHaveLength(1);
      });

      it('is lost when everything is gone, and when new records took the place', async () => {
        const old = await a.poll(null, []);
        await harness.flush(prefix);
        expect((await a.poll(old.cursor, [])).lost).toBe(true);
        await b.invalidate({ keys: [newKey()], tags: [] });
        expect((await a.poll(old.cursor, [])).lost).toBe(true);
        const opened = await a.poll(null, []);
        expect(opened).toMatchObject({ lost: false, complete: true });
        expect((await a.poll(opened.cursor, [])).lost).toBe(false);
      });

      it('is lost for a position that never was one', async () => {
        expect((await a.poll('nonsense', [])).lost).toBe(true);
        expect((await a.poll('1-1', [])).lost).toBe(true);
      });

      it('is lost when a record between is missing', async () => {
        if (!harness.punchLog) return;
        const from = await a.poll(null, []);
        for (let i = 0; i < 3; i++) await a.invalidate({ keys: [newKey()], tags: [] });
        await harness.punchLog(prefix, 1);
        expect(await b.poll(from.cursor, [])).toMatchObject({ lost: true, records: [] });
      });
    });

    describe('scan', () => {
      it('finds values and leases by prefix, more than a thousand, and nobody else’s', async () => {
        const own = harness.prefix();
        const tier = await join(harness.create(own));
        const longer = await join(harness.create(`${own}x`));
        const inner = await join(harness.create(`${own}:users`));
        const keys = Array.from({ length: 1_100 }, (_, i) => `users:${i}`);
        const tokens = keys.map(newToken);
        await tier.acquireMany(keys.map((key, i) => ({ key, token: tokens[i]!, leaseMs: 60_000 })));
        const filled = keys
          .slice(0, 600)
          .map((key, i) => ({ key, token: tokens[i]!, value: bytes(8), ttlMs: 60_000 }));
        await tier.fillMany(filled);
        await tier.acquireMany(
          filled
            .slice(0, 50)
            .map(({ key, token, value }) => ({ key, token, leaseMs: 60_000, rejected: value, keep: true })),
        );
        await tier.acquire({ key: 'userspace:1', token: newToken(), leaseMs: 60_000 });
        await tier.acquire({ key: 'users*:1', token: newToken(), leaseMs: 60_000 });
        await tier.nonces(['users:1']);
        await tier.fence(['users:fenced'], 'f', 60_000);
        await tier.invalidate({ keys: [], tags: [] });
        for (const other of [longer, inner]) {
          const token = newToken();
          await other.acquire({ key: 'users:foreign', token, leaseMs: 60_000 });
          await other.fill({ key: 'users:foreign', token, value: bytes(8), ttlMs: 60_000 });
        }
        const found = new Set<string>();
        for await (const batch of tier.scan('users:', 100)) {
          expect(batch.length).toBeLessThanOrEqual(100);
          expect(new Set(batch).size).toBe(batch.length);
          for (const key of batch) found.add(key);
        }
        expect([...found].sort()).toEqual([...keys].sort());
        expect(await scanned(tier, 'users*')).toEqual(['users*:1']);
        expect((await scanned(tier, '')).length).toBe(1_102);
        expect(await scanned(inner, '')).toEqual(['users:foreign']);
        expect(await scanned(tier, 'nothing')).toEqual([]);
      });
    });

    describe('prefixes', () => {
      it('share nothing: entries, tags, log', async () => {
        const other = await join(harness.create(harness.prefix()));
        const key = newKey();
        await stored(key);
        const [nonce] = await a.nonces(['shared']);
        expect(await other.get(key)).toBeNull();
        expect(await other.nonces(['shared'])).not.toEqual([nonce]);
        const from = await a.poll(null, []);
        await other.invalidate({ keys: [key], tags: ['shared'] });
        expect(await a.get(key)).not.toBeNull();
        expect(await a.nonces(['shared'])).toEqual([nonce]);
        expect((await a.poll(from.cursor, [])).records).toEqual([]);
      });
    });

    describe('another server', () => {
      it('shows another epoch, on the same object, without being told', async () => {
        if (!harness.restart) return;
        const before = await a.poll(null, []);
        await harness.restart();
        await until(() => a.state === 'ready' && b.state === 'ready');
        let after: LogPage | undefined;
        await until(
          async () => (after = await a.poll(before.cursor, []).catch(() => undefined)) !== undefined,
        );
        expect(after!.epoch).not.toBe(before.epoch);
      });
    });
  });
}

async function readAll(tier: RemoteTier, from: LogPage): Promise<{ records: LogRecord[]; end: LogPage }> {
  const records: LogRecord[] = [];
  let end = from;
  do {
    end = await tier.poll(end.cursor, []);
    expect(end.lost).toBe(false);
    records.push(...end.records);
  } while (!end.complete);
  return { records, end };
}

async function scanned(tier: RemoteTier, prefix: string): Promise<string[]> {
  const keys = new Set<string>();
  for await (const batch of tier.scan(prefix)) for (const key of batch) keys.add(key);
  return [...keys];
}
