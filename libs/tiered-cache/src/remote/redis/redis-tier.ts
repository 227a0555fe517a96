import type { Redis, RedisOptions } from 'ioredis';
import type {
  Acquired,
  AcquireRequest,
  EntryKey,
  FillRequest,
  Invalidation,
  LogCursor,
  LogPage,
  LogPosition,
  NoncesAt,
  RemoteDescription,
  RemoteListener,
  RemoteState,
  RemoteTier,
} from '../remote-tier.js';
import { chunks } from './chunks.js';
import { createClusterTier } from './cluster/cluster-tier.js';
import {
  acquireCall,
  acquired,
  argBytes,
  CHUNK,
  CHUNK_BYTES,
  fillCall,
  fingerprint,
  freshNonce,
  px,
  take,
} from './redis-arguments.js';
import { RedisConnection } from './redis-connection.js';
import { unavailable, withoutCommand } from './redis-errors.js';
import { pickInfo } from './redis-info.js';
import { RedisKeys } from './redis-keys.js';
import {
  compareIds,
  encodeNames,
  NoMasterError,
  readPlace,
  RedisLogReader,
  writePlace,
} from './redis-log.js';
import { type RedisTierOptions, type ResolvedRedisOptions, resolveRedisOptions } from './redis-options.js';
import { runScript, type ScriptCall, type ScriptName } from './redis-scripts.js';
import { BLOCK_MS, RedisWaker } from './redis-waker.js';

/**
 * The shared tier on Redis: one server, one found by Sentinel, or a cluster. Nothing is loaded or opened before `start()`,
 * which needs the package ioredis.
 * @throws InvalidOptionsError
 */
export function createRedisTier(options: RedisTierOptions): RemoteTier {
  if (options.cluster !== undefined) return createClusterTier(options);
  return new RedisTier(resolveRedisOptions(options));
}

class RedisTier implements RemoteTier {
  readonly kind = 'redis';
  readonly atomicLog = true;
  private current: RemoteState = 'idle';
  private reason: string | undefined;
  private listener: RemoteListener | undefined;
  private readonly keys: RedisKeys;
  private readonly log: RedisLogReader;
  private readonly commands: RedisConnection;
  private readonly reader: RedisConnection;
  private readonly waker: RedisWaker;

  constructor(private readonly options: ResolvedRedisOptions) {
    this.keys = new RedisKeys(options.prefix);
    this.log = new RedisLogReader(this.keys.log(), this.keys.marks());
    this.commands = new RedisConnection('commands', options, options.commandTimeoutMs, {
      ready: () => this.become('ready'),
      down: (reason) => this.become('down', reason),
    });
    // Its deadline is there to notice a dead line, not to hurry a blocking read.
    this.reader = new RedisConnection('log-reader', options, BLOCK_MS + 1_000, {
      ready: () => this.waker.start(),
      down: () => undefined, // only wakes; the state is the other connection's
    });
    this.waker = new RedisWaker(this.reader, this.keys.log(), () => this.listener?.wake());
  }

  get state(): RemoteState {
    return this.current;
  }

  start(listener: RemoteListener): void {
    if (this.current !== 'idle') return;
    this.listener = listener;
    this.become('connecting');
    void this.connect();
  }

  async stop(): Promise<void> {
    this.become('stopped');
    this.waker.stop();
    await Promise.all([this.commands.close(), this.reader.close()]);
  }

  async describe(): Promise<RemoteDescription> {
    const server = await this.commands
      .run((client) => client.info())
      .then(
        pickInfo,
        () => undefined, // away, or INFO is refused: the rest is still worth telling
      );
    return {
      kind: this.kind,
      state: this.current,
      endpoint: this.commands.endpoint,
      connections: [this.commands, this.reader].map(({ name, status }) => ({ name, state: status })),
      ...(server ? { server } : {}),
    };
  }

  get(key: EntryKey): Promise<Buffer | null> {
    return this.commands.run((client) => client.getBuffer(this.keys.entry(key, 'v')));
  }

  getMany(keys: readonly EntryKey[]): Promise<(Buffer | null)[]> {
    if (keys.length <= CHUNK) return keys.length === 0 ? Promise.resolve([]) : this.mget(keys);
    return Promise.all(Array.from(chunks(keys, CHUNK), (part) => this.mget(part))).then((all) => all.flat());
  }

  private mget(keys: readonly EntryKey[]): Promise<(Buffer | null)[]> {
    const names = keys.map((key) => this.keys.entry(key, 'v'));
    return this.commands.run((client) => client.mgetBuffer(names));
  }

  acquire(request: AcquireRequest): Promise<Acquired> {
    return this.script('strataAcquire', acquireCall(this.keys, request)).then(acquired);
  }

  /** Rejects only when not a single one was answered. */
  async acquireMany(requests: readonly AcquireRequest[]): Promise<Acquired[]> {
    const answers = await this.acquireEach(requests);
    const failure = answers.find((answer) => answer instanceof Error);
    if (failure && answers.every((answer) => answer instanceof Error)) throw failure;
    return answers.map((answer) => (answer instanceof Error ? { outcome: 'unknown' } : answer));
  }

  async release(key: EntryKey, token: string): Promise<void> {
    await this.script('strataRelease', { keys: [this.keys.entry(key, 'l')], args: [token] });
  }

  fill(request: FillRequest): Promise<boolean> {
    return this.script('strataFill', fillCall(this.keys, request)).then((answer) => answer === 1);
  }

  /** Rejects when one of them was not answered. */
  async fillMany(requests: readonly FillRequest[]): Promise<boolean[]> {
    return (await this.fillEach(requests)).map((answer) => {
      if (answer instanceof Error) throw answer;
      return answer;
    });
  }

  async replace(
    key: EntryKey,
    expected: Buffer,
    next: Buffer,
    ttlMs: number | null,
  ): Promise<readonly LogPosition[] | null> {
    const answer = await this.script('strataReplace', {
      keys: [this.keys.entry(key, 'v'), this.keys.log()],
      args: [fingerprint(expected), next, px(ttlMs), this.options.logMaxLength, encodeNames([key])],
    });
    return answer === 0 ? null : [String(answer)];
  }

  async nonces(tags: readonly string[]): Promise<string[]> {
    const nonces: string[] = [];
    for (const part of chunks(tags, CHUNK)) {
      const call = { keys: part.map((tag) => this.keys.nonce(tag)), args: part.map(freshNonce) };
      for (const nonce of (await this.script('strataNonce', call)) as Buffer[]) nonces.push(nonce.toString());
    }
    return nonces;
  }

  /** In several scripts the last one's place covers them all. */
  async noncesAt(tags: readonly string[]): Promise<NoncesAt> {
    const nonces: string[] = [];
    let at: LogCursor | null = null;
    for (const part of chunks(tags, CHUNK)) {
      const keys = [this.keys.log(), ...part.map((tag) => this.keys.nonce(tag))];
      const answer = (await this.script('strataNonceAt', { keys, args: part.map(freshNonce) })) as Buffer[];
      const [id, prev, ...found] = answer.map(String);
      for (const nonce of found) nonces.push(nonce);
      at = id ? writePlace({ id, prev }) : null;
    }
    return { nonces, at };
  }

  /** Many keys and tags go in several scripts, one record each; the last one carries the pattern. */
  async invalidate({ keys, tags, pattern, fenceId = '', hold }: Invalidation): Promise<LogPosition[]> {
    const items = [
      ...new Map(keys.map((key, i) => [key, { key, tag: undefined, token: hold?.tokens[i] ?? '' }])).values(),
      ...[...new Set(tags)].map((tag) => ({ key: undefined, tag, token: '' })),
    ];
    const parts = items.length > 0 ? [...chunks(items, CHUNK)] : [[]];
    const positions: LogPosition[] = [];
    for (const [i, part] of parts.entries()) {
      const partKeys = part.flatMap(({ key }) => (key === undefined ? [] : [key]));
      const partTags = part.flatMap(({ tag }) => (tag === undefined ? [] : [tag]));
      const answer = await this.script('strataInvalidate', {
        keys: [
          this.keys.log(),
          ...partKeys.flatMap((key) => [...this.keys.entryKeys(key), this.keys.nonceOfEntry(key)]),
          ...partTags.map((tag) => this.keys.nonce(tag)),
        ],
        args: [
          this.options.logMaxLength,
          partKeys.length,
          fenceId,
          encodeNames(partKeys),
          encodeNames(partTags),
          i === parts.length - 1 ? (pattern ?? '') : '',
          px(hold?.leaseMs ?? 1),
          ...part.flatMap(({ key, token }) => (key === undefined ? [] : [token])),
        ],
      });
      positions.push(String(answer));
    }
    return positions;
  }

  async fence(keys: readonly EntryKey[], fenceId: string, ms: number): Promise<LogPosition[]> {
    const positions: LogPosition[] = [];
    for (const part of chunks([...new Set(keys)], CHUNK)) {
      const answer = await this.script('strataFence', {
        keys: [this.keys.log(), ...part.flatMap((key) => this.keys.entryKeys(key))],
        args: [this.options.logMaxLength, fenceId, px(ms), encodeNames(part)],
      });
      positions.push(String(answer));
    }
    return positions;
  }

  async unfence(keys: readonly EntryKey[], fenceId: string): Promise<void> {
    await Promise.all(
      keys.map((key) => this.commands.run((client) => client.zrem(this.keys.entry(key, 'f'), fenceId))),
    );
  }

  reached(cursor: LogCursor, position: LogPosition): boolean {
    return compareIds(readPlace(cursor).id, readPlace(position).id) >= 0;
  }

  async vouch(epoch: string, tags: readonly string[]): Promise<boolean> {
    const answer = await this.script('strataVouch', {
      keys: [this.keys.marks(), this.keys.log(), ...tags.map((tag) => this.keys.nonce(tag))],
      args: [epoch, this.options.logMaxLength, encodeNames(tags)],
    });
    return answer === 1;
  }

  async poll(from: LogCursor | null, tags: readonly string[]): Promise<LogPage> {
    const since =
      from ??
      String(await this.script('strataOpen', { keys: [this.keys.log()], args: [this.options.logMaxLength] }));
    const page = await this.commands
      .run((client) => this.log.read(client, since, tags))
      .catch((error: unknown) => {
        // Reads are all that is sent while the circuit is open, and a replica answers them as if nothing were wrong.
        if (error instanceof NoMasterError) this.commands.reconnect();
        throw error;
      });
    if (!page.lost) this.waker.polledTo(readPlace(page.cursor).id);
    if (from !== null) return page;
    // Nothing is known yet, so what was appended since the opening has nothing to say; a log that went away
    // in that instant must not look open.
    if (page.lost)
      throw unavailable(new Error('the log was lost while it was opened'), this.commands.endpoint);
    return { ...page, records: [], complete: true };
  }

  async *scan(prefix: string, batch = 500): AsyncIterable<EntryKey[]> {
    const pattern = this.keys.scanPattern(prefix);
    const found = new Set<EntryKey>();
    let cursor = '0';
    do {
      const [next, keys] = await this.commands.run((client) =>
        client.scan(cursor, 'MATCH', pattern, 'COUNT', 1_000),
      );
      cursor = next;
      for (const key of keys) {
        const entry = this.keys.entryOf(key);
        if (entry !== null) found.add(entry);
      }
      while (found.size >= batch || (cursor === '0' && found.size > 0)) yield take(found, batch);
    } while (cursor !== '0');
  }

  private async connect(): Promise<void> {
    try {
      // Lazily, so that a cache without this tier works without the package.
      const { Redis: Client } = await import('ioredis');
      const make = (settings: RedisOptions): Redis => new Client(settings);
      this.commands.open(make);
      this.reader.open(make);
    } catch (error) {
      this.become('down', withoutCommand(error).message);
    }
  }

  async acquireEach(requests: readonly AcquireRequest[]): Promise<(Acquired | Error)[]> {
    const calls = requests.map((request) => acquireCall(this.keys, request));
    return (await this.inOne('strataAcquireMany', calls)).map((answer) =>
      answer instanceof Error ? answer : acquired(answer),
    );
  }

  async fillEach(requests: readonly FillRequest[]): Promise<(boolean | Error)[]> {
    const calls = requests.map((request) => fillCall(this.keys, request));
    return (await this.inOne('strataFillMany', calls)).map((answer) =>
      answer instanceof Error ? answer : answer === 1,
    );
  }

  private script(name: ScriptName, call: ScriptCall): Promise<unknown> {
    return this.commands.run((client) => runScript(client, name, call));
  }

  /**
   * Each call's answer, or the error in its place, by a script that takes many. A part that nobody answers ends it: a hung
   * server costs one timeout.
   */
  private async inOne(name: ScriptName, calls: readonly ScriptCall[]): Promise<unknown[]> {
    const answers: unknown[] = [];
    for (const part of chunks(calls, CHUNK, argBytes, CHUNK_BYTES)) {
      const call = { keys: part.flatMap(({ keys }) => keys), args: part.flatMap(({ args }) => args) };
      const got = await this.script(name, call).catch((error: unknown) => error as Error);
      if (got instanceof Error) {
        while (answers.length < calls.length) answers.push(got);
        break;
      }
      for (const answer of got as unknown[])
        answers.push(answer instanceof Error ? unavailable(answer, this.commands.endpoint) : answer);
    }
    return answers;
  }

  private become(state: RemoteState, reason?: string): void {
    if (this.current === 'stopped' || (this.current === state && this.reason === reason)) return;
    this.current = state;
    this.reason = reason;
    this.listener?.stateChanged(state, reason);
  }
}
