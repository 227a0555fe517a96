import { type CacheCore, l1Serves, type NamespaceCore } from '../cache-core.js';
import { withTimes } from '../codec/wire-header.js';
import { RemoteUnavailableError } from '../errors.js';
import { type L1Node, tagsUnchanged, tickOf } from '../memory/node.js';
import type { EntryKey } from '../remote/remote-tier.js';
import { slideStepMs } from './admit.js';
import { type StoredEntry, judge } from './judge.js';

/** The node of a live entry in L1, also when it needs attention (refresh, sliding). */
export function liveNode(core: CacheCore, ns: NamespaceCore, key: EntryKey): L1Node | undefined {
  const node = core.l1.get(key);
  const now = core.clock.monotonic();
  if (node === undefined || now >= node.expiresAt || !l1Serves(core, ns.settings, now)) return undefined;
  if (node.delivery.isError) return undefined; // an answer, but no entry
  return tagsUnchanged(node) ? node : undefined;
}

/**
 * Gives a live entry the life `lifeMs` from now, on every tier, and keeps what it may be served stale after that.
 * False when there is none, or the shared tier does not answer. `keepNode`: the node of L1 stays, with its new life.
 */
export async function retime(
  core: CacheCore,
  ns: NamespaceCore,
  key: EntryKey,
  lifeMs: number,
  keepNode = false,
): Promise<boolean> {
  const node = liveNode(core, ns, key);
  if (!ns.settings.l2 || core.remote === null) {
    if (node === undefined) return false;
    retimeNode(core, key, node, lifeMs);
    return true;
  }
  const marker = core.markers.open(key, [ns.tag]);
  try {
    const raw = await core.remote.run((tier) => tier.get(key));
    if (raw === null) return false;
    const verdict = await judge(core, ns, ns.settings.consistency === 'strict', marker, raw);
    if (verdict.kind !== 'hit') return false;
    const { header, fingerprint } = verdict.entry;
    const spare = header.expires === Infinity ? 0 : header.staleUntil - header.expires;
    const expires = core.clock.now() + lifeMs;
    const ttl = Number.isFinite(lifeMs) ? Math.max(1, Math.ceil(lifeMs + spare)) : null;
    const next = withTimes(raw, { expires, staleUntil: expires + spare });
    const replaced = await core.remote.run((tier) => tier.replace(key, fingerprint, next, ttl));
    if (replaced === null) return false;
    // What is applied here need not come back through the log, which would drop the node with the new life.
    core.ownRecords.add(replaced);
    core.markers.touchKey(key);
    if (node !== undefined && keepNode) retimeNode(core, key, node, lifeMs);
    else core.l1.delete(key);
    return true;
  } catch (error) {
    if (!(error instanceof RemoteUnavailableError)) throw error;
    return false;
  } finally {
    core.markers.close(marker);
  }
}

/** Sliding expiry, after a hit in L1: renews in the background; a failure only means that the entry ends sooner. */
export function slideNode(core: CacheCore, ns: NamespaceCore, key: EntryKey, node: L1Node): void {
  node.slideAt = core.clock.monotonic() + slideStepMs(node.slidingMs);
  if (ns.settings.l2) core.background.runInAsyncScope(() => void retime(core, ns, key, node.slidingMs, true));
  else retimeNode(core, key, node, node.slidingMs);
}

/** Sliding expiry, after a hit in the shared tier: L1 may not have it, or never keeps it. */
export function slideStored(
  core: CacheCore,
  ns: NamespaceCore,
  key: EntryKey,
  { header }: StoredEntry,
): void {
  const { slidingMs, expires } = header;
  if (slidingMs === 0 || core.clock.now() + slidingMs - expires < slideStepMs(slidingMs)) return;
  core.background.runInAsyncScope(() => void retime(core, ns, key, slidingMs, true));
}

function retimeNode(core: CacheCore, key: EntryKey, node: L1Node, lifeMs: number): void {
  const now = core.clock.monotonic();
  const spare = node.expiresAt === Infinity ? 0 : node.staleUntil - node.expiresAt;
  node.expiresAt = now + lifeMs;
  node.staleUntil = node.expiresAt + spare;
  node.refreshAt = Infinity;
  node.slideAt = node.slidingMs > 0 ? now + slideStepMs(node.slidingMs) : Infinity;
  node.attentionAt = Math.min(node.expiresAt, node.slideAt);
  node.attentionTick = tickOf(node.attentionAt, now);
  core.l1.reschedule(key, node);
}
