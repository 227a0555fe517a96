import { type CacheCore, namespaceTag, remoteLost, validUntil } from './cache-core.js';
import type { BusHealth } from './coherence/bus-follower.js';
import type { CircuitName } from './resilience/guarded-remote.js';

/** How the cache is. 'degraded': the shared tier is away, L1 or the source serves. 'down': closed. */
export interface CacheHealth {
  state: 'up' | 'degraded' | 'down';
  remote: { configured: boolean; state: string };
  circuit: CircuitName;
  /** The validity clock runs: L1 may serve. */
  l1: { serving: boolean };
  /** Invalidations the shared tier has not answered yet. */
  pendingInvalidations: number;
  /** Namespaces whose entries in the shared tier are not believed yet, after a failover or restart. */
  quarantined: string[];
  /** The second bus (outbox) that L1 goes on by while the shared tier is away; null: there is none. */
  secondBus: BusHealth | null;
}

export function healthOf(core: CacheCore): CacheHealth {
  const { remote } = core;
  return {
    state: core.closed ? 'down' : remoteLost(core) ? 'degraded' : 'up',
    remote: { configured: remote !== null, state: remote === null ? 'embedded' : remote.tier.state },
    circuit: remote?.circuit ?? 'closed',
    l1: { serving: core.clock.monotonic() < Math.max(validUntil(core), core.bus?.validUntil ?? -Infinity) },
    pendingInvalidations: core.pending.size,
    quarantined: (core.log?.quarantined() ?? []).map((tag) => tag.slice(namespaceTag('').length)),
    secondBus: core.bus?.health() ?? null,
  };
}
