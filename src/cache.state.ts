import type { CacheHealth } from '#tiered-cache';

/** The engine's state, and 'degraded' while shared entries, of some namespaces or all, are not believed. */
export function stateOf(health: CacheHealth): CacheHealth['state'] {
  const believed = health.quarantined.length === 0 && health.secondBus?.sharedTrusted !== false;
  return health.state === 'up' && !believed ? 'degraded' : health.state;
}

/** Reads and fills go through the configured shared tier; true in embedded mode, which has none to lose. */
export function isConnected({ remote, circuit }: CacheHealth): boolean {
  return !remote.configured || (remote.state === 'ready' && circuit !== 'open');
}

/** Why it is not simply up, most urgent first; empty when it is. */
export function stateReasons(health: CacheHealth): string[] {
  const reasons: string[] = [];
  const { secondBus } = health;
  if (health.state === 'down') reasons.push('The cache is closed or cannot serve: restart the process.');
  if (!isConnected(health)) {
    reasons.push(
      `The shared tier is ${health.circuit === 'open' ? 'failing (circuit open)' : health.remote.state}: reads come from memory and the source until it is back; nothing needs to be restarted.`,
    );
  } else if (secondBus?.sharedTrusted === false) {
    reasons.push(
      'The shared tier is not believed before everything that was changed while it did not answer has been replayed to it from the outbox; reads come from memory and the source. It passes by itself.',
    );
  } else if (health.quarantined.length > 0) {
    reasons.push(
      `After a failover or restart of the shared tier its entries of ${health.quarantined.join(', ')} are not believed until a node has ended the old ones there; reads come from memory and the source. It passes by itself.`,
    );
  }
  if (secondBus?.active === true && secondBus.problem !== null)
    reasons.push(`The outbox cannot stand in for the shared tier: ${secondBus.problem}.`);
  if (health.pendingInvalidations > 0) {
    reasons.push(
      `${health.pendingInvalidations} invalidation(s) wait for the shared tier; this node bypasses those entries until then.`,
    );
  }
  return reasons;
}
