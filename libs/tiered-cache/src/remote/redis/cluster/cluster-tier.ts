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
} from '../../remote-tier.js';
import { RemoteUnavailableError } from '../../../errors.js';
import { chunks } from '../chunks.js';
import { acquireCall, acquired, CHUNK, fillCall, fingerprint, freshNonce, px } from '../redis-arguments.js';
import { withoutCommand } from '../redis-errors.js';
import { RedisKeys } from '../redis-keys.js';
import { encodeNames } from '../redis-log.js';
import type { RedisTierOptions } from '../redis-options.js';
import { ClusterCommands, plain, script, type SlotCommand } from './cluster-commands.js';
import { summedInfo } from './cluster-info.js';
import { ClusterLogReader } from './cluster-log.js';
import { ClusterNodes } from './cluster-nodes.js';
import { scanMasters } from './cluster-scan.js';
import { ClusterWaker } from './cluster-waker.js';
import { drop, fenceEntry } from './entry-commands.js';
import { keySlot } from './key-slot.js';
import { hasReached, writePosition } from './log-cursor.js';
import { type ResolvedClusterOptions, resolveClusterOptions } from './resolve-cluster-options.js';

/** The names of one record. */
interface Names {
  keys: readonly EntryKey[];
  tags: readonly string[];
  pattern?: string;
}

/**
 * The shared tier on Redis Cluster. An invalidation touches slots of several masters, and the log stands in slots of its
 * own: first every entry and tag is changed, all masters at once, and when all of them have answered, the change is
 * appended to one shard of the log. Readers follow all shards.
 * @throws InvalidOptionsError
 */
export function createClusterTier(options: RedisTierOptions): RemoteTier {
  return new ClusterTier(resolveClusterOptions(options));
}

class ClusterTier implements RemoteTier {
  readonly kind = 'redis-cluster';
  readonly atomicLog = false;
  private current: RemoteState = 'idle';
  private reason: string | undefined;
  private listener: RemoteListener | undefined;
  private readonly keys: RedisKeys;
  private readonly nodes: ClusterNodes;
  private readonly commands: ClusterCommands;
  private readonly log: ClusterLogReader;
  private readonly waker: ClusterWaker;

  constructor(private readonly options: ResolvedClusterOptions) {
    const { common, map, logShards } = options;
    this.keys = new RedisKeys(common.prefix);
    this.nodes = new ClusterNodes(options, {
      stateChanged: (state, reason) => {
        this.become(state, reason);
        if (state === 'ready') this.waker.listen();
      },
      moved: () => this.listener?.wake(),
    });
    this.commands = new ClusterCommands(this.nodes, map, common.commandTimeoutMs);
    this.log = new ClusterLogReader(
      this.nodes,
      this.commands,
      this.keys,
      map,
      logShards,
      common.logMaxLength,
    );
    this.waker = new ClusterWaker(options, this.nodes, this.keys.wakes(), () => this.listener?.wake());
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
    await Promise.all([this.waker.stop(), this.nodes.close()]);
  }

  async describe(): Promise<RemoteDescription> {
    const links = this.nodes.all();
    const server = await summedInfo(links);
    return {
      kind: this.kind,
      state: this.current,
      endpoint: links.map(({ address }) => address).join(','),
      connections: [
        ...links.map(({ address, connection }) => ({ name: address, state: connection.status })),
        { name: 'log-reader', state: this.waker.state },
      ],
      ...(server ? { server } : {}),
    };
  }

  async get(key: EntryKey): Promise<Buffer | null> {
    return (await this.commands.run(this.getCommand(key))) as Buffer | null;
  }

  async getMany(keys: readonly EntryKey[]): Promise<(Buffer | null)[]> {
    return answered(await this.getEach(keys)) as (Buffer | null)[];
  }

  /** Pipelined to each master. */
  async getEach(keys: readonly EntryKey[]): Promise<(Buffer | null | Error)[]> {
    return (await this.commands.runAll(keys.map((key) => this.getCommand(key)))) as (Buffer | null | Error)[];
  }

  acquire(request: AcquireRequest): Promise<Acquired> {
    return this.commands.run(this.acquireCommand(request)).then(acquired);
  }

  /** Rejects only when not a single one was answered. */
  async acquireMany(requests: readonly AcquireRequest[]): Promise<Acquired[]> {
    const answers = await this.acquireEach(requests);
    const failure = answers.find((answer) => answer instanceof Error);
    if (failure && answers.every((answer) => answer instanceof Error)) throw failure;
    return answers.map((answer) => (answer instanceof Error ? { outcome: 'unknown' } : answer));
  }

  async release(key: EntryKey, token: string): Promise<void> {
    await this.commands.run(script('strataRelease', { keys: [this.keys.entry(key, 'l')], args: [token] }));
  }

  fill(request: FillRequest): Promise<boolean> {
    return this.commands.run(this.fillCommand(request)).then((answer) => answer === 1);
  }

  /** Rejects when one of them was not answered. */
  async fillMany(requests: readonly FillRequest[]): Promise<boolean[]> {
    return answered(await this.fillEach(requests)) as boolean[];
  }

  async replace(
    key: EntryKey,
    expected: Buffer,
    next: Buffer,
    ttlMs: number | null,
  ): Promise<readonly LogPosition[] | null> {
    const call = { keys: [this.keys.entry(key, 'v')], args: [fingerprint(expected), next, px(ttlMs)] };
    if ((await this.commands.run(script('strataSwap', call))) === 0) return null;
    return this.append([{ keys: [key], tags: [] }]);
  }

  async nonces(tags: readonly string[]): Promise<string[]> {
    const questions = tags.map((tag) =>
      script('strataNonce', { keys: [this.keys.nonce(tag)], args: [freshNonce()] }),
    );
    const answers = answered(await this.commands.runAll(questions)) as Buffer[][];
    return answers.map(([nonce]) => String(nonce));
  }

  /** A nonce may have changed whose record is still to come. */
  async noncesAt(tags: readonly string[]): Promise<NoncesAt> {
    return { nonces: await this.nonces(tags), at: null };
  }

  /** Two round trips: the entries and tags, then the log; many names go in several records. */
  async invalidate(change: Invalidation): Promise<LogPosition[]> {
    const { pattern, fenceId = '', hold } = change;
    const tokens = new Map(change.keys.map((key, i) => [key, hold?.tokens[i] ?? '']));
    const tags = [...new Set(change.tags)];
    answered(
      await this.commands.runAll([
        ...[...tokens].map(([key, token]) => drop(this.keys, key, fenceId, token, px(hold?.leaseMs ?? 1))),
        ...tags.map((tag) => this.bump(tag)),
      ]),
    );
    return this.append(this.records([...tokens.keys()], tags, pattern));
  }

  async fence(keys: readonly EntryKey[], fenceId: string, ms: number): Promise<LogPosition[]> {
    const own = [...new Set(keys)];
    answered(await this.commands.runAll(own.map((key) => fenceEntry(this.keys, key, fenceId, px(ms)))));
    return own.length === 0 ? [] : this.append(this.records(own, []));
  }

  async unfence(keys: readonly EntryKey[], fenceId: string): Promise<void> {
    answered(
      await this.commands.runAll(keys.map((key) => plain('ZREM', this.keys.entry(key, 'f'), fenceId))),
    );
  }

  async poll(from: LogCursor | null, tags: readonly string[]): Promise<LogPage> {
    const page = await this.log.read(from ?? (await this.log.open()), tags);
    if (from !== null) return page;
    // Nothing is known yet, so what was appended since the opening has nothing to say; a log that went away
    // in that instant must not look open.
    if (page.lost) throw new RemoteUnavailableError('Redis Cluster: the log was lost while it was opened');
    return { ...page, records: [], complete: true };
  }

  reached(cursor: LogCursor, position: LogPosition): boolean {
    return hasReached(cursor, position);
  }

  /**
   * The mark is written last, and names the masters that were there before the first step: whatever is replaced
   * meanwhile is not among them.
   */
  async vouch(epoch: string, tags: readonly string[]): Promise<boolean> {
    const { epoch: now, unvouched } = await this.log.marks(tags);
    if (now !== epoch) return false;
    if (unvouched.length === 0) return true;
    answered(await this.commands.runAll(unvouched.map((tag) => this.bump(tag))));
    await this.append(this.records([], unvouched));
    await this.commands.run(plain('HSET', this.keys.marks(), ...unvouched.flatMap((tag) => [tag, epoch])));
    return true;
  }

  scan(prefix: string, batch = 500): AsyncIterable<EntryKey[]> {
    return scanMasters(this.nodes, this.keys, prefix, batch);
  }

  private async connect(): Promise<void> {
    try {
      // Lazily, so that a cache without this tier works without the package.
      const { Redis: Client } = await import('ioredis');
      const make = (settings: RedisOptions): Redis => new Client(settings);
      if (this.current === 'stopped') return;
      this.waker.start(make);
      this.nodes.open(make);
    } catch (error) {
      this.become('down', withoutCommand(error).message);
    }
  }

  private getCommand(key: EntryKey): SlotCommand {
    return plain('GET', this.keys.entry(key, 'v'));
  }

  private acquireCommand(request: AcquireRequest): SlotCommand {
    return script('strataAcquire', acquireCall(this.keys, request));
  }

  private fillCommand(request: FillRequest): SlotCommand {
    return script('strataFill', fillCall(this.keys, request));
  }

  async acquireEach(requests: readonly AcquireRequest[]): Promise<(Acquired | Error)[]> {
    const answers = await this.commands.runAll(requests.map((request) => this.acquireCommand(request)));
    return answers.map((answer) => (answer instanceof Error ? answer : acquired(answer)));
  }

  async fillEach(requests: readonly FillRequest[]): Promise<(boolean | Error)[]> {
    const answers = await this.commands.runAll(requests.map((request) => this.fillCommand(request)));
    return answers.map((answer) => (answer instanceof Error ? answer : answer === 1));
  }

  private bump(tag: string): SlotCommand {
    return plain('DEL', this.keys.nonce(tag));
  }

  /** The pattern goes with the last one. */
  private records(keys: readonly EntryKey[], tags: readonly string[], pattern?: string): Names[] {
    const names = [...keys.map((key) => ({ key })), ...tags.map((tag) => ({ tag }))];
    const parts = names.length > 0 ? [...chunks<{ key?: string; tag?: string }>(names, CHUNK)] : [[]];
    return parts.map((part, i) => ({
      keys: part.flatMap(({ key }) => key ?? []),
      tags: part.flatMap(({ tag }) => tag ?? []),
      pattern: i === parts.length - 1 ? pattern : undefined,
    }));
  }

  /** Into one shard: any will do, since everybody reads all of them. */
  private async append(records: readonly Names[]): Promise<LogPosition[]> {
    const [first] = records;
    const shard = keySlot(first?.keys[0] ?? first?.tags[0] ?? '') % this.options.logShards;
    const answers = await this.commands.runAll(
      records.map(({ keys, tags, pattern = '' }) =>
        script('strataRecord', {
          keys: [this.keys.log(shard)],
          args: [
            this.options.common.logMaxLength,
            encodeNames(keys),
            encodeNames(tags),
            pattern,
            this.keys.wakes(),
          ],
        }),
      ),
    );
    return answered(answers).map((id) => writePosition(shard, String(id)));
  }

  private become(state: RemoteState, reason?: string): void {
    if (this.current === 'stopped' || (this.current === state && this.reason === reason)) return;
    this.current = state;
    this.reason = reason;
    this.listener?.stateChanged(state, reason);
  }
}

/** @throws the first error among them */
function answered(answers: unknown[]): unknown[] {
  const failure = answers.find((answer) => answer instanceof Error);
  if (failure) throw failure;
  return answers;
}
