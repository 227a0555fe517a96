import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { RemoteUnavailableError } from '../../../errors.js';
import type { LogCursor, LogPage, LogRecord } from '../../remote-tier.js';
import { unavailable, withoutCommand } from '../redis-errors.js';
import type { RedisKeys } from '../redis-keys.js';
import { chained, compareIds, epochOf, PageSize, type Place, type StreamEntry } from '../redis-log.js';
import { type ClusterCommands, plain, script, type SlotCommand } from './cluster-commands.js';
import { clusterEpochOf, type ClusterNodes, type NodeLink } from './cluster-nodes.js';
import { readCursor, writeCursor, writePosition } from './log-cursor.js';
import { type AddressMap, readRedirection } from './topology.js';

/** Field of the marks: over how many shards the nodes of this prefix spread the log. */
const SHARDS_FIELD = '#logShards';
/** Rounds of one look: the first, one after ASK or MOVED, and one after the slot arrived meanwhile. */
const MOST_ROUNDS = 3;

/** A command's turn at a node. */
interface Turn {
  index: number;
  asking: boolean;
}

/** Pauses until all masters agree on the cluster's epoch: what one of them has decided spreads in milliseconds. */
const DISAGREE_MS = [10, 20, 40];

/** What all masters said, each of them with its replid after the rest. */
interface Look {
  /** Of all masters, sorted, joined by ','. */
  epoch: string;
  answers: unknown[];
}

/** What a master says of itself. */
interface Self {
  replid: string;
  /** The newest vote or change of slots that it knows of. */
  clusterEpoch: number;
}

/** Reads the shards of the invalidation log together with the identity of every master's data set. */
export class ClusterLogReader {
  private readonly pageSize = new PageSize();

  constructor(
    private readonly nodes: ClusterNodes,
    private readonly commands: ClusterCommands,
    private readonly keys: RedisKeys,
    private readonly map: AddressMap,
    private readonly shards: number,
    private readonly logMaxLength: number,
  ) {}

  /** Where the newest records stand; a shard without any is opened. @throws RemoteUnavailableError */
  async open(): Promise<LogCursor> {
    const answers = await this.commands.runAll(
      this.eachShard((shard) =>
        script('strataOpen', { keys: [this.keys.log(shard)], args: [this.logMaxLength] }),
      ),
    );
    return writeCursor(
      answers.map((answer) => {
        if (answer instanceof Error) throw answer;
        return { id: String(answer) };
      }),
    );
  }

  /**
   * The records after `from`, in the order of their ids. The log's shards and the epoch are not of one instant, but each
   * master says who it is after it has read its shards: a page is never newer than its epoch.
   */
  async read(from: LogCursor, tags: readonly string[]): Promise<LogPage> {
    const since = readCursor(from, this.shards);
    const count = Math.ceil(this.pageSize.now / this.shards) + 1;
    const ranges = this.eachShard((shard) =>
      plain('XRANGE', this.keys.log(shard), since[shard]!.id, '+', 'COUNT', count),
    );
    const { epoch, answers } = await this.look([...ranges, this.markQuestion(tags)]).catch(
      (error: unknown) => {
        this.pageSize.failed();
        throw error;
      },
    );
    this.pageSize.arrived();
    const unvouched = await this.unvouched(tags, epoch, answers[this.shards] as (string | null)[]);
    const lost: LogPage = { epoch, unvouched, records: [], cursor: from, complete: true, lost: true };
    const records: { id: string; record: LogRecord }[] = [];
    const next: Place[] = [];
    let complete = true;
    for (let shard = 0; shard < this.shards; shard++) {
      const entries = answers[shard] as StreamEntry[];
      const found = chained(since[shard]!, entries);
      if (found === null) return lost;
      complete &&= entries.length < count;
      next.push(found.place);
      for (const record of found.records)
        records.push({
          id: record.position,
          record: { ...record, position: writePosition(shard, record.position) },
        });
    }
    records.sort((a, b) => compareIds(a.id, b.id));
    return {
      epoch,
      unvouched,
      records: records.map(({ record }) => record),
      cursor: writeCursor(next),
      complete,
      lost: false,
    };
  }

  /** The epoch, and which of `tags` nobody has vouched for on it. @throws RemoteUnavailableError */
  async marks(tags: readonly string[]): Promise<{ epoch: string; unvouched: string[] }> {
    const { epoch, answers } = await this.look([this.markQuestion(tags)]);
    return { epoch, unvouched: await this.unvouched(tags, epoch, answers[0] as (string | null)[]) };
  }

  private eachShard<T>(make: (shard: number) => T): T[] {
    return Array.from({ length: this.shards }, (_, shard) => make(shard));
  }

  private markQuestion(tags: readonly string[]): SlotCommand {
    return plain('HMGET', this.keys.marks(), SHARDS_FIELD, ...tags);
  }

  /** A mark lists the masters that were there when somebody vouched; each of those that are there now has to be among them. */
  private async unvouched(
    tags: readonly string[],
    epoch: string,
    [shards, ...marks]: (string | null)[],
  ): Promise<string[]> {
    // One that reads fewer shards than others write would miss records without a gap.
    if (shards === null)
      await this.commands.run(plain('HSETNX', this.keys.marks(), SHARDS_FIELD, this.shards));
    else if (shards !== String(this.shards))
      throw new RemoteUnavailableError(
        `redis.cluster.logShards is ${this.shards} here and ${shards} on other nodes of this prefix`,
      );
    const now = epoch.split(',');
    return tags.filter((_, i) => {
      const vouched = marks[i]?.split(',') ?? [];
      return !now.every((replid) => vouched.includes(replid));
    });
  }

  /**
   * A master that was cut off or stopped while the others put another in its place does not know of their vote: it is not
   * believed, although it still says that it is a master with the data set as ever. @throws RemoteUnavailableError
   */
  private async look(commands: readonly SlotCommand[]): Promise<Look> {
    for (let i = 0; ; i++) {
      const { selves, answers } = await this.lookOnce(commands);
      const all = [...selves.values()];
      const epochs = new Set(all.map(({ clusterEpoch }) => clusterEpoch));
      if (epochs.size === 1)
        return {
          epoch: all
            .map(({ replid }) => replid)
            .sort()
            .join(','),
          answers,
        };
      this.nodes.refreshSoon();
      const pause = DISAGREE_MS[i];
      // No reason to doubt the connections: commands go on, and this is asked again.
      if (pause === undefined)
        throw new RemoteUnavailableError(
          'Redis Cluster: the masters know of different votes',
          undefined,
          true,
        );
      await sleep(pause, undefined, { ref: false });
    }
  }

  /**
   * Asks every master at once: its share of `commands`, then who it is. What a moving slot redirects is asked again where
   * it was sent, followed by the same question. @throws RemoteUnavailableError unless everybody answered
   */
  private async lookOnce(
    commands: readonly SlotCommand[],
  ): Promise<{ selves: Map<NodeLink, Self>; answers: unknown[] }> {
    const answers: unknown[] = Array.from({ length: commands.length });
    const selves = new Map<NodeLink, Self>();
    let turns = new Map<NodeLink, Turn[]>(this.nodes.masters().map((link) => [link, []]));
    for (const [index, { slot }] of commands.entries()) push(turns, this.nodes.owner(slot), index, false);
    for (let round = 0; turns.size > 0; round++) {
      if (round === MOST_ROUNDS) throw new RemoteUnavailableError('Redis Cluster: the log is moving');
      const next = new Map<NodeLink, Turn[]>();
      const asked = [...turns].map(([link, mine]) => this.ask(link, mine, commands, answers, selves, next));
      await Promise.all(asked);
      turns = next;
    }
    return { selves, answers };
  }

  private async ask(
    link: NodeLink,
    turns: readonly Turn[],
    commands: readonly SlotCommand[],
    answers: unknown[],
    selves: Map<NodeLink, Self>,
    next: Map<NodeLink, Turn[]>,
  ): Promise<void> {
    const { address, connection } = link;
    try {
      const results = await connection.run((client) => sendTurns(client, turns, commands));
      const [view, info] = results.splice(-2);
      const failure = view![0] ?? info![0];
      if (failure) throw failure;
      const replid = this.replid(address, String(info![1]));
      if ((selves.get(link)?.replid ?? replid) !== replid)
        throw new RemoteUnavailableError(`Redis at ${address}: replaced during a look`);
      selves.set(link, { replid, clusterEpoch: clusterEpochOf(String(view![1])) });
      for (const [i, { index }] of turns.entries()) {
        const [error, answer] = results[i]!;
        if (!error) answers[index] = answer;
        else {
          const redirection = readRedirection(error.message, address, this.map);
          if (!redirection) throw error;
          const asking = redirection.kind === 'ASK';
          const target = asking
            ? this.nodes.follow(redirection.to)
            : this.nodes.moved(redirection.slot, redirection.to);
          push(next, target, index, asking);
        }
      }
    } catch (error) {
      this.nodes.refreshSoon();
      throw unavailable(error, address);
    }
  }

  private replid(address: string, info: string): string {
    try {
      return epochOf(info);
    } catch (error) {
      this.nodes.disown(address);
      throw new RemoteUnavailableError(`Redis at ${address}: ${withoutCommand(error).message}`);
    }
  }
}

function push(turns: Map<NodeLink, Turn[]>, link: NodeLink, index: number, asking: boolean): void {
  const mine = turns.get(link);
  if (mine) mine.push({ index, asking });
  else turns.set(link, [{ index, asking }]);
}

/** One write; the answers of the turns, then those of CLUSTER INFO and INFO. */
async function sendTurns(
  client: Redis,
  turns: readonly Turn[],
  commands: readonly SlotCommand[],
): Promise<[Error | null, unknown][]> {
  const pipeline = client.pipeline();
  for (const { index, asking } of turns) {
    const { command, call } = commands[index]!;
    if (asking) pipeline.call('ASKING');
    pipeline.call(command!, ...call.keys, ...call.args);
  }
  pipeline.cluster('INFO');
  pipeline.info('replication');
  const results = (await pipeline.exec()) ?? [];
  let at = 0;
  const wanted = turns.map(({ asking }) => {
    if (asking) at++;
    return results[at++]!;
  });
  return [...wanted, results[at]!, results[at + 1]!];
}
