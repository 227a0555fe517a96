import {
  createInProcessTier,
  InProcessHub,
  type NamespaceOptions,
  type RemoteTier,
  TieredCache,
} from '../../libs/tiered-cache/src/index.js';
import { BOUND, TIMEOUT } from './fleet.js';
import { InterleavedClock } from './interleaved-clock.js';
import { type Actor, EventPool } from './interleaved-events.js';

/** One process: its cache, and its end of the line. */
export interface Member extends Actor {
  readonly cache: TieredCache;
  readonly tier: RemoteTier;
  /** Its polls and wakes do not arrive by themselves. */
  deaf: boolean;
}

/** Several nodes over one hub, between which nothing arrives and no time passes unless the test says so. */
export class InterleavedFleet {
  readonly hub: InProcessHub;
  readonly members: Member[] = [];
  readonly events: EventPool;
  private readonly clock: InterleavedClock;
  private readonly byTier = new Map<RemoteTier, Member>();
  private readonly stranger: RemoteTier;
  private born = 0;

  constructor(
    nodes: number,
    private readonly items: NamespaceOptions,
    log: (line: string) => void,
  ) {
    this.clock = new InterleavedClock((owner, fn) => this.events.addLateTimer(owner as Actor, fn));
    this.events = new EventPool(() => this.now, log);
    const hubClock = this.clock.of({ paused: false, dead: false });
    this.hub = new InProcessHub({
      clock: {
        ...hubClock,
        // The only timers the hub sets are its clients' timeouts.
        setTimer: (ms, fn) => {
          const sent = this.events.timeoutOfLatest();
          if (sent === undefined) return hubClock.setTimer(ms, fn);
          return this.clock.of(sent.actor).setTimer(ms, () => {
            sent.givenUp();
            fn();
          });
        },
      },
      commandTimeoutMs: TIMEOUT,
      pageSize: 2,
    });
    this.stranger = createInProcessTier(this.hub);
    this.hub.inject({
      how: (message) => {
        const member = this.byTier.get(message.tier);
        if (member === undefined) message.arrive();
        else this.events.onMessage(message, member);
      },
    });
    this.stranger.start({ wake: () => undefined, stateChanged: () => undefined });
    for (let slot = 0; slot < nodes; slot++) this.members.push(this.bear(slot));
  }

  get now(): number {
    return this.clock.now;
  }

  /** A process is killed: it never goes on, and another takes its place. */
  kill(slot: number): Member {
    const dead = this.members[slot]!;
    dead.dead = true;
    this.members[slot] = this.bear(slot);
    return dead;
  }

  /** Somebody else writes a record, of something else. */
  async append(): Promise<void> {
    await this.stranger.invalidate({ keys: ['others:x'], tags: [] });
  }

  /** Another process, for looking at the shared tier alone. */
  observer(): Member {
    return this.bear(-1, { ...this.items, tiers: ['l2'] });
  }

  pass(ms: number, between: () => Promise<void>): Promise<void> {
    return this.clock.pass(ms, between);
  }

  private bear(slot: number, items = this.items): Member {
    const tier = createInProcessTier(this.hub);
    const generation = slot < 0 ? 'observer' : `node ${slot}${"'".repeat(Math.max(0, this.born++ - slot))}`;
    const member: Actor & { deaf: boolean } = { name: generation, paused: false, dead: false, deaf: false };
    const cache = new TieredCache({
      namespaces: { items },
      stalenessBound: BOUND,
      l1: { maxEntries: 100 },
      random: () => 0.5,
      clock: this.clock.of(member),
      remote: tier,
    });
    const whole = Object.assign(member, { cache, tier });
    this.byTier.set(tier, whole);
    cache.start();
    return whole;
  }
}
