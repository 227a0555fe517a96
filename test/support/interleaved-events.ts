import { setImmediate as nextTurn } from 'node:timers/promises';
import type { HubCommand, HubMessage } from '../../libs/tiered-cache/src/remote/in-process/hub-faults.js';
import type { TimerOwner } from './interleaved-clock.js';

/** One process of the fleet, as the schedule sees it. */
export interface Actor extends TimerOwner {
  readonly name: string;
}

/** A command with its answer. */
interface Exchange {
  readonly command: HubCommand;
  readonly actor: Actor;
  givenUp: boolean;
}

/** Something that can happen next. */
export interface Event {
  readonly id: number;
  readonly kind: 'request' | 'answer' | 'load' | 'timer' | 'commit';
  readonly actor: Actor;
  readonly what: string;
  readonly since: number;
  readonly exchange?: Exchange;
  run(): void;
  /** A load that fails. */
  fail?(): void;
}

/**
 * All that can happen next, and nothing happens by itself: messages between nodes and hub, in both directions and any
 * order; answers of the source; timers that fell due while their node was stopped. An event happens when a test runs it,
 * with everything that follows without another event.
 */
export class EventPool {
  private readonly pool: Event[] = [];
  private serial = 0;
  private executing: Exchange | undefined;
  private latest: Exchange | undefined;

  constructor(
    private readonly now: () => number,
    private readonly log: (line: string) => void,
  ) {}

  /** The newest id given: what comes later has a higher one. */
  get newest(): number {
    return this.serial;
  }

  get all(): readonly Event[] {
    return this.pool;
  }

  /** What can happen now: a stopped process hears nothing, a dead one never will. */
  get possible(): Event[] {
    for (let i = this.pool.length - 1; i >= 0; i--) {
      const event = this.pool[i]!;
      const heardByNobody = event.actor.dead || event.exchange?.givenUp === true;
      if (event.kind !== 'request' && heardByNobody) this.pool.splice(i, 1);
    }
    return this.pool.filter(({ kind, actor }) => kind === 'request' || !actor.paused);
  }

  /** For `hub.inject({ how })`. */
  onMessage(message: HubMessage, actor: Actor): void {
    const { at, command } = message;
    const answered = at === 'answer' && command !== 'wake' ? this.executing : undefined;
    const exchange = answered ?? { command, actor, givenUp: false };
    if (at === 'request') this.latest = exchange;
    const what =
      command === 'wake'
        ? `${actor.name} is woken`
        : at === 'request'
          ? `the hub executes ${command} of ${actor.name}`
          : `${actor.name} has its answer to ${command}`;
    this.add(at, actor, what, exchange, () => {
      this.executing = exchange;
      message.arrive();
      this.executing = undefined;
    });
  }

  /** The hub arms a command's timeout right after it was sent: the timer belongs to the process that sent it. */
  timeoutOfLatest(): { actor: Actor; givenUp(): void } | undefined {
    const { latest } = this;
    if (latest === undefined) return undefined;
    return {
      actor: latest.actor,
      givenUp: () => {
        latest.givenUp = true;
        this.log(`${latest.actor.name} gives up waiting for ${latest.command}`);
      },
    };
  }

  addLoad(actor: Actor, what: string, run: () => void, fail: () => void): void {
    this.add('load', actor, what, undefined, run, fail);
  }

  addCommit(actor: Actor, what: string, run: () => void): void {
    this.add('commit', actor, what, undefined, run);
  }

  addLateTimer(actor: Actor, fn: () => void): void {
    this.add('timer', actor, `${actor.name} fires a late timer`, undefined, fn);
  }

  async run(event: Event): Promise<void> {
    this.take(event);
    this.log(event.what + (event.exchange?.givenUp === true ? ' (given up long ago)' : ''));
    event.run();
    await nextTurn();
  }

  async fail(event: Event): Promise<void> {
    this.take(event);
    this.log(`${event.what}: it fails`);
    event.fail?.();
    await nextTurn();
  }

  /** A message that never arrives. */
  lose(event: Event): void {
    this.take(event);
    this.log(`lost: ${event.what}`);
  }

  /** What was never sent. */
  drop(unsent: (event: Event) => boolean): void {
    for (const event of this.pool.filter(unsent)) this.take(event);
  }

  /** Runs what is wanted, the oldest first, until nothing of it is left. */
  async drain(wanted: (event: Event) => boolean): Promise<void> {
    await nextTurn();
    for (let i = 0; i < 2_000; i++) {
      const event = this.possible.find(wanted);
      if (event === undefined) return;
      await this.run(event);
    }
    throw new Error('the fleet never comes to rest');
  }

  private take(event: Event): void {
    const at = this.pool.indexOf(event);
    if (at >= 0) this.pool.splice(at, 1);
  }

  private add(
    kind: Event['kind'],
    actor: Actor,
    what: string,
    exchange: Exchange | undefined,
    run: () => void,
    fail?: () => void,
  ): void {
    const event: Event = { id: ++this.serial, kind, actor, what, since: this.now(), run };
    this.pool.push({
      ...event,
      ...(exchange === undefined ? {} : { exchange }),
      ...(fail === undefined ? {} : { fail }),
    });
  }
}
