import type { Clock } from '../../clock.js';
import type { RemoteTier } from '../remote-tier.js';

/** What travels between a tier and the hub; 'wake' is the one message that the hub sends by itself. */
export type HubCommand =
  | Exclude<
      keyof RemoteTier,
      'kind' | 'state' | 'atomicLog' | 'start' | 'stop' | 'getMany' | 'acquireMany' | 'fillMany' | 'noncesAt'
    >
  | 'wake';

/** One message on its way, in the hands of a test: it arrives when `arrive` is called, and is lost if it never is. */
export interface HubMessage {
  readonly at: 'request' | 'answer';
  readonly command: HubCommand;
  readonly tier: RemoteTier;
  /** At once, before the call returns; a second call does nothing. */
  arrive(): void;
}

export interface HubFault {
  /** 'request': before it is executed; 'answer': executed, but the tier does not hear of it (yet). Default: both. */
  at?: 'request' | 'answer';
  /**
   * 'lost' never arrives; 'held' waits until the fault is lifted; a number delays by so many milliseconds; a function is
   * handed each message and decides when it arrives, in whatever order.
   */
  how: 'lost' | 'held' | number | ((message: HubMessage) => void);
  /** Default: all. `getMany` counts as 'get', and so on. */
  commands?: readonly HubCommand[];
  /** Only traffic of this tier. Default: of all. */
  tier?: RemoteTier;
  /** Wears off after so many messages. */
  times?: number;
}

interface ActiveFault extends HubFault {
  left: number;
  waiting: (() => void)[];
}

/** The wire between the tiers and the hub: decides when, and whether, a message arrives. */
export class HubFaults {
  private readonly active = new Set<ActiveFault>();

  constructor(private readonly clock: Clock) {}

  /** Puts a fault on the wire. The returned function lifts it; what it held then arrives, in order. */
  inject(fault: HubFault): () => void {
    const active: ActiveFault = { ...fault, left: fault.times ?? Infinity, waiting: [] };
    this.active.add(active);
    return () => this.lift(active);
  }

  liftAll(): void {
    for (const fault of this.active) this.lift(fault);
  }

  /** Delivers now-or-later; answers true when a fault touched the message, so that the sender arms its timeout. */
  deliver(at: HubMessage['at'], command: HubCommand, tier: RemoteTier, arrive: () => void): boolean {
    const fault = this.match(at, command, tier);
    if (!fault) {
      queueMicrotask(arrive);
      return false;
    }
    fault.left -= 1;
    if (typeof fault.how === 'function') fault.how({ at, command, tier, arrive: once(arrive) });
    else if (fault.how === 'held') fault.waiting.push(arrive);
    else if (fault.how !== 'lost') this.clock.setTimer(fault.how, arrive);
    return true;
  }

  private match(at: HubMessage['at'], command: HubCommand, tier: RemoteTier): ActiveFault | undefined {
    for (const fault of this.active)
      if (
        (!fault.at || fault.at === at) &&
        fault.left > 0 &&
        (!fault.tier || fault.tier === tier) &&
        (!fault.commands || fault.commands.includes(command))
      )
        return fault;
    return undefined;
  }

  private lift(fault: ActiveFault): void {
    this.active.delete(fault);
    for (const arrive of fault.waiting.splice(0)) queueMicrotask(arrive);
  }
}

function once(fn: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    fn();
  };
}
