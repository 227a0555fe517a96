import { setTimeout as sleep } from 'node:timers/promises';
import type { ChainableCommander, Redis } from 'ioredis';
import { RemoteUnavailableError } from '../../../errors.js';
import { chunks } from '../chunks.js';
import { argBytes, CHUNK, CHUNK_BYTES } from '../redis-arguments.js';
import { runScript, type ScriptCall, type ScriptName, SCRIPTS } from '../redis-scripts.js';
import type { ClusterNodes, NodeLink } from './cluster-nodes.js';
import { keySlot } from './key-slot.js';
import { type AddressMap, readRedirection } from './topology.js';

/** A script or a plain command on the keys of one slot. */
export interface SlotCommand {
  readonly slot: number;
  readonly script?: ScriptName;
  readonly command?: string;
  readonly call: ScriptCall;
  /**
   * Commands of one key each that come to the same when sent one after the other. While a slot moves, what touches
   * several keys is refused (TRYAGAIN), unless all of them exist in one place.
   */
  readonly pieces?: readonly SlotCommand[];
}

const MOST_HOPS = 5;
/** Pauses before a command of several keys is given up on a slot that moves. */
const TRY_AGAIN_MS = [5, 10, 20];

export function script(name: ScriptName, call: ScriptCall, pieces?: readonly SlotCommand[]): SlotCommand {
  return { slot: keySlot(call.keys[0]!), script: name, call, pieces };
}

export function plain(command: string, key: string, ...args: (string | number | Buffer)[]): SlotCommand {
  return { slot: keySlot(key), command, call: { keys: [key], args } };
}

/** Sends commands to the masters of their slots, those of one master in one write, and follows redirections. */
export class ClusterCommands {
  constructor(
    private readonly nodes: ClusterNodes,
    private readonly map: AddressMap,
    private readonly timeoutMs: number,
  ) {}

  /** Bulk replies are Buffers. @throws RemoteUnavailableError */
  async run(command: SlotCommand): Promise<unknown> {
    const link = this.nodes.owner(command.slot);
    try {
      return await link.connection.run((client) => send(client, command));
    } catch (error) {
      return this.redirect(command, link, error);
    }
  }

  /** Each one's answer, in order, or the RemoteUnavailableError in its place. */
  async runAll(commands: readonly SlotCommand[]): Promise<unknown[]> {
    const answers: unknown[] = Array.from({ length: commands.length });
    const byNode = new Map<NodeLink, number[]>();
    for (const [i, { slot }] of commands.entries()) {
      try {
        const link = this.nodes.owner(slot);
        const group = byNode.get(link);
        if (group) group.push(i);
        else byNode.set(link, [i]);
      } catch (error) {
        answers[i] = error;
      }
    }
    const groups = [...byNode].map(([link, indices]) => this.runOn(link, commands, indices, answers));
    await Promise.all(groups);
    return answers;
  }

  /** A part that nobody answers ends it: a hung server costs one timeout. */
  private async runOn(
    link: NodeLink,
    commands: readonly SlotCommand[],
    indices: readonly number[],
    answers: unknown[],
  ): Promise<void> {
    let silent: unknown;
    for (const part of chunks(indices, CHUNK, (i) => argBytes(commands[i]!.call), CHUNK_BYTES)) {
      if (silent !== undefined) {
        for (const i of part) answers[i] = silent;
        continue;
      }
      const results = await link.connection.runAll(
        (client) =>
          sendAll(
            client,
            part.map((i) => commands[i]!),
          ),
        part.length,
      );
      if (results.every((result) => result instanceof RemoteUnavailableError && !result.answered))
        silent = results[0];
      await Promise.all(
        part.map(async (i, at) => {
          const result = results[at];
          answers[i] =
            result instanceof Error
              ? await this.redirect(commands[i]!, link, result).catch((error: unknown) => error)
              : result;
        }),
      );
    }
  }

  /**
   * Sends a command on to where its refusal says; it was not executed so far. @throws the failure itself when it is no
   * redirection
   */
  private async redirect(command: SlotCommand, from: NodeLink, failure: unknown): Promise<unknown> {
    const until = performance.now() + this.timeoutMs;
    let error = failure;
    let link = from;
    let again = 0;
    for (let hops = 0; hops <= MOST_HOPS && performance.now() < until; hops++) {
      const message = reply(error);
      const redirection = readRedirection(message, link.address, this.map);
      const asking = redirection?.kind === 'ASK';
      if (redirection) {
        link = asking
          ? this.nodes.follow(redirection.to)
          : this.nodes.moved(redirection.slot, redirection.to);
      } else if (/^TRYAGAIN\b/.test(message)) {
        if (command.pieces) return this.runPieces(command.pieces);
        const pause = TRY_AGAIN_MS[again++];
        if (pause === undefined) break;
        await sleep(pause, undefined, { ref: false });
        link = this.nodes.owner(command.slot);
      } else {
        if (/^CLUSTERDOWN\b/.test(message)) this.nodes.refreshSoon();
        throw error;
      }
      try {
        const { connection } = link;
        if (!asking) return await connection.run((client) => send(client, command));
        const [, answer] = await connection.runAll((client) => sendAsking(client, command), 2);
        if (!(answer instanceof Error)) return answer;
        error = answer;
      } catch (next) {
        error = next;
      }
    }
    // It is this command's slot that is on the move; the next one's may not be.
    throw new RemoteUnavailableError(
      `Redis Cluster: slot ${command.slot} is moving (${reply(error)})`,
      { cause: error },
      true,
    );
  }

  private async runPieces(pieces: readonly SlotCommand[]): Promise<unknown> {
    let answer: unknown;
    for (const piece of pieces) answer = await this.run(piece);
    return answer;
  }
}

/** What the server said; RedisConnection wraps it. */
export function reply(error: unknown): string {
  if (!(error instanceof Error)) return '';
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function send(client: Redis, { script: name, command, call }: SlotCommand): Promise<unknown> {
  if (name !== undefined) return runScript(client, name, call);
  return client.callBuffer(command!, ...call.keys, ...call.args);
}

async function sendAll(client: Redis, commands: readonly SlotCommand[]): Promise<[Error | null, unknown][]> {
  const pipeline = client.pipeline();
  for (const one of commands) add(pipeline, one);
  return (await pipeline.exec()) ?? [];
}

/** ASKING holds for the one command after it: a script has to come with its text, not to be found missing first. */
async function sendAsking(client: Redis, command: SlotCommand): Promise<[Error | null, unknown][]> {
  const pipeline = client.pipeline().call('ASKING');
  addWhole(pipeline, command);
  return (await pipeline.exec()) ?? [];
}

function add(pipeline: ChainableCommander, { script: name, command, call }: SlotCommand): void {
  // Registered commands are the same on a pipeline, which queues them.
  if (name !== undefined) void runScript(pipeline as unknown as Redis, name, call);
  else pipeline.callBuffer(command!, ...call.keys, ...call.args);
}

export function addWhole(pipeline: ChainableCommander, { script: name, command, call }: SlotCommand): void {
  if (name !== undefined)
    pipeline.callBuffer('EVAL', SCRIPTS[name], call.keys.length, ...call.keys, ...call.args);
  else pipeline.callBuffer(command!, ...call.keys, ...call.args);
}
