import { type CacheCore, l1Serves, type NamespaceCore } from '../cache-core.js';
import { withTimes } from '../codec/wire-header.js';
import { RemoteUnavailableError } from '../errors.js';
import type { L1Node } from '../memory/node.js';
import type { EntryKey } from '../remote/remote-tier.js';
import { slideStepMs } from './admit.js';
import { type StoredEntry, judge } from './judge.js';

/** The node of a live entry in L1, also when it needs attention (refresh, sliding). */
export function liveNode(core: CacheCore, ns: NamespaceCore, key: EntryKey): L1Node | undefined {
  const slot = core.l1.slotOf(key);
  const now = core.clock.monotonic();
  if (slot === undefined || now >= core.l1.expiresAt(slot) || !l1Serves(core, ns.settings, now))
    return undefined;
  if (!core.l1.isIntact(slot)) return undefined;
  const node = core.l1.node(slot);
  return node.isError ? undefined : node; // an answer, but no entry
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
    retimeNode(core, node, lifeMs);
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
    if (node !== undefined && keepNode) retimeNode(core, node, lifeMs);
    else core.l1.delete(key);
    return true;
  } catch (error) {
    if (!(error instanceof RemoteUnavailableError)) throw error;
    return false;
  } finally {
    core.markers.close(marker);
  }
}

/**
 * Sliding expiry, after a hit in L1 that is due for it: renews in the background; a failure only means that the entry
 * ends sooner.
 */
export function slide(core: CacheCore, ns: NamespaceCore, key: EntryKey, slot: number): void {
  const special = core.l1.special(slot);
  if (special === undefined) return;
  const { slidingMs } = special;
  special.slideAt = core.clock.monotonic() + slideStepMs(slidingMs);
  core.l1.retimed(slot);
  if (ns.settings.l2) core.background.runInAsyncScope(() => void retime(core, ns, key, slidingMs, true));
  else retimeNode(core, core.l1.node(slot), slidingMs);
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

/** Unless the entry was replaced or has left meanwhile. */
function retimeNode(core: CacheCore, node: L1Node, lifeMs: number): void {
  const { slot, generation, slidingMs } = node;
  if (!core.l1.holds(slot, generation)) return;
  const now = core.clock.monotonic();
  const spare = node.expiresAt === Infinity ? 0 : node.staleUntil - node.expiresAt;
  const expiresAt = now + lifeMs;
  const slideAt = slidingMs > 0 ? now + slideStepMs(slidingMs) : Infinity;
  core.l1.retime(slot, { expiresAt, staleUntil: expiresAt + spare, slideAt });
}
