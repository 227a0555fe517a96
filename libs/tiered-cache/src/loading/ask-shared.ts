import { randomBytes } from 'node:crypto';
import { believes, type CacheCore, type NamespaceCore } from '../cache-core.js';
import { RemoteUnavailableError } from '../errors.js';
import { captureVector } from '../coherence/vectors.js';
import type { EntryKey } from '../remote/remote-tier.js';
import { promote } from './admit.js';
import type { Flight } from './flights.js';
import { type StoredEntry, judge } from './judge.js';
import type { ReadRequest } from './read-request.js';

/** The right to fill, with the vector that goes into the entry. */
export interface Lease {
  token: string;
  nonces: readonly string[];
}

/** A value, or the lease to load with; a null lease means: load, fill nothing. */
export type SharedAnswer = { entry: StoredEntry } | { entry: null; lease: Lease | null };

/** What GET answered, where it was sent already. */
export type FirstAnswer = { raw: Buffer | null } | { error: unknown };

const POLL_MIN_MS = 2;
/** Of what was waited already: who waits longer asks less often, and is late by a small part of the wait. */
const POLL_PART = 0.08;
const POLL_MAX_MS = 40;
/** A fence stands for as long as a COMMIT takes; behind it everybody would load, and nobody could keep what was loaded. */
const FENCE_PATIENCE_MS = 50;
const MAX_REJECTIONS = 8;
/** Asking the system for randomness costs microseconds; once per process tells processes apart as well. */
const PROCESS = randomBytes(12).toString('base64url');
let tokens = 0;
const FILL_NOTHING: SharedAnswer = { entry: null, lease: null };

/**
 * Asks the shared tier: GET; on a miss ACQUIRE and the missing nonces in one go, until there is a value or a lease.
 * While somebody else holds the lease it asks again with jitter, and takes over when that lease has ended. Before a fence
 * it waits a moment: what the writer commits is what should be loaded (`waits` false: then, and where somebody else loads, the answer is
 * to fill nothing). A value found is promoted to L1. `onStale` hears of a value that has expired but may still be served.
 * @throws RemoteUnavailableError
 */
export async function askShared(
  core: CacheCore,
  flight: Flight,
  request: ReadRequest,
  onStale: (entry: StoredEntry) => void,
  waits = true,
  first?: FirstAnswer,
): Promise<SharedAnswer> {
  const { ns, key, strict } = request;
  const { leaseMs } = ns.settings;
  const remote = core.remote!;
  let rejected: { rejected: Buffer; keep: boolean } | undefined;

  const consider = async (raw: Buffer): Promise<StoredEntry | null> => {
    const verdict = await judge(core, ns, strict, flight.marker, raw);
    if (verdict.kind === 'rejected') {
      rejected = { rejected: verdict.fingerprint, keep: false };
      return null;
    }
    const { entry } = verdict;
    const wanted =
      request.mode === 'read' || (request.mode === 'refresh' && entry.header.created > request.newerThan);
    if (verdict.kind === 'hit' && wanted) {
      promote(core, ns, key, flight.marker, entry, request.id);
      return entry;
    }
    if (verdict.kind === 'stale') onStale(entry);
    rejected = { rejected: entry.fingerprint, keep: true };
    return null;
  };

  const believed = believes(core, ns);
  if (!(believed === true || (await believed)))
    throw new RemoteUnavailableError('Nobody knows yet what the shared tier holds.');
  if (first !== undefined && 'error' in first) throw first.error;
  const raw = first !== undefined ? first.raw : await remote.gets.send(key);
  const found = raw === null ? null : await consider(raw);
  if (found !== null) return { entry: found };
  ns.counters.l2Misses++;

  const token = newToken();
  const giveUpAt = core.clock.monotonic() + 2 * leaseMs;
  const fenceUntil = core.clock.monotonic() + FENCE_PATIENCE_MS;
  const askedAt = core.clock.monotonic();
  for (let rejections = 0; rejections < MAX_REJECTIONS;) {
    const marker = flight.remark();
    const [acquired, nonces] = await Promise.all([
      remote.acquires.send({ key, token, leaseMs, ...rejected }),
      captureVector(core, strict, marker, flight.tags),
    ]);
    switch (acquired.outcome) {
      case 'granted':
        if (nonces !== null) return { entry: null, lease: { token, nonces } };
        void releaseLease(core, key, token);
        return FILL_NOTHING;
      case 'unknown':
        return FILL_NOTHING;
      case 'value': {
        rejections++;
        const entry = await consider(acquired.value);
        if (entry !== null) return { entry };
        continue;
      }
      case 'fenced':
      case 'busy':
        if (!waits || core.clock.monotonic() >= (acquired.outcome === 'busy' ? giveUpAt : fenceUntil))
          return FILL_NOTHING;
        await pause(core, pauseAfter(core.clock.monotonic() - askedAt) * (0.5 + core.options.random()));
    }
  }
  return FILL_NOTHING;
}

/** Not where an invalidation of it waits for its answer. */
export function mayAskShared(
  { remote, pending }: CacheCore,
  ns: NamespaceCore,
  key: EntryKey,
  tags: readonly string[],
): boolean {
  if (!ns.settings.l2 || remote === null || !remote.usable || pending.hasKey(key)) return false;
  return !tags.some((tag) => pending.hasTag(tag));
}

/** Gives a lease back that was not used; unanswered it ends by itself. */
export async function releaseLease(core: CacheCore, key: string, token: string): Promise<void> {
  try {
    await core.remote!.run((tier) => tier.release(key, token));
  } catch {
    // Counted by the guard.
  }
}

export function newToken(): string {
  return `${PROCESS}.${(++tokens).toString(36)}`;
}

function pauseAfter(waitedMs: number): number {
  return Math.min(POLL_MAX_MS, Math.max(POLL_MIN_MS, POLL_PART * waitedMs));
}

function pause(core: CacheCore, ms: number): Promise<void> {
  return new Promise((resolve) => void core.clock.setTimer(ms, resolve));
}
