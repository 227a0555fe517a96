import type { Clock } from '../../clock.js';
import type { RemoteTier } from '../remote-tier.js';

/** What travels between a tier and the hub; 'wake' is the one message that the hub sends by itself. */
export type HubCommand =
  | Exclude<keyof RemoteTier, 'kind' | 'state' | 'start' | 'stop' | 'getMany' | 'acquireMany' | 'fillMany'>
  | 'wake';

export interface HubFault {
  /** 'request': before it is executed; 'answer': executed, but the tier does not hear of it (yet). */
  at: 'request' | 'answer';
  /** 'lost' never arrives; 'held' waits until the fault is lifted; a number delays by so many milliseconds. */
  how: 'lost' | 'held' | number;
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
  deliver(at: HubFault['at'], command: HubCommand, tier: RemoteTier, arrive: () => void): boolean {
    const fault = this.match(at, command, tier);
    if (!fault) {
      queueMicrotask(arrive);
      return false;
    }
    fault.left -= 1;
    if (fault.how === 'held') fault.waiting.push(arrive);
    else if (fault.how !== 'lost') this.clock.setTimer(fault.how, arrive);
    return true;
  }

  private match(at: HubFault['at'], command: HubCommand, tier: RemoteTier): ActiveFault | undefined {
    for (const fault of this.active)
      if (
        fault.at === at &&
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
