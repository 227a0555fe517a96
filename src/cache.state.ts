import type { CacheHealth } from '#tiered-cache';

/** The engine's state, and 'degraded' while some namespaces' shared entries are not believed. */
export function stateOf(health: CacheHealth): CacheHealth['state'] {
  return health.state === 'up' && health.quarantined.length > 0 ? 'degraded' : health.state;
}

/** Reads and fills go through the configured shared tier; true in embedded mode, which has none to lose. */
export function isConnected({ remote, circuit }: CacheHealth): boolean {
  return !remote.configured || (remote.state === 'ready' && circuit !== 'open');
}

/** Why it is not simply up, most urgent first; empty when it is. */
export function stateReasons(health: CacheHealth): string[] {
  const reasons: string[] = [];
  if (health.state === 'down') reasons.push('The cache is closed or cannot serve: restart the process.');
  if (!isConnected(health)) {
    reasons.push(
      `The shared tier is ${health.circuit === 'open' ? 'failing (circuit open)' : health.remote.state}: reads come from memory and the source until it is back; nothing needs to be restarted.`,
    );
  } else if (health.quarantined.length > 0) {
    reasons.push(
      `After a failover or restart of the shared tier its entries of ${health.quarantined.join(', ')} are not believed until a node has ended the old ones there; reads come from memory and the source. It passes by itself.`,
    );
  }
  if (health.pendingInvalidations > 0) {
    reasons.push(
      `${health.pendingInvalidations} invalidation(s) wait for the shared tier; this node bypasses those entries until then.`,
    );
  }
  return reasons;
}
